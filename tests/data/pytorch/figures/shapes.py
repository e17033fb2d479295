"""shapes.json: layers of layers.json and norms.json with shapes and arguments that are drawn."""

import numpy as np
import torch
from torch import nn

from .layers import Of, outcome
from .numbers import draw, write

SAMPLES = 2
# How many numbers a sample, an output and a weight have at most.
LARGEST = 130
LARGEST_WEIGHT = 200


class Draw:
    """Whole numbers of a generator of its own."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def below(self, n):
        return int(self.rng.integers(n))

    def of(self, items):
        return items[self.below(len(items))]

    def shape(self, axes):
        """Channels, and sizes of so many axes."""
        return [self.of([1, 2, 3, 4, 5, 6, 8, 9, 16, 17])] + [1 + self.below(30 if axes == 1 else 8) for _ in range(axes)]

    def window(self, axes, kernel=5):
        """Kernels, strides, paddings and dilations of so many axes."""
        kernels = [1 + self.below(kernel) for _ in range(axes)]
        strides = [1 + self.below(3) for _ in range(axes)]
        paddings = [self.below(kernel + 1) for kernel in kernels]
        return kernels, strides, paddings, [self.of([1, 1, 2, 3]) for _ in range(axes)]


def convolution(draws, axes):
    """Dense, grouped or of each channel apart."""
    shape = draws.shape(axes)
    channels = shape[0]
    kernels, strides, paddings, dilations = draws.window(axes)
    groups = draws.of([channels, channels] + [n for n in range(1, channels + 1) if channels % n == 0])
    made, bias = groups * (1 + draws.below(4)), draws.below(2) == 0
    words = f"{made}, kernel = {kernels}, stride = {strides}, padding = {paddings}"
    settings = {"dilation": dilations, "groups": groups, "bias": bias}
    rest = f"dilation = {dilations}, groups = {groups}, bias = {str(bias).lower()}"
    return shape, channels, made, kernels, strides, paddings, settings, words, rest


def conv(axes):
    def drawn(draws):
        shape, channels, made, kernels, strides, paddings, settings, words, rest = convolution(draws, axes)
        module = [nn.Conv1d, nn.Conv2d][axes - 1]
        if draws.below(4) == 0:
            strides, paddings = [1] * axes, "same"
            words = f"{made}, kernel = {kernels}, padding = same"
        make = lambda: module(channels, made, kernels, strides, paddings, **settings)
        return f"conv{axes}d({words}, {rest})", shape, make

    return drawn


def conv_transpose2d(draws):
    shape, channels, made, kernels, strides, paddings, settings, words, rest = convolution(draws, 2)
    more = [draws.below(max(stride, dilation)) for stride, dilation in zip(strides, settings["dilation"])]
    make = lambda: nn.ConvTranspose2d(channels, made, kernels, strides, paddings, more, **settings)
    return f"conv_transpose2d({words}, output_padding = {more}, {rest})", shape, make


def pool(kind, axes):
    def drawn(draws):
        kernels, strides, paddings, _ = draws.window(axes)
        paddings = [min(padding, kernel // 2) for padding, kernel in zip(paddings, kernels)]
        words = f"{kernels}, stride = {strides}, padding = {paddings}"
        settings = {}
        if kind == "avg" and draws.below(2) == 0:
            words, settings = f"{words}, count_include_pad = false", {"count_include_pad": False}
        module = getattr(nn, f"{kind.title()}Pool{axes}d")
        return f"{kind}_pool{axes}d({words})", draws.shape(axes), lambda: module(kernels, strides, paddings, **settings)

    return drawn


def adaptive_pool(kind):
    def drawn(draws):
        sizes = [1 + draws.below(6), 1 + draws.below(6)]
        module = getattr(nn, f"Adaptive{kind.title()}Pool2d")
        return f"adaptive_{kind}_pool2d({sizes})", draws.shape(2), lambda: module(sizes)

    return drawn


def global_pool(kind):
    def drawn(draws):
        axes = 1 + draws.below(2)
        module = getattr(nn, f"Adaptive{kind.title()}Pool{axes}d")
        return f"global_{kind}_pool", draws.shape(axes), lambda: nn.Sequential(module(1), nn.Flatten())

    return drawn


def upsample(mode):
    def drawn(draws):
        axes = 1 + draws.below(2)
        scales = [1 + draws.below(4) for _ in range(axes)]
        smooth = ["linear", "bilinear"][axes - 1]
        make = lambda: nn.Upsample(scale_factor=tuple(scales), mode=smooth if mode == "bilinear" else mode)
        return f"upsample({scales}, mode = {mode})", draws.shape(axes), make

    return drawn


def pad(draws):
    axes, mode = 1 + draws.below(2), draws.of(["constant", "reflect", "replicate"])
    before, after = ([draws.below(4) for _ in range(axes)] for _ in range(2))
    # PyTorch has the last axis first.
    sides = tuple(side for pair in zip(before[::-1], after[::-1]) for side in pair)
    call = f"pad({before}, after = {after}, mode = {mode})"
    return call, draws.shape(axes), lambda: Of(lambda x: nn.functional.pad(x, sides, mode=mode))


def transpose(draws):
    shape = draws.shape(1 + draws.below(2))
    axes = [int(axis) for axis in draws.rng.permutation(len(shape))]
    make = lambda: Of(lambda x: x.permute(0, *[axis + 1 for axis in axes]))
    return f"transpose({axes})", shape, make


def part(draws):
    shape = draws.shape(1 + draws.below(2))
    axis = draws.below(len(shape))
    start = draws.below(shape[axis])
    end = start + 1 + draws.below(shape[axis] - start)
    make = lambda: Of(lambda x: x.narrow(axis + 1, start, end - start))
    return f"slice(axis = {axis}, from = {start}, to = {end})", shape, make


def reshape(draws):
    shape = draws.shape(1 + draws.below(2))
    # One of its factors after the other.
    sizes, rest = [], int(np.prod(shape))
    for _ in range(draws.below(3)):
        sizes.append(draws.of([n for n in range(1, rest + 1) if rest % n == 0]))
        rest //= sizes[-1]
    sizes.append(rest)
    return f"reshape({sizes})", shape, lambda: Of(lambda x: x.reshape(SAMPLES, *sizes))


def group_norm(draws):
    shape = draws.shape(1 + draws.below(2))
    groups = draws.of([n for n in range(1, shape[0] + 1) if shape[0] % n == 0])
    return f"group_norm({groups})", shape, lambda: nn.GroupNorm(groups, shape[0])


def over_the_last(name, module):
    def drawn(draws):
        shape = draws.shape(1 + draws.below(2))
        return f"{name}(eps = 0.01)", shape, lambda: module(shape[-1], eps=0.01)

    return drawn


# And how many there are of each.
KINDS = [
    (conv(1), 7),
    (conv(2), 10),
    (conv_transpose2d, 9),
    (pool("max", 1), 3),
    (pool("max", 2), 4),
    (pool("avg", 1), 3),
    (pool("avg", 2), 4),
    (adaptive_pool("max"), 3),
    (adaptive_pool("avg"), 3),
    (global_pool("max"), 2),
    (global_pool("avg"), 2),
    (upsample("nearest"), 3),
    (upsample("bilinear"), 4),
    (pad, 5),
    (transpose, 3),
    (part, 3),
    (group_norm, 3),
    (over_the_last("layer_norm", nn.LayerNorm), 2),
    (over_the_last("rms_norm", nn.RMSNorm), 2),
    (reshape, 4),
]


def fitting(kind, draws, taken):
    """The next layer that is drawn and that PyTorch can make, that is not too large, and that is not there yet."""
    while True:
        call, shape, make = kind(draws)
        if (call, shape) in taken or np.prod(shape) > LARGEST:
            continue
        if any(value.numel() > LARGEST_WEIGHT for value in make().parameters()):
            continue
        try:
            made = make()(torch.zeros(SAMPLES, *shape)).numel() // SAMPLES
        except RuntimeError:
            # No window fits.
            continue
        # Of one number alone there is no deviation.
        if 0 < made <= LARGEST and (np.prod(shape[1:]) > 1 or "norm" not in call):
            return call, shape, make


def rounded(value):
    """Twelve digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return np.vectorize(lambda number: float(f"{number:.11e}"))(value.detach().numpy())


def make():
    entries, taken = [], []
    for number, (kind, n_layers) in enumerate(KINDS):
        draws = Draw(1000 + number)
        for _ in range(n_layers):
            call, shape, module = fitting(kind, draws, taken)
            taken.append((call, shape))
            # Quarters, so that equal numbers share a window.
            x = torch.round(draw(draws.rng, SAMPLES, *shape, scale=1.5) * 4) / 4
            factor = torch.round(draw(draws.rng, *module()(x.float()).shape) * 8) / 8
            weights = {
                name: torch.round(draw(draws.rng, *value.shape) * 16) / 16 for name, value in module().named_parameters()
            }
            figures = rounded(outcome(module, torch.float64, weights, x, factor))
            entries.append({"call": call, "shape": shape, "x": x, "factor": factor, "weights": weights, **figures})
    write("shapes.json", {"shapes": entries})
