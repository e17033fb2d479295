"""models/*.json: whole models, whose text stands in models/*.nn."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from .numbers import PRECISIONS, draw, write

BATCHES = (1, 5, 16, 19)


def dense(x, w, name):
    return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def classifier(x, w):
    return dense(torch.relu(dense(x, w, "hidden")), w, "head")


def xor(x, w):
    return torch.sigmoid(dense(torch.tanh(dense(x, w, "hidden")), w, "head"))


def normalized(x, w):
    return dense(torch.relu(dense((x - w["norm.mean"]) / w["norm.std"], w, "hidden")), w, "head")


def dag(x, w):
    stem = torch.tanh(dense(x, w, "stem"))
    left = torch.relu(dense(stem, w, "narrow"))
    right = dense(stem + torch.sigmoid(dense(stem, w, "inner")), w, "wide")
    total = left + right
    return dense(torch.cat([total, left], dim=1), w, "head")


def logits_of_softmax(x, w):
    return dense(F.leaky_relu(dense(x, w, "hidden"), 0.1), w, "head")


def logits_of_sigmoid(x, w):
    return dense(F.softplus(dense(x, w, "hidden"), threshold=36.0), w, "head")


def without_bias(x, w):
    return dense(F.elu(dense(x, w, "hidden")), w, "head")


def linear(x, w):
    return dense(x, w, "head")


def heads(x, w):
    trunk = torch.tanh(dense(x, w, "shared"))
    amount = F.softplus(dense(trunk, w, "much"), threshold=36.0)
    return torch.cat([dense(trunk, w, "where"), dense(trunk, w, "what"), amount], dim=1)


def loss_of_heads(row, target):
    place, kind, mean, variance = row[:, :2], row[:, 2:5], row[:, 5:6], row[:, 6:]
    of_class = torch.tensor([1, 2, 0.5], dtype=row.dtype)
    return (
        2 * F.mse_loss(place, target[:, :2])
        + F.cross_entropy(kind, target[:, 2].long(), weight=of_class)
        + 0.25 * F.gaussian_nll_loss(mean, target[:, 3:], variance)
        + 0.1 * F.l1_loss(place, target[:, :2])
    )


def targets_of_heads(rng, n):
    classes = torch.tensor(rng.integers(0, 3, (n, 1)), dtype=torch.float64)
    values = draw(rng, n, 3)
    return torch.cat([values[:, :2], classes, values[:, 2:]], dim=1)


def bent(x, w):
    return F.prelu(x, w["bend.weight"])


def siamese(x, w):
    left = bent(dense(x, w, "side"), w)
    right = bent(dense(torch.tanh(dense(left, w, "side")), w, "side"), w)
    return dense(torch.cat([left, right], dim=1), w, "head")


def layers(*sizes, bias=True):
    """Shapes of dense layers given as (name, inputs, outputs)."""
    shapes = {}
    for name, inputs, outputs in sizes:
        shapes[f"{name}.weight"] = (outputs, inputs)
        if bias:
            shapes[f"{name}.bias"] = (outputs,)
    return shapes


def identity(x):
    return x


@dataclass
class Model:
    """A model of models/*.nn: `network` computes what `loss` takes, and `last` makes of it what `predict` shows."""

    name: str
    shapes: dict
    network: Callable
    loss: Callable
    kind: str
    last: Callable = identity
    buffers: dict = field(default_factory=dict)
    targets: Callable | None = None


MODELS = [
    Model("classifier", layers(("hidden", 4, 16), ("head", 16, 3)), classifier, F.cross_entropy, "class"),
    Model("xor", layers(("hidden", 2, 8), ("head", 8, 1)), xor, F.mse_loss, "values"),
    Model(
        "normalized",
        layers(("hidden", 5, 6), ("head", 6, 4)),
        normalized,
        F.cross_entropy,
        "class",
        buffers={"norm.mean": (5,), "norm.std": (5,)},
    ),
    Model(
        "dag",
        layers(("stem", 6, 8), ("narrow", 8, 5), ("inner", 8, 8), ("wide", 8, 5), ("head", 10, 3)),
        dag,
        F.cross_entropy,
        "class",
    ),
    Model(
        "softmax",
        layers(("hidden", 13, 7), ("head", 7, 5)),
        logits_of_softmax,
        F.cross_entropy,
        "class",
        last=partial(torch.softmax, dim=1),
    ),
    Model(
        "sigmoid",
        layers(("hidden", 3, 10), ("head", 10, 2)),
        logits_of_sigmoid,
        F.binary_cross_entropy_with_logits,
        "shares",
        last=torch.sigmoid,
    ),
    Model(
        "without_bias",
        layers(("hidden", 33, 17), ("head", 17, 9), bias=False),
        without_bias,
        F.l1_loss,
        "values",
    ),
    Model("linear", layers(("head", 10, 1)), linear, partial(F.mse_loss, reduction="sum"), "values"),
    Model(
        "heads",
        layers(("shared", 5, 9), ("where", 9, 2), ("what", 9, 3), ("much", 9, 2)),
        heads,
        loss_of_heads,
        "values",
        targets=targets_of_heads,
    ),
    Model(
        "siamese",
        layers(("side", 6, 6), ("head", 12, 3)) | {"bend.weight": (6,)},
        siamese,
        F.cross_entropy,
        "class",
    ),
]


def make():
    for number, model in enumerate(MODELS):
        kind, shapes = model.kind, model.shapes
        rng = np.random.default_rng(100 + number)
        weights = {key: draw(rng, *shape, scale=1 / math.sqrt(shape[-1])) for key, shape in shapes.items()}
        buffers = {key: draw(rng, *shape) for key, shape in model.buffers.items()}
        if "norm.std" in buffers:
            buffers["norm.std"] = buffers["norm.std"].abs() + 0.5
        inputs = next(shape[1] for key, shape in shapes.items() if key.endswith(".weight"))
        outputs = shapes.get("head.weight", (None,))[0]
        n = max(BATCHES)
        x = draw(rng, n, inputs)
        if model.targets:
            target = model.targets(rng, n)
        elif kind == "class":
            target = torch.tensor(rng.integers(0, outputs, n))
        elif kind == "shares":
            target = torch.tensor(rng.integers(0, 2, (n, outputs)), dtype=torch.float64)
        else:
            target = draw(rng, n, outputs)
        runs = []
        for precision, dtype in PRECISIONS:
            for batch in BATCHES:
                w = {key: value.to(dtype).clone().requires_grad_() for key, value in weights.items()}
                b = {key: value.to(dtype) for key, value in buffers.items()}
                t = target[:batch] if kind == "class" else target[:batch].to(dtype)
                raw = model.network(x[:batch].to(dtype), w | b)
                value = model.loss(raw, t)
                value.backward()
                runs.append({
                    "precision": precision,
                    "batch": batch,
                    "output": model.last(raw),
                    "loss": value,
                    "gradient": {key: parameter.grad for key, parameter in w.items()},
                })
        write(f"models/{model.name}.json", {
            "model": f"{model.name}.nn",
            "target_kind": "class" if kind == "class" else "values",
            "weights": weights,
            "buffers": buffers,
            "input": x,
            "target": target,
            "runs": runs,
        })
