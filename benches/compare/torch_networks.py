"""The networks in PyTorch, their layers in nnc's order."""

import torch
import torch.nn.functional as F
from torch import nn

from networks import CONTEXT, NETWORKS, VOCABULARY
from worker import Start


def dense(*sizes):
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def xor():
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())


def bnmlp():
    first = [nn.Linear(64, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU()]
    second = [nn.Linear(256, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*first, *second, nn.Linear(256, 10))


def lenet():
    features = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*features, dense(400, 120, 84, 10))


def conv_norm(channels_in, channels, kernel, stride=1):
    conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


class Basic(nn.Module):
    def __init__(self, channels_in, channels):
        super().__init__()
        stride = 1 if channels_in == channels else 2
        self.shortcut = conv_norm(channels_in, channels, 1, 2) if stride == 2 else nn.Identity()
        self.first = conv_norm(channels_in, channels, 3, stride)
        self.second = conv_norm(channels, channels, 3)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


def resnet20():
    widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    blocks = [Basic(*pair) for pair in zip(widths, widths[1:])]
    return nn.Sequential(
        conv_norm(3, 16, 3), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 64)
        self.lstm = nn.LSTM(64, 128, batch_first=True)
        self.head = nn.Linear(128, VOCABULARY)

    def forward(self, x):
        return self.head(self.lstm(self.embedding(x))[0])


class Block(nn.Module):
    def __init__(self, width=128, heads=4):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.packed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, positions, width = x.shape
        packed = self.packed(self.norm1(x)).view(batch, positions, 3, self.heads, -1)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, positions, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, 128)
        self.position = nn.Embedding(CONTEXT, 128)
        self.blocks = nn.Sequential(*[Block() for _ in range(4)])
        self.norm = nn.LayerNorm(128)
        self.head = nn.Linear(128, VOCABULARY, bias=False)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.token(x) + self.position.weight)))


MODULES = {
    "xor": xor,
    "iris": lambda: dense(4, 16, 3),
    "mlp": lambda: dense(784, 128, 64, 10),
    "bnmlp": bnmlp,
    "wide": lambda: dense(1024, 1024, 1024, 1024, 10),
    "lenet": lenet,
    "resnet20": resnet20,
    "lstm": Lstm,
    "gpt": Gpt,
}


def started(name, batch):
    """The network with the weights that all start from, inputs, targets, and how many parameters were set."""
    start, module = Start(name, batch), MODULES[name]()
    for parameter in in_order(module):
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(start.take(*parameter.shape)))
    return module, torch.from_numpy(start.x), torch.from_numpy(start.target), start.taken()


def in_order(module):
    """Parameters in nnc's order, which has the bias of a product behind its weight."""
    for part in module.modules():
        own = dict(part.named_parameters(recurse=False))
        names = [f"{kind}_{product}_l0" for product in ("ih", "hh") for kind in ("weight", "bias")]
        yield from (own[name] for name in (names if isinstance(part, nn.LSTM) else own))


def loss(name, output, target):
    if not NETWORKS[name].classes:
        return F.mse_loss(output, target)
    return F.cross_entropy(output.flatten(0, -2), target.flatten())
