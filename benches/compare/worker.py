"""How a framework of Python is asked for figures: a line on the standard input, a JSON object as the answer.

    try NETWORK train|infer BATCH SECONDS     makes every variant, and measures each for so long
    run INDEX SECONDS                         measures one of them again
    forget                                    lets go of all variants, before the next network

`try` answers with a list: for each variant its name, how many parameters it has, the losses it begins with and its
times, or why it does not run.
"""

import gc
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

from networks import CONTEXT, NETWORKS


@dataclass
class Variant:
    """A way to compute something. `make` builds it from `Start`, and returns a call, how many parameters the network
    has, and a function that gives the losses of the first steps, or of what is predicted."""

    name: str
    make: Callable
    steps_a_call: int = 1


class Start:
    """What a network and a batch start from: `weights` gives tensors in nnc's order."""

    def __init__(self, name, batch):
        network, folder = NETWORKS[name], Path(os.environ["COMPARE_FOLDER"])
        read = lambda kind: np.fromfile(folder / f"{name}.{kind}", np.float32)  # noqa: E731
        self.numbers, self.at = read("weights"), 0
        shape = (batch, *network.shape)
        self.x = read("inputs")[: np.prod(shape)].reshape(shape)
        self.target = read("targets")[: batch * (CONTEXT if network.is_text else 1)]
        if network.is_text:
            self.x, self.target = self.x.astype(np.int64), self.target.reshape(batch, CONTEXT)
        self.target = self.target.astype(np.int64) if network.classes else self.target.reshape(batch, 1)

    def take(self, *shape):
        """The next tensor, of a shape that PyTorch would give it."""
        n = int(np.prod(shape))
        found = self.numbers[self.at : self.at + n]
        if len(found) < n:
            raise ValueError("the network has more parameters than nnc's")
        self.at += n
        return found.reshape(shape)

    def taken(self):
        """How many numbers were taken: the parameters of the network."""
        return self.at


def loss_of(name, output, target):
    """The mean loss of an output, in f64."""
    output = np.asarray(output, np.float64)
    if not NETWORKS[name].classes:
        return float(((output - target) ** 2).mean())
    output, target = output.reshape(-1, output.shape[-1]), target.reshape(-1)
    top = output.max(1)
    sums = top + np.log(np.exp(output - top[:, None]).sum(1))
    return float((sums - output[np.arange(len(target)), target]).mean())


def times_of(call, seconds, least_calls=3):
    """Median and least time of a call in microseconds. One look at the clock covers at least 20 us."""
    calls = 1
    while calls < 1 << 20:
        before = time.perf_counter_ns()
        for _ in range(calls):
            call()
        if time.perf_counter_ns() - before >= 20_000:
            break
        calls *= 2
    times, started = [], time.perf_counter()
    while len(times) < least_calls or time.perf_counter() - started < seconds:
        before = time.perf_counter_ns()
        for _ in range(calls):
            call()
        times.append((time.perf_counter_ns() - before) / calls)
    times.sort()
    return times[len(times) // 2] / 1e3, times[0] / 1e3


def attempt(variant, seconds, kept):
    """Makes a variant, looks at what it computes, and measures it."""
    try:
        call, parameters, losses = variant.make()
        found = {"variant": variant.name, "parameters": parameters, "losses": losses()}
        # After what is compiled late, and what a processor does in its first milliseconds.
        times_of(call, seconds / 4)
        gc.collect()
        median, least = times_of(call, seconds)
        kept.append((call, variant.steps_a_call))
        return found | {"index": len(kept) - 1} | of_steps(median, least, variant.steps_a_call)
    except Exception as error:  # noqa: BLE001: whatever a framework throws
        last = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
        if "COMPARE_VERBOSE" in os.environ:
            traceback.print_exc()
        return {"variant": variant.name, "failed": last[:200]}


def of_steps(median, least, steps):
    return {"median_us": median / steps, "least_us": least / steps}


def serve(variants_of, forget=lambda: None):
    """Answers until the input ends. `variants_of(name, what, batch)` are the ways that the framework has, and
    `forget` lets go of what it keeps of a network."""
    # What libraries print goes elsewhere: answers alone are read.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    kept = []
    for line in sys.stdin:
        match line.split():
            case ["try", name, what, batch, seconds]:
                variants = variants_of(name, what, int(batch))
                answer = [attempt(variant, float(seconds), kept) for variant in variants]
            case ["run", index, seconds]:
                call, steps = kept[int(index)]
                times_of(call, float(seconds) / 8, 1)
                answer = of_steps(*times_of(call, float(seconds)), steps)
            case ["forget"]:
                kept.clear()
                forget()
                gc.collect()
                answer = {}
            case _:
                answer = {"failed": f"cannot read {line!r}"}
        print(json.dumps(answer), file=answers, flush=True)
