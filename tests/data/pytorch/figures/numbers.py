"""Drawing numbers that f32 holds exactly, and writing figures."""

import json
import os
import pathlib

# Keras computes with what is named here when it is loaded.
os.environ["KERAS_BACKEND"] = "jax"

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

# Without it jax computes in f32 alone; f32 arrays stay f32 with it.
jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")

KERAS = f"keras {keras.__version__}"

FOLDER = pathlib.Path(__file__).parent.parent
PRECISIONS = (("f64", torch.float64), ("f32", torch.float32))


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
    (FOLDER / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")
