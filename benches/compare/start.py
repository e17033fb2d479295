"""Weights, inputs and targets that every framework starts from, in files of f32.

The weights are in the order in which nnc has them, one behind the other, in PyTorch's shapes: a framework builds its
network in that order, takes them as it goes, and has none left at the end.
"""

import random
import re
from array import array
from dataclasses import dataclass
from math import prod, sqrt

from networks import NETWORKS


@dataclass(frozen=True)
class Tensor:
    """A tensor of a network as `nnc expand --stage graph` names it; running figures are `is_trained = False`."""

    name: str
    shape: tuple
    is_trained: bool


def tensors_of(graph):
    """The tensors of a graph's text."""
    lines = re.findall(r"^\s*(parameter|buffer) @(\S+) \[([\d, ]*)\]", graph, re.MULTILINE)
    return [Tensor(name, tuple(map(int, dims.split(","))), kind == "parameter") for kind, name, dims in lines]


def start_of(tensor, draw):
    """Values of ordinary size: no symmetry hides a fault, and no loss overflows."""
    n = prod(tensor.shape)
    if not tensor.is_trained:
        return array("f", [1.0 if tensor.name.endswith("running_var") else 0.0]) * n
    is_norm = len(tensor.shape) == 1 and tensor.name.endswith("weight")
    bound = 0.1 if len(tensor.shape) == 1 else 1 / sqrt(prod(tensor.shape[1:]))
    centre = 1.0 if is_norm else 0.0
    return array("f", (centre + bound * (2 * draw() - 1) for _ in range(n)))


def write(name, tensors, folder):
    """Writes `NAME.weights`, `NAME.inputs` and `NAME.targets`; returns the values of each tensor by its name."""
    network, draw = NETWORKS[name], random.Random(0).random
    values = {tensor.name: start_of(tensor, draw) for tensor in tensors}
    with open(folder / f"{name}.weights", "wb") as file:
        for tensor in tensors:
            if tensor.is_trained:
                values[tensor.name].tofile(file)
    batch, width = max(network.train + network.infer), prod(network.shape)
    if network.is_text:
        inputs = array("f", (int(draw() * network.classes) for _ in range(batch * width)))
        targets = array("f", (int(draw() * network.classes) for _ in range(batch * width)))
    else:
        inputs = array("f", (2 * draw() - 1 for _ in range(batch * width)))
        classes = network.classes
        targets = array("f", ((n % classes if classes else draw()) for n in range(batch)))
    for kind, numbers in (("inputs", inputs), ("targets", targets)):
        with open(folder / f"{name}.{kind}", "wb") as file:
            numbers.tofile(file)
    return values, inputs, targets
