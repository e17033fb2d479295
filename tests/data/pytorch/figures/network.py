"""The 4-5-3 network that optimizers run on: tanh, then cross-entropy, on seven samples."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .numbers import draw


@dataclass
class Network:
    """What every run starts from; `classes` are class indices."""

    weights: dict
    input: torch.Tensor
    classes: torch.Tensor

    def start(self, dtype):
        """Weights to train, by name."""
        return {name: value.to(dtype).clone().requires_grad_() for name, value in self.weights.items()}

    def loss(self, weights, rows=slice(None)):
        x = self.input[rows].to(weights["head.bias"].dtype)
        hidden = torch.tanh(F.linear(x, weights["hidden.weight"], weights["hidden.bias"]))
        return F.cross_entropy(F.linear(hidden, weights["head.weight"], weights["head.bias"]), self.classes[rows])

    def figures(self):
        return {"weights": self.weights, "input": self.input, "target": self.classes}


def network():
    rng = np.random.default_rng(3)
    weights = {
        "hidden.weight": draw(rng, 5, 4, scale=0.5),
        "hidden.bias": draw(rng, 5, scale=0.2),
        "head.weight": draw(rng, 3, 5, scale=0.5),
        "head.bias": draw(rng, 3, scale=0.2),
    }
    return Network(weights, draw(rng, 7, 4), torch.tensor([0, 1, 2, 2, 1, 0, 1]))
