"""inputs.json: models of several inputs whose text stands in models/*.nn. A sample is a row of all inputs."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .numbers import draw, write
from .sequences import encoder_layer
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


class Padded(nn.Module):
    """Rows of sequences and of masks: what lies behind the end of a sequence is packed away, or no key."""

    positions, width = 5, 4

    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(self.width, 2, batch_first=True)
        self.transformer_block = encoder_layer(self.width, 1, 6, True)
        self.first = nn.LSTM(self.width, 3, batch_first=True)
        self.second = nn.LSTM(3, 3, batch_first=True, bidirectional=True)
        self.third = nn.GRU(6, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(7, 3)

    def forward(self, x):
        words, mask = x.split([self.positions * self.width, self.positions], dim=1)
        words = words.reshape(-1, self.positions, self.width)
        lengths = mask.sum(dim=1).to(torch.int64)
        is_padding = mask == 0
        mixed, _ = self.attend(words, words, words, key_padding_mask=is_padding, need_weights=False)
        block = self.transformer_block(mixed, src_key_padding_mask=is_padding)
        packed, _ = self.first(nn.utils.rnn.pack_padded_sequence(block, lengths, True, enforce_sorted=False))
        every, _ = nn.utils.rnn.pad_packed_sequence(packed, True, total_length=self.positions)
        mean = every.sum(dim=1) / lengths[:, None]
        _, last = self.third(self.second(packed)[0])
        return self.head(torch.cat([mean, last[0], last[1]], dim=1))

    @staticmethod
    def named(tensors):
        """first.reverse.ih.weight for first.weight_ih_l0_reverse."""

        def name_in_language(name):
            layer, name = name.split(".", 1)
            if layer not in ("first", "second", "third"):
                return f"{layer}.{name}"
            kind, product, _, *way = name.split("_")
            return ".".join([layer, *way, product, kind])

        return {name_in_language(name): value for name, value in tensors.items()}

    @staticmethod
    def loss(output, target):
        return F.cross_entropy(output, target)


def weights_of(rng, module):
    weights = {}
    for key, value in module.named_parameters():
        is_norm = "norm" in key and key.endswith("weight")
        scale = 0.2 if value.ndim == 1 else 1 / math.sqrt(value.shape[-1])
        weights[key] = draw(rng, *value.shape, scale=scale) + (1 if is_norm else 0)
    return weights


def make():
    rng = np.random.default_rng(700)
    weights = weights_of(rng, TwoTowers())
    x = draw(rng, SAMPLES, 11)
    target = torch.tensor(rng.integers(0, 3, SAMPLES))
    adamw = lambda parameters: torch.optim.AdamW(parameters, lr=0.01)  # noqa: E731
    entries = [entry("two_towers.nn", TwoTowers, weights, x, target, adamw, STEPS)]
    rng = np.random.default_rng(701)
    weights = weights_of(rng, Padded())
    lengths = torch.tensor([5, 3, 1, 4, 2])
    mask = (torch.arange(Padded.positions) < lengths[:, None]).to(torch.float64)
    x = draw(rng, SAMPLES, Padded.positions * Padded.width)
    x = torch.cat([x, mask.to(x.dtype)], dim=1)
    target = torch.tensor(rng.integers(0, 3, SAMPLES))
    entries.append(entry("padded.nn", Padded, weights, x, target, adamw, STEPS))
    write("inputs.json", {"models": entries})
