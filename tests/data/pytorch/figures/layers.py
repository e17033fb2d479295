"""layers.json: layers over images and signals, with gradients by their input and by their parameters."""

import numpy as np
import torch
from torch import nn

from .numbers import PRECISIONS, draw, write

SAMPLES = 5

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
        entry.update(x=x, factor=factor, weights=weights)
        for precision, dtype in PRECISIONS:
            entry[precision] = outcome(module, dtype, weights, x, factor)
        entries.append(entry)
    write("layers.json", {"layers": entries})
