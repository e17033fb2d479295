"""initializers.json: moments of a [64, 32] weight (outputs, inputs), in theory and as PyTorch draws it."""

import math
from functools import partial

import jax
import numpy as np
import torch
from torch.nn import init

from .numbers import write

# Without it jax draws f32.
jax.config.update("jax_enable_x64", True)
JAX = f"jax {jax.__version__}"

SHAPE = (64, 32)
FAN_OUT, FAN_IN = SHAPE
DRAWS = 2000
BY_EXPERIENCE = ("tanh", "selu")


def of_uniform(bound):
    return {"mean": 0.0, "std": bound / math.sqrt(3), "min": -bound, "max": bound}


def of_normal(std):
    return {"mean": 0.0, "std": std, "min": None, "max": None}


def of_truncated(std, cut=2.0):
    """Normal, drawn again outside `cut` deviations."""
    density = math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi)
    inside = math.erf(cut / math.sqrt(2))
    return {"mean": 0.0, "std": std * math.sqrt(1 - 2 * cut * density / inside), "min": -cut * std, "max": cut * std}


def of_constant(value):
    return {"mean": value, "std": 0.0, "min": value, "max": value}


def of_widened(std):
    """Without what lies beyond two deviations, and wider, so that `std` is left."""
    before = std / of_truncated(1.0)["std"]
    return of_truncated(before)


def by_jax(make):
    """An initializer of jax that fills a tensor with another draw at each call. Its matrices are [inputs, outputs]."""
    key = jax.random.key(5)
    fill = jax.jit(lambda at: make(jax.random.fold_in(key, at), SHAPE[::-1], jax.numpy.float64).T)
    draws = iter(range(DRAWS))
    return lambda tensor: tensor.copy_(torch.tensor(np.array(fill(next(draws)))))


def xavier_std(gain=1.0):
    return gain * math.sqrt(2 / (FAN_IN + FAN_OUT))


def table():
    """Call, function that fills a tensor, moments in theory, and whose function it is if not PyTorch's."""
    straight = {"nonlinearity": "linear"}
    fan_in = 1 / math.sqrt(FAN_IN)
    rows = [
        ("zeros", init.zeros_, of_constant(0.0)),
        ("ones", init.ones_, of_constant(1.0)),
        ("constant(value = 0.25)", partial(init.constant_, val=0.25), of_constant(0.25)),
        ("uniform(low = -0.05, high = 0.05)", partial(init.uniform_, a=-0.05, b=0.05), of_uniform(0.05)),
        ("normal(mean = 0, std = 0.05)", partial(init.normal_, std=0.05), of_normal(0.05)),
        ("standard_normal", init.normal_, of_normal(1.0)),
        (
            "truncated_normal(mean = 0, std = 0.05)",
            partial(init.trunc_normal_, std=0.05, a=-0.1, b=0.1),
            of_truncated(0.05),
        ),
        ("xavier", init.xavier_uniform_, of_uniform(math.sqrt(3) * xavier_std())),
        ("xavier_normal", init.xavier_normal_, of_normal(xavier_std())),
    ]
    gain = init.calculate_gain("tanh")
    std = xavier_std(gain)
    rows += [
        (f"xavier(gain = {gain})", partial(init.xavier_uniform_, gain=gain), of_uniform(math.sqrt(3) * std)),
        (f"xavier_normal(gain = {gain})", partial(init.xavier_normal_, gain=gain), of_normal(std)),
        ("glorot", init.xavier_uniform_, of_uniform(math.sqrt(3) * xavier_std())),
        ("glorot_normal", init.xavier_normal_, of_normal(xavier_std())),
        ("fan_in", partial(init.kaiming_normal_, **straight), of_normal(fan_in)),
        ("lecun", partial(init.kaiming_normal_, **straight), of_normal(fan_in)),
        ("lecun_uniform", partial(init.kaiming_uniform_, **straight), of_uniform(math.sqrt(3) * fan_in)),
        ("lecun_truncated", by_jax(jax.nn.initializers.lecun_normal()), of_widened(fan_in), JAX),
        ("glorot_truncated", by_jax(jax.nn.initializers.glorot_normal()), of_widened(xavier_std()), JAX),
    ]
    return rows


def kaiming():
    """Calls for an activation, whose gain PyTorch looks up."""
    entries = []
    for activation, slope in (("relu", 0.0), ("leaky_relu", 0.2), ("tanh", None), ("selu", None), ("linear", None)):
        std = init.calculate_gain(activation, slope) / math.sqrt(FAN_IN)
        text = activation if activation != "leaky_relu" else f"leaky_relu(slope = {slope})"
        for name, fill, theory in (
            ("he", init.kaiming_normal_, of_normal(std)),
            ("he_uniform", init.kaiming_uniform_, of_uniform(math.sqrt(3) * std)),
        ):
            # `a` is the slope, and is looked at for leaky_relu alone.
            filled = partial(fill, a=slope or 0.0, nonlinearity=activation)
            found = entry(name, filled, theory) | {"activation": text}
            if activation in BY_EXPERIENCE:
                found["differs"] = "PyTorch's gain is a figure of experience, the library's keeps the size of values"
            entries.append(found)
    std = math.sqrt(2 / FAN_IN)
    for name, fill, theory, source in (
        ("kaiming", partial(init.kaiming_normal_, nonlinearity="relu"), of_normal(std), "pytorch"),
        ("kaiming_uniform", partial(init.kaiming_uniform_, nonlinearity="relu"), of_uniform(math.sqrt(3) * std), "pytorch"),
        ("he_truncated", by_jax(jax.nn.initializers.he_normal()), of_widened(std), JAX),
    ):
        entries.append(entry(name, fill, theory, source) | {"activation": "relu"})
    return entries


def entry(call, fill, theory, source="pytorch"):
    torch.manual_seed(5)
    drawn = torch.stack([fill(torch.empty(SHAPE, dtype=torch.float64)) for _ in range(DRAWS)])
    found = {"mean": drawn.mean(), "std": drawn.std(correction=0), "min": drawn.min(), "max": drawn.max()}
    assert abs(found["mean"] - theory["mean"]) <= 5 * theory["std"] / math.sqrt(drawn.numel())
    assert abs(found["std"] - theory["std"]) <= 0.002 * theory["std"]
    return {"call": call, "source": source, "theory": theory, "drawn": found}


def orthogonal():
    """Rows or columns, whichever are fewer, are orthogonal and have the length `gain`."""
    entries = []
    for shape in (SHAPE, SHAPE[::-1], (32, 32)):
        for gain in (1.0, 1.5):
            torch.manual_seed(6)
            drawn = torch.stack([
                init.orthogonal_(torch.empty(shape, dtype=torch.float64), gain=gain) for _ in range(DRAWS)
            ])
            short = drawn if shape[0] <= shape[1] else drawn.transpose(1, 2)
            products = short @ short.transpose(1, 2)
            wanted = gain * gain * torch.eye(min(shape), dtype=torch.float64)
            entries.append({
                "call": "orthogonal" if gain == 1 else f"orthogonal(gain = {gain:g})",
                "source": "pytorch",
                "shape": shape,
                "length_squared": gain * gain,
                "theory": {"mean": 0.0, "std": gain / math.sqrt(max(shape))},
                "drawn": {
                    "mean": drawn.mean(),
                    "std": drawn.std(correction=0),
                    # Of every product of two rows (columns) from what it should be.
                    "largest_difference": (products - wanted).abs().max(),
                },
            })
    return entries


def gains():
    names = ["linear", "sigmoid", "tanh", "relu", "selu"]
    found = [{"activation": name, "gain": init.calculate_gain(name)} for name in names]
    for slope in (0.01, 0.2):
        text = f"leaky_relu(slope = {slope:g})"
        found.append({"activation": text, "gain": init.calculate_gain("leaky_relu", slope)})
    return found


def make():
    write("initializers.json", {
        "shape": SHAPE,
        "fan_in": FAN_IN,
        "fan_out": FAN_OUT,
        "draws": DRAWS,
        "initializers": [entry(*row) for row in table()],
        "for_activations": kaiming(),
        "orthogonal": orthogonal(),
        "gains": gains(),
    })
