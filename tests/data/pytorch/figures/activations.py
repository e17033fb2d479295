"""activations.json: values and gradients of activations."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from .numbers import draw, write

TINY = (1e-30, 1e-12, 1e-6, 1e-3)
USUAL = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
LARGE = (25.0, 50.0, 100.0)
GRID = sorted([0.0] + [sign * x for x in TINY + USUAL + LARGE for sign in (-1.0, 1.0)])


def hard_sigmoid(x):
    """As F.hardsigmoid, whose gradient in f64 is 1/6 rounded to f32."""
    return torch.where(x > -3, torch.where(x < 3, x / 6 + 0.5, torch.ones_like(x)), torch.zeros_like(x))


def swish(x, beta):
    return x * torch.sigmoid(beta * x)


def swiglu(x):
    """glu with silu for sigmoid, and on the first half."""
    gate, value = x.chunk(2, dim=-1)
    return F.silu(gate) * value


def scalar():
    # Call in the language, function in PyTorch.
    pytorch = [
        ("identity", lambda x: x * 1.0),
        ("sign", torch.sign),
        ("sigmoid", torch.sigmoid),
        ("tanh", torch.tanh),
        ("relu", torch.relu),
        ("leaky_relu", lambda x: F.leaky_relu(x, 0.01)),
        ("leaky_relu(slope = 0.2)", lambda x: F.leaky_relu(x, 0.2)),
        # PyTorch calls softplus linear above a threshold of 20, which costs 1e-10; at 36 nothing is lost in f64.
        ("softplus", lambda x: F.softplus(x, threshold=36.0)),
        ("log_sigmoid", F.logsigmoid),
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
    more = [
        ("leaky_relu(slope = -0.5)", lambda x: F.leaky_relu(x, -0.5)),
        ("leaky_relu(slope = 0)", lambda x: F.leaky_relu(x, 0.0)),
        ("elu(alpha = 2)", lambda x: F.elu(x, 2.0)),
        ("celu(alpha = 2)", lambda x: F.celu(x, 2.0)),
        ("hard_tanh(low = -2, high = 0.5)", lambda x: F.hardtanh(x, -2.0, 0.5)),
        ("hard_tanh(low = 0, high = 10)", lambda x: F.hardtanh(x, 0.0, 10.0)),
        ("swish", F.silu),
    ]
    formulas = [(f"swish(beta = {beta:g})", partial(swish, beta=beta)) for beta in (1.5, 0.25, -1.0)]
    entries = []
    # PyTorch refuses to differentiate it; the language's derivative is 0 everywhere.
    x = torch.tensor(GRID, dtype=torch.float64)
    step = torch.heaviside(x, torch.zeros(1, dtype=torch.float64))
    without_gradient = {"call": "step", "source": "pytorch", "value": step, "gradient": [0.0] * len(GRID)}
    for call, function in pytorch:
        entries.append(by_gradient(call, "pytorch", function))
    entries.append(without_gradient)
    for call, function in more:
        entries.append(by_gradient(call, "pytorch", function))
    for call, function in formulas:
        entries.append(by_gradient(call, "Ramachandran, Zoph, Le 2017, section 3, on torch.sigmoid", function))
    return entries


def by_gradient(call, source, function):
    x = torch.tensor(GRID, dtype=torch.float64, requires_grad=True)
    y = function(x)
    y.sum().backward()
    return {"call": call, "source": source, "value": y, "gradient": x.grad}


def trained():
    """Those with trained parameters: six samples of three channels, each with a slope of its own."""
    rng = np.random.default_rng(11)
    rows, weight = draw(rng, 6, 3, scale=1.5), draw(rng, 6, 3)
    rows[2, 1] = 0.0
    entries = []
    for slopes in ([0.25, 0.25, 0.25], [0.125, 0.5, -0.25]):
        module = torch.nn.PReLU(3, dtype=torch.float64)
        with torch.no_grad():
            module.weight.copy_(torch.tensor(slopes))
        x = rows.clone().requires_grad_()
        y = module(x)
        (y * weight).sum().backward()
        entries.append({
            "call": "prelu",
            "source": "pytorch",
            "x": rows,
            "parameters": {"weight": module.weight},
            "value": y,
            "w": weight,
            "gradient": x.grad,
            "gradients": {"weight": module.weight.grad},
        })
    return entries


def vectors():
    rng = np.random.default_rng(12)
    rows = draw(rng, 5, 6, scale=2.0)
    # One that overflows unless the largest is taken off first, and one of equal numbers.
    rows[3] = torch.tensor([1000.0, -1000.0, 999.0, 0.0, 998.5, -3.0])
    rows[4] = 0.5
    whole, half = draw(rng, 5, 6), draw(rng, 5, 3)
    table = [
        ("softmax", "pytorch", partial(torch.softmax, dim=-1), whole),
        ("log_softmax", "pytorch", partial(torch.log_softmax, dim=-1), whole),
        ("glu", "pytorch", partial(F.glu, dim=-1), half),
        ("swiglu", "Shazeer 2020, equation 5, on torch.nn.functional.silu", swiglu, half),
    ]
    entries = []
    for call, source, function, weight in table:
        x = rows.clone().requires_grad_()
        y = function(x)
        (y * weight).sum().backward()
        entries.append({"call": call, "source": source, "x": rows, "value": y, "w": weight, "gradient": x.grad})
    return entries


def make():
    write("activations.json", {"x": GRID, "activations": scalar(), "trained": trained(), "vectors": vectors()})
