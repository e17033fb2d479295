#!/usr/bin/env python3
"""Makes the figures that nnc's tests compare with, all of them or those that are named.

Usage: `pip install torch numpy optax keras safetensors`, then `python make.py` or `python make.py losses schedules` in this folder.
README.md explains the files. Nothing here reads anything of nnc: the models under models/*.nn are written by hand, and
their PyTorch counterparts stand in figures/models.py.

Inputs, targets and initial weights are multiples of 1/1024, which f32 and f64 hold exactly, so that runs in both start
from the same numbers.
"""

import importlib
import sys

import torch

ALL = ["activations", "losses", "optimizers", "schedules", "twenty_steps", "initializers", "norms", "layers", "models"]
ALL += ["shapes", "cells", "inputs", "sequences", "zoo", "state_dicts"]


def main(names):
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    for name in names or ALL:
        importlib.import_module(f"figures.{name}").make()


if __name__ == "__main__":
    main(sys.argv[1:])
