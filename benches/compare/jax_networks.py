"""The networks in JAX, images with channels last: `NETS[name]` has the variants of one.

A variant is a function that returns `init(start)`, which makes weights and running figures from the numbers that all
start from, in nnc's order, and `apply(weights, running, x, is_training, key)`, which returns outputs and running
figures.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.nn import gelu, relu, sigmoid, softmax

from networks import CONTEXT, VOCABULARY


def dense(start, inputs, outputs, bias=True):
    layer = {"weight": jnp.asarray(start.take(outputs, inputs).T)}
    return layer | ({"bias": jnp.asarray(start.take(outputs))} if bias else {})


def product(layer, x):
    """Over the last axis; positions of sequences are rows of one product."""
    y = x.reshape(-1, x.shape[-1]) @ layer["weight"]
    y = y + layer["bias"] if "bias" in layer else y
    return y.reshape(*x.shape[:-1], -1)


def chain(sizes, activations):
    def init(start):
        return [dense(start, *pair) for pair in zip(sizes, sizes[1:])], {}

    def apply(layers, running, x, _is_training, _key):
        for layer, activation in zip(layers, activations):
            x = activation(product(layer, x))
        return x, running

    return init, apply


def identity(x):
    return x


def scale(start, channels):
    return {"weight": jnp.asarray(start.take(channels)), "bias": jnp.asarray(start.take(channels))}


def running_figures(channels):
    return {"mean": jnp.zeros(channels), "var": jnp.ones(channels)}


def norm(layer, running, x, is_training):
    mean, var = running["mean"], running["var"]
    if is_training:
        axes, n = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
        mean = x.mean(axes)
        var = jnp.maximum((x * x).mean(axes) - mean * mean, 0)
        unbiased = var * n / (n - 1)
        running = {"mean": 0.9 * running["mean"] + 0.1 * mean, "var": 0.9 * running["var"] + 0.1 * unbiased}
    scale = layer["weight"] * lax.rsqrt(var + 1e-5)
    return x * scale + (layer["bias"] - mean * scale), running


def bnmlp():
    def init(start):
        weights = {"first": dense(start, 64, 256, False), "norm1": scale(start, 256)}
        weights |= {"second": dense(start, 256, 256, False), "norm2": scale(start, 256)}
        weights |= {"head": dense(start, 256, 10)}
        return weights, {"norm1": running_figures(256), "norm2": running_figures(256)}

    def apply(weights, running, x, is_training, key):
        x, running1 = norm(weights["norm1"], running["norm1"], product(weights["first"], x), is_training)
        x = product(weights["second"], relu(x))
        x, running2 = norm(weights["norm2"], running["norm2"], x, is_training)
        x = relu(x)
        if is_training:
            x = jnp.where(jax.random.bernoulli(key, 0.8, x.shape), x / 0.8, 0)
        return product(weights["head"], x), {"norm1": running1, "norm2": running2}

    return init, apply


def kernel(start, size, channels_in, channels):
    return jnp.asarray(start.take(channels, channels_in, size, size).transpose(2, 3, 1, 0))


def convolved(weight, x, stride=1, padding=0):
    """By XLA's own convolution."""
    axes = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, weight, (stride, stride), [(padding, padding)] * 2, dimension_numbers=axes)


def multiplied(weight, x, stride=1, padding=0):
    """As one product with all that each place sees."""
    height, width, _, channels = weight.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = (x.shape[1] - height) // stride + 1, (x.shape[2] - width) // stride + 1

    def seen(row, column):
        last_row, last_column = row + (rows - 1) * stride + 1, column + (columns - 1) * stride + 1
        return x[:, row:last_row:stride, column:last_column:stride]

    patches = [seen(row, column) for row in range(height) for column in range(width)]
    flat = jnp.concatenate(patches, -1).reshape(-1, weight.size // channels)
    return (flat @ weight.reshape(-1, channels)).reshape(x.shape[0], rows, columns, channels)


def halved(x):
    """The largest of every two by two."""
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def lenet(conv):
    def init(start):
        features = []
        for channels_in, channels in ((1, 6), (6, 16)):
            features.append((kernel(start, 5, channels_in, channels), jnp.asarray(start.take(channels))))
        sizes = (400, 120, 84, 10)
        return {"features": features, "dense": [dense(start, *pair) for pair in zip(sizes, sizes[1:])]}, {}

    def apply(weights, running, x, _is_training, _key):
        for (weight, bias), padding in zip(weights["features"], (2, 0)):
            x = halved(relu(conv(weight, x, 1, padding) + bias))
        # PyTorch's order of features: channels first.
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
        first, second, head = weights["dense"]
        return product(head, relu(product(second, relu(product(first, x))))), running

    return init, apply


WIDTHS = (16, 16, 16, 16, 32, 32, 32, 64, 64, 64)
BLOCKS = [(f"block{n}", *pair) for n, pair in enumerate(zip(WIDTHS, WIDTHS[1:]))]


def resnet20(conv):
    def init(start):
        weights, running = {}, {}

        def add(name, size, channels_in, channels):
            weight = kernel(start, size, channels_in, channels)
            weights[name], running[name] = {"kernel": weight, "norm": scale(start, channels)}, running_figures(channels)

        add("stem", 3, 3, 16)
        for name, channels_in, channels in BLOCKS:
            if channels_in != channels:
                add(f"{name}.shortcut", 1, channels_in, channels)
            add(f"{name}.first", 3, channels_in, channels)
            add(f"{name}.second", 3, channels, channels)
        return weights | {"head": dense(start, 64, 10)}, running

    def apply(weights, running, x, is_training, _key):
        updated = {}

        def layer(name, x, stride, padding):
            y = conv(weights[name]["kernel"], x, stride, padding)
            y, updated[name] = norm(weights[name]["norm"], running[name], y, is_training)
            return y

        x = relu(layer("stem", x, 1, 1))
        for name, channels_in, channels in BLOCKS:
            stride = 1 if channels_in == channels else 2
            y = layer(f"{name}.second", relu(layer(f"{name}.first", x, stride, 1)), 1, 1)
            x = relu(y + (layer(f"{name}.shortcut", x, stride, 0) if stride == 2 else x))
        return product(weights["head"], x.mean((1, 2))), updated

    return init, apply


def lstm():
    def init(start):
        table = jnp.asarray(start.take(VOCABULARY, 64))
        weights = {"table": table, "ih": dense(start, 64, 512), "hh": dense(start, 128, 512)}
        return weights | {"head": dense(start, 128, VOCABULARY)}, {}

    def apply(weights, running, x, _is_training, _key):
        # Products with what goes in, of all positions; positions first.
        inputs = product(weights["ih"], weights["table"][x.T])

        def step(state, seen):
            hidden, memory = state
            gates = seen + product(weights["hh"], hidden)
            take, keep, new, show = jnp.split(gates, 4, 1)
            memory = sigmoid(keep) * memory + sigmoid(take) * jnp.tanh(new)
            hidden = sigmoid(show) * jnp.tanh(memory)
            return (hidden, memory), hidden

        zeros = jnp.zeros((x.shape[0], 128))
        _, states = lax.scan(step, (zeros, zeros), inputs)
        return product(weights["head"], states).swapaxes(0, 1), running

    return init, apply


def layer_norm(layer, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * layer["weight"] + layer["bias"]


def gpt(width=128, heads=4, blocks=4):
    size = width // heads
    mask = np.tril(np.ones((CONTEXT, CONTEXT), bool))

    def init(start):
        def block():
            layers = {"norm1": scale(start, width), "packed": dense(start, width, 3 * width)}
            layers |= {"out": dense(start, width, width), "norm2": scale(start, width)}
            return layers | {"up": dense(start, width, 4 * width), "down": dense(start, 4 * width, width)}

        weights = {"token": jnp.asarray(start.take(VOCABULARY, width))}
        weights["position"] = jnp.asarray(start.take(CONTEXT, width))
        weights["blocks"] = [block() for _ in range(blocks)]
        return weights | {"norm": scale(start, width), "head": dense(start, width, VOCABULARY, False)}, {}

    def attention(layers, x):
        batch = x.shape[0]
        packed = product(layers["packed"], x).reshape(batch, CONTEXT, 3, heads, size).transpose(2, 0, 3, 1, 4)
        query, key, value = packed
        scores = jnp.where(mask, query @ key.swapaxes(-1, -2) * size**-0.5, -jnp.inf)
        mixed = (softmax(scores, -1) @ value).transpose(0, 2, 1, 3)
        return product(layers["out"], mixed.reshape(batch, CONTEXT, width))

    def apply(weights, running, x, _is_training, _key):
        x = weights["token"][x] + weights["position"]
        for layers in weights["blocks"]:
            x = x + attention(layers, layer_norm(layers["norm1"], x))
            hidden = gelu(product(layers["up"], layer_norm(layers["norm2"], x)), approximate=False)
            x = x + product(layers["down"], hidden)
        return product(weights["head"], layer_norm(weights["norm"], x)), running

    return init, apply


NETS = {
    "xor": {"": lambda: chain((2, 8, 1), (jnp.tanh, sigmoid))},
    "iris": {"": lambda: chain((4, 16, 3), (relu, identity))},
    "mlp": {"": lambda: chain((784, 128, 64, 10), (relu, relu, identity))},
    "bnmlp": {"": bnmlp},
    "wide": {"": lambda: chain((1024, 1024, 1024, 1024, 10), (relu, relu, relu, identity))},
    "lenet": {", convolutions": lambda: lenet(convolved), ", products": lambda: lenet(multiplied)},
    "resnet20": {", convolutions": lambda: resnet20(convolved), ", products": lambda: resnet20(multiplied)},
    "lstm": {"": lstm},
    "gpt": {"": gpt},
}
