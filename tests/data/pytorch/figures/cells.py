"""models/rnn.json, lstm.json, both_ways.json, gru.json: recurrent networks of torch.nn, layer upon layer, with all gradients.

Before the cells stands a dense layer at each position, whose gradient is made of that of their input.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .numbers import PRECISIONS, draw, write

BATCHES = (1, 5, 16, 19)
POSITIONS, FEATURES, HIDDEN, OUTPUTS = 4, 3, 5, 3


class Network(nn.Module):
    """A dense layer, cells, and a dense layer over every step or over the last."""

    def __init__(self, cells, is_last):
        super().__init__()
        self.before = nn.Linear(FEATURES, FEATURES)
        self.cells = cells
        self.head = nn.Linear(HIDDEN * (2 if cells.bidirectional else 1), OUTPUTS)
        self.is_last = is_last

    def forward(self, x):
        y, last = self.cells(self.before(x))
        return self.head(last[-1] if self.is_last else y)


# Name, whether the last step alone counts, the module.
NETWORKS = [
    ("rnn", False, lambda: nn.RNN(FEATURES, HIDDEN, batch_first=True)),
    ("lstm", False, lambda: nn.LSTM(FEATURES, HIDDEN, num_layers=2, batch_first=True)),
    ("both_ways", False, lambda: nn.LSTM(FEATURES, HIDDEN, num_layers=2, batch_first=True, bidirectional=True)),
    ("gru", True, lambda: nn.GRU(FEATURES, HIDDEN, batch_first=True)),
]


def name_in_language(name):
    """first.reverse.ih.weight for cells.weight_ih_l0_reverse."""
    if not name.startswith("cells."):
        return name
    kind, product, layer, *way = name.removeprefix("cells.").split("_")
    label = ("first", "second")[int(layer.removeprefix("l"))]
    return ".".join([label, *way, product, kind])


def loss_of(output, target):
    return F.cross_entropy(output.reshape(-1, OUTPUTS), target.reshape(-1))


def make():
    for number, (name, is_last, cells) in enumerate(NETWORKS):
        rng = np.random.default_rng(500 + number)
        shapes = {key: value.shape for key, value in Network(cells(), is_last).named_parameters()}
        weights = {key: draw(rng, *shape, scale=0.6) for key, shape in shapes.items()}
        n = max(BATCHES)
        x = draw(rng, n, POSITIONS, FEATURES)
        target = torch.tensor(rng.integers(0, OUTPUTS, (n,) if is_last else (n, POSITIONS)))
        runs = []
        for precision, dtype in PRECISIONS:
            for batch in BATCHES:
                network = Network(cells(), is_last).to(dtype)
                with torch.no_grad():
                    for key, value in network.named_parameters():
                        value.copy_(weights[key].to(dtype))
                output = network(x[:batch].to(dtype))
                loss = loss_of(output, target[:batch])
                loss.backward()
                runs.append({
                    "precision": precision,
                    "batch": batch,
                    "output": output,
                    "loss": loss,
                    "gradient": {name_in_language(key): value.grad for key, value in network.named_parameters()},
                })
        write(f"models/{name}.json", {
            "model": f"{name}.nn",
            "target_kind": "class",
            "weights": {name_in_language(key): value for key, value in weights.items()},
            "buffers": {},
            "input": x,
            "target": target,
            "runs": runs,
        })
