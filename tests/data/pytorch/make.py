#!/usr/bin/env python3
"""Makes the figures that nnc's tests compare with: activations, losses, optimizers and whole models in PyTorch.

Usage: `pip install torch numpy`, then `python make.py` in this folder. It writes activations.json, losses.json,
optimizers.json and models/*.json, whose form README.md explains. Nothing here reads anything of nnc: the models under
models/*.nn are written by hand, and their PyTorch counterparts stand below.

Inputs, targets and initial weights are multiples of 1/1024, which f32 and f64 hold exactly, so that runs in both start
from the same numbers.
"""

import json
import math
import pathlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
BATCHES = (1, 5, 16, 19)

torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)


# ---- Numbers -------------------------------------------------------------------------------------------------------


def draw(rng, *shape, scale=1.0):
    """Normal numbers, rounded to multiples of 1/1024."""
    return torch.tensor(np.round(rng.normal(0.0, scale, shape) * 1024) / 1024, dtype=torch.float64)


def plain(value):
    """Tensors as nested lists; f32 numbers in the shortest text that reads back as the same f32."""
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value] if value.ndim else plain(value[()])
    if isinstance(value, np.float32):
        return float(str(value))
    if isinstance(value, (np.floating, np.integer)):
        return value.item()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def write(name, figures):
    figures = {"torch": torch.__version__.split("+")[0], **plain(figures)}
    # One line a top-level entry: compact, and a changed figure still shows in a diff.
    lines = []
    for key, value in figures.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            items = ",\n".join(json.dumps(item, separators=(",", ":"), allow_nan=False) for item in value)
            lines.append(f"{json.dumps(key)}:[\n{items}\n]")
        else:
            lines.append(f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'), allow_nan=False)}")
    (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")


# ---- Activations ---------------------------------------------------------------------------------------------------

TINY = (1e-30, 1e-12, 1e-6, 1e-3)
USUAL = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
LARGE = (25.0, 50.0, 100.0)
GRID = sorted([0.0] + [sign * x for x in TINY + USUAL + LARGE for sign in (-1.0, 1.0)])


def hard_sigmoid(x):
    """As F.hardsigmoid, whose gradient in f64 is 1/6 rounded to f32."""
    return torch.where(x > -3, torch.where(x < 3, x / 6 + 0.5, torch.ones_like(x)), torch.zeros_like(x))


def activations():
    # Call in the language, function in PyTorch. `step` has no gradient in PyTorch, and the language's is 0 at 0.
    table = [
        ("identity", lambda x: x * 1.0),
        ("sign", torch.sign),
        ("sigmoid", torch.sigmoid),
        ("tanh", torch.tanh),
        ("relu", torch.relu),
        ("leaky_relu", lambda x: F.leaky_relu(x, 0.01)),
        ("leaky_relu(slope = 0.2)", lambda x: F.leaky_relu(x, 0.2)),
        # PyTorch calls softplus linear above a threshold of 20, which costs 1e-10; at 36 nothing is lost in f64.
        ("softplus", lambda x: F.softplus(x, threshold=36.0)),
        ("elu", F.elu),
        ("elu(alpha = 0.5)", lambda x: F.elu(x, 0.5)),
        ("silu", F.silu),
        ("gelu", F.gelu),
        ("gelu(approximate = true)", lambda x: F.gelu(x, approximate="tanh")),
        ("softsign", F.softsign),
        ("relu6", F.relu6),
        ("hard_tanh", F.hardtanh),
        ("hard_sigmoid", hard_sigmoid),
        ("hard_swish", F.hardswish),
        ("selu", F.selu),
        ("celu", F.celu),
        ("celu(alpha = 0.5)", lambda x: F.celu(x, 0.5)),
        ("mish", F.mish),
    ]
    entries = []
    for call, function in table:
        x = torch.tensor(GRID, dtype=torch.float64, requires_grad=True)
        y = function(x)
        y.sum().backward()
        entries.append({"call": call, "source": "pytorch", "value": y, "gradient": x.grad})
    step = [1.0 if x > 0 else 0.0 for x in GRID]
    entries.append({"call": "step", "source": "formula", "value": step, "gradient": [0.0] * len(GRID)})
    write("activations.json", {"x": GRID, "activations": entries})


# ---- Losses --------------------------------------------------------------------------------------------------------


def losses():
    rng = np.random.default_rng(2)
    n, outputs = 5, 3
    output = draw(rng, n, outputs, scale=1.5)
    target = draw(rng, n, outputs, scale=1.5)
    signs = torch.sign(target) + (target == 0)
    logits = draw(rng, n, outputs, scale=2.0)
    shares = torch.tensor(rng.integers(0, 1025, (n, outputs)) / 1024, dtype=torch.float64)
    shares[0] = torch.tensor([0.0, 1.0, 1.0])
    classes = torch.tensor([2, 0, 1, 1, 0])
    def log_cosh(output, target):
        d = (output - target).abs()
        return d + torch.log1p(torch.exp(-2 * d)) - math.log(2)

    def by_formula(function):
        return lambda output, target, reduction: getattr(function(output, target), reduction)()

    table = [
        ("mse", "pytorch", F.mse_loss, output, target),
        ("mae", "pytorch", F.l1_loss, output, target),
        ("huber", "pytorch", F.huber_loss, output, target),
        ("huber(delta = 0.5)", "pytorch", partial(F.huber_loss, delta=0.5), output, target),
        ("smooth_l1", "pytorch", F.smooth_l1_loss, output, target),
        ("smooth_l1(beta = 0.5)", "pytorch", partial(F.smooth_l1_loss, beta=0.5), output, target),
        ("log_cosh", "formula", by_formula(log_cosh), output, target),
        ("hinge", "formula", by_formula(lambda o, t: torch.relu(1 - t * o)), output, signs),
        ("squared_hinge", "formula", by_formula(lambda o, t: torch.relu(1 - t * o) ** 2), output, signs),
        ("binary_cross_entropy", "pytorch", F.binary_cross_entropy, torch.sigmoid(logits), shares),
        ("cross_entropy", "pytorch", F.cross_entropy, output, classes),
    ]
    entries = []
    for call, source, function, o, t in table:
        entry = {"call": call, "source": source, "target_kind": "values" if t.dtype == torch.float64 else "class"}
        entry |= {"output": o, "target": t}
        for reduction in ("mean", "sum"):
            x = o.clone().requires_grad_()
            loss = function(x, t, reduction=reduction)
            loss.backward()
            entry[reduction] = {"loss": loss, "gradient": x.grad}
        if call == "binary_cross_entropy":
            # The same loss in its stable form, as a trailing `sigmoid` is fused into it; gradient by the logits.
            entry["logits"] = logits
            for reduction in ("mean", "sum"):
                x = logits.clone().requires_grad_()
                loss = F.binary_cross_entropy_with_logits(x, t, reduction=reduction)
                loss.backward()
                entry[reduction] |= {"loss_from_logits": loss, "gradient_by_logits": x.grad}
        entries.append(entry)
    write("losses.json", {"losses": entries})


# ---- Optimizers ----------------------------------------------------------------------------------------------------


class ByHand:
    """An optimizer that PyTorch has not, or has in another form: `rule(weight, gradient, state, step)`."""

    def __init__(self, parameters, rule):
        self.parameters, self.rule, self.step_number = list(parameters), rule, 0
        self.states = [{} for _ in self.parameters]

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        self.step_number += 1
        for parameter, state in zip(self.parameters, self.states):
            self.rule(parameter, parameter.grad, state, self.step_number)


def momentum(lr, beta):
    """V = beta V - lr g, w = w + V."""

    def rule(weight, gradient, state, _step):
        state["v"] = beta * state.get("v", torch.zeros_like(weight)) - lr * gradient
        weight += state["v"]

    return rule


def adam_uncorrected(lr, beta1, beta2, eps):
    """Adam whose moments are not divided by 1 - beta^t."""

    def rule(weight, gradient, state, _step):
        state["m"] = beta1 * state.get("m", torch.zeros_like(weight)) + (1 - beta1) * gradient
        state["v"] = beta2 * state.get("v", torch.zeros_like(weight)) + (1 - beta2) * gradient**2
        weight -= lr * state["m"] / (state["v"].sqrt() + eps)

    return rule


def optimizers():
    rng = np.random.default_rng(3)
    initial = {
        "hidden.weight": draw(rng, 5, 4, scale=0.5),
        "hidden.bias": draw(rng, 5, scale=0.2),
        "head.weight": draw(rng, 3, 5, scale=0.5),
        "head.bias": draw(rng, 3, scale=0.2),
    }
    x = draw(rng, 7, 4)
    classes = torch.tensor([0, 1, 2, 2, 1, 0, 1])
    optim = torch.optim
    table = [
        ("sgd(lr = 0.1)", "pytorch", lambda p: optim.SGD(p, lr=0.1)),
        ("momentum(lr = 0.1, beta = 0.9)", "formula", lambda p: ByHand(p, momentum(0.1, 0.9))),
        ("momentum(lr = 0.1, beta = 0.9)", "pytorch", lambda p: optim.SGD(p, lr=0.1, momentum=0.9)),
        ("nesterov(lr = 0.1, beta = 0.9)", "pytorch", lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
        ("adagrad(lr = 0.1, eps = 1e-10)", "pytorch", lambda p: optim.Adagrad(p, lr=0.1, eps=1e-10)),
        (
            "rmsprop(lr = 0.01, rho = 0.9, eps = 1e-8)",
            "pytorch",
            lambda p: optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-8),
        ),
        (
            "adam(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8)",
            "pytorch",
            lambda p: optim.Adam(p, lr=0.01, betas=(0.9, 0.999), eps=1e-8),
        ),
        (
            "adam(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, bias_correction = false)",
            "formula",
            lambda p: ByHand(p, adam_uncorrected(0.01, 0.9, 0.999, 1e-8)),
        ),
        (
            "adamw(lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1)",
            "pytorch",
            lambda p: optim.AdamW(p, lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1),
        ),
    ]
    entries = []
    for call, source, make in table:
        entry = {"call": call, "source": source}
        for precision, dtype in (("f64", torch.float64), ("f32", torch.float32)):
            weights = {name: value.to(dtype).clone().requires_grad_() for name, value in initial.items()}
            optimizer = make(weights.values())
            run, seen = [], {}
            for step in range(1, 11):
                hidden = torch.tanh(F.linear(x.to(dtype), weights["hidden.weight"], weights["hidden.bias"]))
                loss = F.cross_entropy(F.linear(hidden, weights["head.weight"], weights["head.bias"]), classes)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                run.append(loss.detach().numpy()[()])
                if step in (1, 5, 10):
                    seen[str(step)] = {name: value.detach().clone() for name, value in weights.items()}
            entry[precision] = {"losses": run, "weights": seen}
        entries.append(entry)
    by_hand, by_torch = entries[1]["f64"]["weights"]["10"], entries[2]["f64"]["weights"]["10"]
    for name in initial:
        torch.testing.assert_close(by_hand[name], by_torch[name], rtol=1e-12, atol=1e-14)
    write("optimizers.json", {"weights": initial, "input": x, "target": classes, "optimizers": entries})


# ---- Whole models --------------------------------------------------------------------------------------------------


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
]


def models():
    for number, model in enumerate(MODELS):
        kind, shapes = model.kind, model.shapes
        rng = np.random.default_rng(100 + number)
        weights = {key: draw(rng, *shape, scale=1 / math.sqrt(shape[-1])) for key, shape in shapes.items()}
        buffers = {key: draw(rng, *shape) for key, shape in model.buffers.items()}
        if "norm.std" in buffers:
            buffers["norm.std"] = buffers["norm.std"].abs() + 0.5
        inputs = next(shape[1] for key, shape in shapes.items() if key.endswith(".weight"))
        outputs = shapes["head.weight"][0]
        n = max(BATCHES)
        x = draw(rng, n, inputs)
        if kind == "class":
            target = torch.tensor(rng.integers(0, outputs, n))
        elif kind == "shares":
            target = torch.tensor(rng.integers(0, 2, (n, outputs)), dtype=torch.float64)
        else:
            target = draw(rng, n, outputs)
        runs = []
        for precision, dtype in (("f64", torch.float64), ("f32", torch.float32)):
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


if __name__ == "__main__":
    activations()
    losses()
    optimizers()
    models()
