"""layers.json: layers over images and signals, with gradients by their input and by their parameters."""

import numpy as np
import torch
from torch import nn

from .numbers import PRECISIONS, draw, write

SAMPLES = 5

class Of(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.forward = function


def halves(x):
    """The halves of the last axis, the other way round, with the whole between them."""
    a, b = x.chunk(2, dim=3)
    return torch.cat([b, x, a], dim=3)


def pad(sides, **settings):
    return lambda: Of(lambda x: nn.functional.pad(x, sides, **settings))


# What stands in the model for a call that needs more than itself.
BODIES = {
    "split(2, axis = 2)": "let [a, b] = split(2, axis = 2) concat(b, a, axis = 2)",
    "concat(b, whole, a, axis = 2)": "let whole = relu let [a, b] = whole -> split(2, axis = 2) concat(b, whole, a, axis = 2)",
}

# Call in the language, shape of a sample, the module.
LAYERS = [
    ("max_pool2d(2)", [2, 4, 6], lambda: nn.MaxPool2d(2)),
    ("max_pool2d(2)", [1, 5, 7], lambda: nn.MaxPool2d(2)),
    ("max_pool2d(3, stride = 2, padding = 1)", [2, 6, 5], lambda: nn.MaxPool2d(3, 2, 1)),
    ("max_pool2d([2, 3], stride = [3, 1], padding = [1, 0])", [2, 5, 4], lambda: nn.MaxPool2d((2, 3), (3, 1), (1, 0))),
    ("avg_pool2d(2)", [2, 4, 6], lambda: nn.AvgPool2d(2)),
    ("avg_pool2d(3, stride = 2, padding = 1)", [2, 6, 5], lambda: nn.AvgPool2d(3, 2, 1)),
    (
        "avg_pool2d([3, 2], stride = 1, padding = [1, 1], count_include_pad = false)",
        [2, 4, 3],
        lambda: nn.AvgPool2d((3, 2), 1, (1, 1), count_include_pad=False),
    ),
    ("max_pool1d(3, stride = 2)", [3, 9], lambda: nn.MaxPool1d(3, 2)),
    ("avg_pool1d(2, padding = 1)", [3, 8], lambda: nn.AvgPool1d(2, padding=1)),
    ("global_avg_pool", [3, 4, 2], lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())),
    ("global_max_pool", [3, 4, 2], lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())),
    ("adaptive_avg_pool2d([3, 2])", [2, 7, 5], lambda: nn.AdaptiveAvgPool2d((3, 2))),
    ("adaptive_avg_pool2d(3)", [1, 2, 6], lambda: nn.AdaptiveAvgPool2d(3)),
    ("adaptive_max_pool2d([3, 2])", [2, 7, 5], lambda: nn.AdaptiveMaxPool2d((3, 2))),
    ("conv2d(4, kernel = 3)", [2, 5, 6], lambda: nn.Conv2d(2, 4, 3)),
    ("conv2d(3, kernel = 3, padding = same, bias = false)", [2, 4, 5], lambda: nn.Conv2d(2, 3, 3, padding=1, bias=False)),
    (
        "conv2d(17, kernel = [3, 2], stride = [2, 1], padding = [1, 0], dilation = [1, 2])",
        [2, 5, 6],
        lambda: nn.Conv2d(2, 17, (3, 2), (2, 1), (1, 0), (1, 2)),
    ),
    (
        "conv2d(6, kernel = 3, stride = 2, padding = 1, groups = 3)",
        [3, 5, 4],
        lambda: nn.Conv2d(3, 6, 3, 2, 1, groups=3),
    ),
    ("conv1d(5, kernel = 4, stride = 2, padding = 3)", [3, 9], lambda: nn.Conv1d(3, 5, 4, 2, 3)),
    ("conv1d(4, kernel = 3, dilation = 2, groups = 2)", [4, 8], lambda: nn.Conv1d(4, 4, 3, dilation=2, groups=2)),
    ("conv_transpose2d(3, kernel = 2, stride = 2)", [2, 3, 4], lambda: nn.ConvTranspose2d(2, 3, 2, 2)),
    (
        "conv_transpose2d(4, kernel = 3, stride = [2, 3], padding = 1, output_padding = [1, 2], groups = 2, bias = false)",
        [2, 3, 3],
        lambda: nn.ConvTranspose2d(2, 4, 3, (2, 3), 1, (1, 2), groups=2, bias=False),
    ),
    ("conv_transpose2d(2, kernel = 3, dilation = 2)", [3, 3, 2], lambda: nn.ConvTranspose2d(3, 2, 3, dilation=2)),
    ("transpose([1, 2, 0])", [2, 3, 4], lambda: Of(lambda x: x.permute(0, 2, 3, 1))),
    ("transpose", [3, 5], lambda: Of(lambda x: x.transpose(1, 2))),
    ("slice(axis = 1, from = 1, to = 3)", [2, 4, 3], lambda: Of(lambda x: x.narrow(2, 1, 2))),
    ("split(2, axis = 2)", [2, 3, 4], lambda: Of(lambda x: torch.cat(x.chunk(2, dim=3)[::-1], dim=3))),
    ("concat(b, whole, a, axis = 2)", [2, 3, 4], lambda: Of(lambda x: halves(x.relu()))),
    ("pad(1)", [2, 3, 4], pad((1, 1, 1, 1))),
    ("pad([0, 2], after = [1, 0], value = -0.5)", [2, 3, 4], pad((2, 0, 0, 1), value=-0.5)),
    ("pad([2, 1], after = [0, 3], mode = reflect)", [2, 3, 4], pad((1, 3, 2, 0), mode="reflect")),
    ("pad(2, after = 5, mode = replicate)", [3, 4], pad((2, 5), mode="replicate")),
    ("upsample(2)", [2, 3, 4], lambda: nn.Upsample(scale_factor=2)),
    ("upsample([1, 3])", [2, 3, 2], lambda: nn.Upsample(scale_factor=(1, 3))),
    ("upsample(2, mode = bilinear)", [2, 3, 4], lambda: nn.Upsample(scale_factor=2, mode="bilinear")),
    ("upsample([3, 4], mode = bilinear)", [1, 3, 2], lambda: nn.Upsample(scale_factor=(3, 4), mode="bilinear")),
    ("upsample(3, mode = bilinear)", [3, 5], lambda: nn.Upsample(scale_factor=3, mode="linear")),
    # Between so many channels that nnc takes Winograd's algorithm.
    ("conv2d(9, kernel = 3, padding = same)", [8, 5, 8], lambda: nn.Conv2d(8, 9, 3, padding=1)),
    ("conv2d(17, kernel = 3)", [10, 8, 6], lambda: nn.Conv2d(10, 17, 3)),
    ("conv_transpose2d(8, kernel = 3, padding = 1)", [9, 4, 7], lambda: nn.ConvTranspose2d(9, 8, 3, padding=1)),
]


def outcome(make, dtype, weights, x, factor):
    """An output, and the gradients of sum(output * factor)."""
    module = make().to(dtype)
    with torch.no_grad():
        for name, value in module.named_parameters():
            value.copy_(weights[name].to(dtype))
    x = x.detach().clone().to(dtype).requires_grad_()
    output = module(x)
    (output * factor.to(dtype)).sum().backward()
    return {
        "output": output,
        "gradient": x.grad,
        "gradients": {name: value.grad for name, value in module.named_parameters()},
    }


def make():
    entries = []
    for number, (call, shape, module) in enumerate(LAYERS):
        rng = np.random.default_rng(300 + number)
        # Quarters, so that equal numbers share a window.
        x = torch.round(draw(rng, SAMPLES, *shape, scale=1.5) * 4) / 4
        factor = draw(rng, *module()(x.float()).shape)
        weights = {name: draw(rng, *value.shape, scale=0.5) for name, value in module().named_parameters()}
        entry = {"call": call, "source": "pytorch", "shape": shape, "samples": SAMPLES}
        if call in BODIES:
            entry["body"] = BODIES[call]
        entry.update(x=x, factor=factor, weights=weights)
        for precision, dtype in PRECISIONS:
            entry[precision] = outcome(module, dtype, weights, x, factor)
        entries.append(entry)
    write("layers.json", {"layers": entries})
