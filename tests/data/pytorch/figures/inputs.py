"""inputs.json: models of several inputs whose text stands in models/*.nn. A sample is a row of all inputs."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .numbers import draw, write
from .training import entry

SAMPLES = 5
STEPS = 6


class TwoTowers(nn.Module):
    def __init__(self):
        super().__init__()
        self.narrow = nn.Linear(3, 6)
        self.tower = nn.Linear(6, 5)
        self.wide = nn.Linear(8, 6)
        self.head = nn.Linear(10, 3)

    def forward(self, x):
        left, right = x.split([3, 8], dim=1)
        one = torch.relu(self.tower(torch.tanh(self.narrow(left))))
        other = torch.relu(self.tower(torch.tanh(self.wide(right))))
        return self.head(torch.cat([one, other], dim=1))

    @staticmethod
    def named(tensors):
        return tensors

    @staticmethod
    def loss(output, target):
        return F.cross_entropy(output, target)


def make():
    rng = np.random.default_rng(700)
    weights = {}
    for key, value in TwoTowers().named_parameters():
        scale = 0.2 if value.ndim == 1 else 1 / math.sqrt(value.shape[-1])
        weights[key] = draw(rng, *value.shape, scale=scale)
    x = draw(rng, SAMPLES, 11)
    target = torch.tensor(rng.integers(0, 3, SAMPLES))
    adamw = lambda parameters: torch.optim.AdamW(parameters, lr=0.01)  # noqa: E731
    write("inputs.json", {"models": [entry("two_towers.nn", TwoTowers, weights, x, target, adamw, STEPS)]})
