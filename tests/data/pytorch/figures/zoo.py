"""zoo.json: the networks of examples/zoo in small, and weights/resnet20.safetensors as PyTorch writes them."""

import math
import re
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from .numbers import FOLDER, draw, write
from .training import encoder_layer, entry, start

SAMPLES = 3
STEPS = 4


class Network(nn.Module):
    """Modules are named as the layers of the `.nn` file, so that names need no turning."""

    def named(self, tensors):
        return {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}

    def loss(self, output, target):
        return F.cross_entropy(output, target)


def conv(channels_in, channels, kernel=3, **settings):
    return nn.Conv2d(channels_in, channels, kernel, padding=kernel // 2, **settings)


class LeNet5(Network):
    def __init__(self, maps=(2, 3), units=(7, 6), classes=4, size=12):
        super().__init__()
        self.conv1 = nn.Conv2d(1, maps[0], 5, padding=2)
        self.conv2 = nn.Conv2d(maps[0], maps[1], 5)
        self.dense1 = nn.Linear(maps[1] * ((size // 2 - 4) // 2) ** 2, units[0])
        self.dense2 = nn.Linear(*units)
        self.head = nn.Linear(units[1], classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        return self.head(F.relu(self.dense2(F.relu(self.dense1(x)))))


class Basic(nn.Module):
    def __init__(self, channels_in, channels):
        super().__init__()
        stride = 1 if channels_in == channels else 2
        self.conv1 = conv(channels_in, channels, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        if stride == 2:
            self.shortcut_conv = nn.Conv2d(channels_in, channels, 1, stride=2, bias=False)
            self.shortcut_bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        body = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "shortcut_conv"):
            x = self.shortcut_bn(self.shortcut_conv(x))
        return F.relu(body + x)


def repeat(count, channels):
    """`repeat count { basic(channels) }`."""
    rounds = {str(n + 1): nn.ModuleDict({"basic": Basic(channels, channels)}) for n in range(count)}
    return nn.ModuleDict(rounds)


class Stage(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = Basic(channels // 2, channels)
        self.rest = repeat(2, channels)

    def forward(self, x):
        x = self.first(x)
        for block in self.rest.values():
            x = block["basic"](x)
        return x


class ResNet20(Network):
    def __init__(self, width=2, classes=4):
        super().__init__()
        self.conv1 = conv(3, width, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = repeat(3, width)
        self.layer2 = Stage(2 * width)
        self.layer3 = Stage(4 * width)
        self.fc = nn.Linear(4 * width, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for block in self.layer1.values():
            x = block["basic"](x)
        x = self.layer3(self.layer2(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Double(nn.Module):
    """Two convolutions that keep the size."""

    def __init__(self, channels_in, channels):
        super().__init__()
        self.conv1 = conv(channels_in, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x):
        return F.relu(self.conv2(F.relu(self.conv1(x))))


class Vgg(Network):
    def __init__(self):
        super().__init__()
        self.stage1, self.stage2, self.stage3 = Double(3, 2), Double(2, 4), Double(4, 8)
        self.dense1 = nn.Linear(8, 6)
        self.dense2 = nn.Linear(6, 6)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        for stage in (self.stage1, self.stage2, self.stage3):
            x = F.max_pool2d(stage(x), 2)
        x = torch.flatten(x, 1)
        return self.head(F.relu(self.dense2(F.relu(self.dense1(x)))))


class Separable(nn.Module):
    def __init__(self, channels_in, channels, stride=1):
        super().__init__()
        self.depthwise = conv(channels_in, channels_in, stride=stride, groups=channels_in, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = F.relu(self.norm1(self.depthwise(x)))
        return F.relu(self.norm2(self.pointwise(x)))


class MobileNet(Network):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(2)
        self.block1, self.block2 = Separable(2, 4), Separable(4, 8, 2)
        self.block3, self.block4 = Separable(8, 8), Separable(8, 16, 2)
        self.block5 = Separable(16, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        for block in (self.block1, self.block2, self.block3, self.block4, self.block5):
            x = block(x)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class UNet(Network):
    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.bottom = Double(1, 2), Double(2, 4), Double(4, 8)
        self.up2 = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.merge2 = Double(8, 4)
        self.up1 = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.merge1 = Double(4, 2)
        self.head = nn.Conv2d(2, 1, 1)

    def forward(self, x):
        fine = self.down1(x)
        middle = self.down2(F.max_pool2d(fine, 2))
        coarse = self.bottom(F.max_pool2d(middle, 2))
        mixed = self.merge2(torch.cat([middle, self.up2(coarse)], 1))
        return self.head(self.merge1(torch.cat([fine, self.up1(mixed)], 1)))

    def predict(self, output):
        return torch.sigmoid(output)

    def loss(self, output, target):
        return F.binary_cross_entropy_with_logits(output, target)


class SignalFcn(Network):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(2, 3, 7, padding="same", bias=False)
        self.norm1 = nn.BatchNorm1d(3)
        self.conv2 = nn.Conv1d(3, 6, 5, padding="same", bias=False)
        self.norm2 = nn.BatchNorm1d(6)
        self.conv3 = nn.Conv1d(6, 3, 3, padding="same", bias=False)
        self.norm3 = nn.BatchNorm1d(3)
        self.head = nn.Linear(3, 4)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        x = F.relu(self.norm3(self.conv3(x)))
        return self.head(x.mean(2))


class Autoencoder(Network):
    SIZES = {"encode1": (12, 9), "encode2": (9, 7), "encode3": (7, 5), "code": (5, 3)}
    SIZES |= {"decode3": (3, 5), "decode2": (5, 7), "decode1": (7, 9), "draw": (9, 12)}

    def __init__(self):
        super().__init__()
        for name, sizes in self.SIZES.items():
            setattr(self, name, nn.Linear(*sizes))

    def forward(self, x):
        self.seen = x
        for name in self.SIZES:
            x = getattr(self, name)(x)
            x = torch.sigmoid(x) if name == "draw" else x if name == "code" else F.relu(x)
        return x

    def loss(self, output, _target):
        return F.mse_loss(output, self.seen)


class Mlp(Network):
    def __init__(self):
        super().__init__()
        self.dense1, self.dense2, self.head = nn.Linear(10, 8), nn.Linear(8, 6), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(F.relu(self.dense2(F.relu(self.dense1(x)))))


class Characters(Network):
    """Which comes next, at each position."""

    vocabulary, context = 13, 7

    def loss(self, output, target):
        return F.cross_entropy(output.flatten(0, -2), target.flatten())


class CharCells(Characters):
    """Two recurrent layers as two modules of one, which are called first and second in the language."""

    def __init__(self, cell, width=5, hidden=6):
        super().__init__()
        self.token = nn.Embedding(self.vocabulary, width)
        self.first = cell(width, hidden, batch_first=True)
        self.second = cell(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, self.vocabulary)

    def forward(self, x):
        return self.head(self.second(self.first(self.token(x))[0])[0])

    def named(self, tensors):
        """first.ih.weight for first.weight_ih_l0."""
        return {re.sub(r"(\w+)_([ih]h)_l0$", r"\2.\1", name): value for name, value in tensors.items()}


def encoder(name, blocks, *sizes, norm_first):
    """`repeat blocks { name(…) }`."""
    layers = [nn.ModuleDict({name: encoder_layer(*sizes, norm_first=norm_first)}) for _ in range(blocks)]
    return nn.ModuleDict({str(n): layer for n, layer in enumerate(layers, 1)})


class CharGpt(Characters):
    def __init__(self, context=Characters.context, width=16, heads=2, blocks=2):
        super().__init__()
        self.token = nn.Embedding(self.vocabulary, width)
        self.position = nn.Embedding(context, width)
        self.repeat = encoder("transformer_block", blocks, width, heads, 4 * width, norm_first=True)
        self.layer_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, self.vocabulary, bias=False)

    def forward(self, x):
        context = x.shape[1]
        x = self.token(x) + self.position(torch.arange(context))
        mask = torch.triu(torch.ones(context, context, dtype=torch.bool), diagonal=1)
        for block in self.repeat.values():
            x = block["transformer_block"](x, src_mask=mask)
        return self.head(self.layer_norm(x))


class TransformerClassifier(Network):
    vocabulary, context, width = 13, 7, 8

    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(self.vocabulary, self.width)
        sizes = self.width, 2, 4 * self.width
        self.repeat = encoder("post_norm_transformer_block", 2, *sizes, norm_first=False)
        self.head = nn.Linear(self.width, 4)

    def waves(self):
        """sin(t / 10000^(2 i / width)) and the cosine of it, by turns."""
        pairs = torch.arange(0, self.width, 2, dtype=torch.float64) / self.width
        angles = torch.arange(self.context)[:, None] / 10000**pairs
        return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)

    def forward(self, x):
        x = self.token(x)
        x = x + self.waves().to(x.dtype)
        for block in self.repeat.values():
            x = block["post_norm_transformer_block"](x)
        return self.head(x.mean(1))


def adam(parameters, lr=0.001):
    return torch.optim.Adam(parameters, lr=lr)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.001)


def momentum(lr, l2):
    return partial(torch.optim.SGD, lr=lr, momentum=0.9, weight_decay=l2)


# Folder, module, shape of a sample or the class that knows of its tokens, optimizer. Networks with norms take small steps: with batches this small they soon go
# different ways in f32.
NETWORKS = [
    ("lenet5", LeNet5, [1, 12, 12], adam),
    ("resnet20", ResNet20, [3, 8, 8], momentum(0.01, 0.0001)),
    ("vgg", Vgg, [3, 8, 8], momentum(0.01, 0.0005)),
    ("mobilenet", MobileNet, [3, 8, 8], momentum(0.01, 0.00004)),
    ("unet", UNet, [1, 8, 8], adam),
    ("signal_fcn", SignalFcn, [2, 15], adam),
    ("autoencoder", Autoencoder, [12], adam),
    ("mlp", Mlp, [10], adam),
    ("char_rnn", partial(CharCells, nn.RNN), Characters, partial(adam, lr=0.002)),
    ("char_lstm", partial(CharCells, nn.LSTM), Characters, partial(adam, lr=0.002)),
    ("char_gru", partial(CharCells, nn.GRU), Characters, partial(adam, lr=0.002)),
    ("char_gpt", CharGpt, Characters, adamw),
    ("transformer_classifier", TransformerClassifier, TransformerClassifier, adamw),
]


def drawn(rng, name, value):
    """Weights by what reaches a unit; norms near 1, and variances well above 0. Multiples of 1/64, which are short."""
    is_near_one = name.endswith("running_var") or value.ndim == 1 and name.endswith("weight")
    if value.ndim == 1:
        drawn = draw(rng, *value.shape, scale=0.1 if is_near_one else 0.2) + is_near_one
    else:
        drawn = draw(rng, *value.shape, scale=math.sqrt(2 / value[0].numel()))
    return (drawn * 64).round() / 64


def samples(rng, name, of):
    """Quarters, which are short, or tokens."""
    if isinstance(of, type):
        return torch.tensor(rng.integers(0, of.vocabulary, (SAMPLES, of.context)))
    x = (draw(rng, SAMPLES, *of) * 4).round() / 4
    return x.abs().clamp(max=1) if name == "autoencoder" else x


def targets(rng, name, of):
    if of is Characters:
        return torch.tensor(rng.integers(0, of.vocabulary, (SAMPLES, of.context)))
    if name == "autoencoder":
        return torch.zeros(0, dtype=torch.float64)
    if name == "unet":
        return torch.tensor(rng.integers(0, 2, (SAMPLES, 1, 8, 8)), dtype=torch.float64)
    return torch.tensor(rng.integers(0, 4, SAMPLES))


def make():
    entries = []
    for number, (name, make_one, of, optimizer) in enumerate(NETWORKS):
        rng = np.random.default_rng(400 + number)
        state = make_one().state_dict()
        state = {key: drawn(rng, key, value) for key, value in state.items() if value.ndim}
        x = samples(rng, name, of)
        entries.append(entry(f"{name}.nn", make_one, state, x, targets(rng, name, of), optimizer, STEPS))
        if name == "resnet20":
            # Everything as it is, `num_batches_tracked` too.
            tensors = start(make_one(), torch.float32, state).state_dict()
            (FOLDER / "weights").mkdir(exist_ok=True)
            save_file({key: value.contiguous() for key, value in tensors.items()}, FOLDER / "weights/resnet20.safetensors")
    write("zoo.json", {"models": entries})
