"""sequences.json: models of sequences whose text stands in models/*.nn: outputs, losses, gradients, and losses of steps."""

import math
import re

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .numbers import draw, write
from .training import encoder_layer, entry

SAMPLES = 5
STEPS = 6


class Gpt(nn.Module):
    """The network of benches/gpt.nn, small."""

    vocabulary, context, width = 11, 7, 12

    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(self.vocabulary, self.width)
        self.position = nn.Embedding(self.context, self.width)
        self.repeat = nn.ModuleDict({str(n): encoder_layer(self.width, 3, 20, True) for n in (1, 2)})
        self.layer_norm = nn.LayerNorm(self.width)
        self.head = nn.Linear(self.width, self.vocabulary, bias=False)

    def forward(self, x):
        x = self.token(x) + self.position(torch.arange(self.context))
        mask = torch.triu(torch.ones(self.context, self.context, dtype=torch.bool), diagonal=1)
        for block in self.repeat.values():
            x = block(x, src_mask=mask)
        return self.head(self.layer_norm(x))

    @staticmethod
    def named(tensors):
        """Blocks of a `repeat` have their name in the path."""
        return {re.sub(r"^repeat\.(\d)\.", r"repeat.\1.transformer_block.", name): value for name, value in tensors.items()}

    @staticmethod
    def loss(output, target):
        return F.cross_entropy(output.transpose(1, 2), target, ignore_index=3)


class Reader(nn.Module):
    """Tokens that look at a sequence of vectors which a block of the post-norm kind made of the same tokens."""

    vocabulary, context, width = 6, 5, 8

    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(self.vocabulary, self.width)
        self.post_norm_transformer_block = encoder_layer(self.width, 2, 10, False)
        self.narrow = nn.Linear(self.width, 6)
        self.cross = nn.MultiheadAttention(self.width, 4, batch_first=True, kdim=6, vdim=6)
        self.head = nn.Linear(self.width, 4)

    def forward(self, x):
        tokens = self.token(x)
        memory = torch.tanh(self.narrow(self.post_norm_transformer_block(tokens)))
        mixed, _ = self.cross(tokens, memory, memory, need_weights=False)
        return self.head(mixed)

    @staticmethod
    def named(tensors):
        """The projections of `MultiheadAttention` with keys of another width, put together as `cross_attention` has them."""
        tensors = dict(tensors)
        if "cross.q_proj_weight" in tensors:
            tensors["cross.q_proj.weight"] = tensors.pop("cross.q_proj_weight")
            keys, values = tensors.pop("cross.k_proj_weight"), tensors.pop("cross.v_proj_weight")
            tensors["cross.kv_proj.weight"] = torch.cat([keys, values])
            bias = tensors.pop("cross.in_proj_bias")
            width = bias.shape[0] // 3
            tensors["cross.q_proj.bias"], tensors["cross.kv_proj.bias"] = bias[:width], bias[width:]
        return tensors

    @staticmethod
    def loss(output, target):
        return F.cross_entropy(output.transpose(1, 2), target, weight=torch.tensor([1, 2, 0.5, 1], dtype=output.dtype))


class Carried(nn.Module):
    """Cells that go on from the states of the last step while training, without a gradient across; anew in evaluation."""

    def __init__(self):
        super().__init__()
        self.first = nn.LSTM(3, 5, batch_first=True)
        self.second = nn.GRU(5, 3, batch_first=True)
        self.head = nn.Linear(3, 3)
        self.states = None, None

    def forward(self, x):
        first, second = self.states if self.training else (None, None)
        every, first = self.first(x, first)
        _, second = self.second(every, second)
        if self.training:
            self.states = tuple(state.detach() for state in first), second.detach()
        return self.head(second[-1])

    @staticmethod
    def named(tensors):
        """first.ih.weight for first.weight_ih_l0."""
        return {re.sub(r"(\w+)_([ih]h)_l0$", r"\2.\1", name): value for name, value in tensors.items()}

    @staticmethod
    def loss(output, target):
        return F.cross_entropy(output, target)


def make():
    entries = []
    for number, (name, make_one, classes) in enumerate((("gpt", Gpt, 11), ("reader", Reader, 4))):
        rng = np.random.default_rng(300 + number)
        module = make_one()
        weights = {}
        for key, value in module.named_parameters():
            is_norm = "norm" in key and key.endswith("weight") and value.ndim == 1
            scale = 0.2 if value.ndim == 1 else 1 / math.sqrt(value.shape[-1])
            weights[key] = draw(rng, *value.shape, scale=scale) + (1 if is_norm else 0)
        x = torch.tensor(rng.integers(0, module.vocabulary, (SAMPLES, module.context)))
        target = torch.tensor(rng.integers(0, classes, (SAMPLES, module.context)))
        adamw = lambda parameters: torch.optim.AdamW(parameters, lr=0.01)  # noqa: E731
        entries.append(entry(f"{name}.nn", make_one, weights, x, target, adamw, STEPS))
    rng = np.random.default_rng(302)
    weights = {key: draw(rng, *value.shape, scale=0.6) for key, value in Carried().named_parameters()}
    x, target = draw(rng, SAMPLES, 4, 3), torch.tensor(rng.integers(0, 3, SAMPLES))
    entries.append(entry("carried.nn", Carried, weights, x, target, adamw, STEPS))
    write("sequences.json", {"models": entries})
