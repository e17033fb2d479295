"""norms.json: layers that normalise, in training and in evaluation, with gradients and running figures of three steps."""

import numpy as np
import torch
from torch import nn

from .numbers import PRECISIONS, draw, write

SAMPLES = 7

# Call in the language, shape of a sample, the module.
LAYERS = [
    ("batch_norm", [6], lambda: nn.BatchNorm1d(6)),
    ("batch_norm(eps = 0.01, momentum = 0.3)", [6], lambda: nn.BatchNorm1d(6, eps=0.01, momentum=0.3)),
    ("batch_norm(affine = false)", [6], lambda: nn.BatchNorm1d(6, affine=False)),
    ("batch_norm", [3, 2, 4], lambda: nn.BatchNorm2d(3)),
    ("layer_norm", [6], lambda: nn.LayerNorm(6)),
    ("layer_norm(eps = 0.01)", [3, 5], lambda: nn.LayerNorm(5, eps=0.01)),
    ("layer_norm(affine = false)", [6], lambda: nn.LayerNorm(6, elementwise_affine=False)),
    ("rms_norm", [6], lambda: nn.RMSNorm(6, eps=1e-5)),
    ("rms_norm(eps = 0.01)", [3, 5], lambda: nn.RMSNorm(5, eps=0.01)),
    ("group_norm(2)", [6], lambda: nn.GroupNorm(2, 6)),
    ("group_norm(2)", [4, 2, 3], lambda: nn.GroupNorm(2, 4)),
    ("instance_norm", [3, 2, 4], lambda: nn.InstanceNorm2d(3)),
    ("instance_norm(affine = true)", [3, 2, 4], lambda: nn.InstanceNorm2d(3, affine=True)),
]


def steps(make, dtype, weights, batches, factors):
    """Three batches, each with an output, gradients of sum(output * factor), and what is kept of it."""
    module = make().to(dtype)
    with torch.no_grad():
        for name, value in module.named_parameters():
            value.copy_(weights[name].to(dtype))
    for batch, factor in zip(batches, factors):
        x = batch.detach().clone().to(dtype).requires_grad_()
        module.train()
        module.zero_grad()
        output = module(x)
        (output * factor.to(dtype)).sum().backward()
        running = {name: value for name, value in module.named_buffers() if name.startswith("running")}
        module.eval()
        yield {
            "output": output,
            "gradient": x.grad,
            "gradients": {name: value.grad for name, value in module.named_parameters()},
            "running": {name: value.clone() for name, value in running.items()},
            "evaluated": module(batch.to(dtype)),
        }


def make():
    entries = []
    for number, (call, shape, module) in enumerate(LAYERS):
        rng = np.random.default_rng(100 + number)
        batches = [draw(rng, SAMPLES, *shape, scale=1.5) + 0.25 for _ in range(3)]
        factors = [draw(rng, SAMPLES, *shape) for _ in range(3)]
        weights = {name: draw(rng, *value.shape, scale=0.25) + 1 for name, value in module().named_parameters()}
        entry = {"call": call, "source": "pytorch", "shape": shape, "samples": SAMPLES}
        entry.update(x=batches, factor=factors, weights=weights)
        for precision, dtype in PRECISIONS:
            entry[precision] = list(steps(module, dtype, weights, batches, factors))
        entries.append(entry)
    write("norms.json", {"norms": entries})
