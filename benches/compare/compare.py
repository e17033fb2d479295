"""Measures every network in every framework in turn, and writes the table and the picture. README.md says how."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import select
import shutil
import subprocess
import sys
from importlib import metadata

import report
from networks import NETWORKS
from nnc import Nnc

HERE = pathlib.Path(__file__).resolve().parent
BENCHES = HERE.parent
TARGET = BENCHES.parent / "target" / "compare"
# Name in the table, program with its arguments, and what it needs to be there.
PYTHON = {
    "PyTorch eager": (["with_pytorch.py", "eager"], ["torch"]),
    "PyTorch compiled": (["with_pytorch.py", "compiled"], ["torch"]),
    "JAX": (["with_jax.py"], ["jax", "optax"]),
    "ONNX Runtime": (["with_onnx.py"], ["onnxruntime", "torch", "onnx", "onnxscript"]),
}
RUST = ["burn", "candle", "dfdx"]
FRAMEWORKS = ["nnc", *PYTHON, *RUST]
# What a framework is called on the command line.
SHORT = {"nnc": ["nnc"], "pytorch": ["PyTorch eager", "PyTorch compiled"], "jax": ["JAX"], "onnx": ["ONNX Runtime"]}
SHORT |= {"pytorch-eager": ["PyTorch eager"], "pytorch-compiled": ["PyTorch compiled"]} | {name: [name] for name in RUST}
# Seconds for an answer, with whatever a framework compiles for it.
LIMIT = 900
# How far losses may be apart: sums in another order; and where dropout draws differ.
TOLERANCE, DROPOUT_TOLERANCE = 1e-3, 0.1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="benches/compare/run")
    parser.add_argument("--only", default="", help=f"frameworks, separated by commas: {','.join(SHORT)}")
    parser.add_argument("--network", default="", help=f"networks, separated by commas: {','.join(NETWORKS)}")
    parser.add_argument("--threads", type=int, default=1, help="threads, each on a core of its own; without it 1")
    parser.add_argument("--cpu", type=int, help="the first core that everything is pinned to; without it the last that is there")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that all of it runs")
    parser.add_argument("--machine", default="", help="the name of the results; without it made from the processor's")
    parser.add_argument("--out", type=pathlib.Path, help="the folder of the results; without it `results` for a whole run, else target/compare")
    parser.add_argument("--readme", action="store_true", help="puts the short table into README.md, too")
    task = parser.parse_args()
    task.networks = chosen(parser, task.network, NETWORKS)
    wanted = {name for short in chosen(parser, task.only, SHORT) for name in SHORT[short]}
    task.frameworks = [name for name in FRAMEWORKS if name in wanted and name != "nnc"]
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= task.threads <= len(cores):
        parser.error(f"--threads: from 1 to {len(cores)}")
    last = cores[-task.threads:]
    task.cores = last if task.cpu is None else [task.cpu + n for n in range(task.threads)]
    if not set(task.cores) <= set(cores):
        parser.error(f"--cpu: there are the cores {cores}")
    task.is_whole = not task.only and not task.network and not task.quick
    task.out = task.out or (HERE / "results" if task.is_whole else TARGET)
    # Seconds to find the fastest variant, rounds, and seconds of one.
    task.trial, task.rounds, task.seconds = (0.02, 1, 0.05) if task.quick else (0.12, 3, 0.4)
    return task


def chosen(parser, text, known):
    """Names of a list in the order of `known`, all without one."""
    names = text.split(",") if text else list(known)
    for name in names:
        if name not in known:
            parser.error(f"unknown: {name}; known: {', '.join(known)}")
    return [name for name in known if name in names]


class Pinned:
    """How programs are started: on these cores, with as many threads."""

    def __init__(self, cores, folder):
        self.prefix = ["taskset", "-c", ",".join(map(str, cores))] if shutil.which("taskset") else []
        if not self.prefix:
            say("taskset is missing: nothing is pinned to a core")
        threads = {f"{name}_NUM_THREADS": str(len(cores)) for name in ("OMP", "MKL", "OPENBLAS", "RAYON")}
        # glibc gives memory back to the system, and asks for it again, in every step of what allocates in a step.
        keep = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
        own = {"COMPARE_FOLDER": str(folder), "COMPARE_THREADS": str(len(cores)), "PYTHONPATH": str(HERE)}
        # What torch compiles is kept, by this process alone and not by a pool of others.
        torch = {"TORCHINDUCTOR_CACHE_DIR": str(TARGET / "inductor"), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        self.environment = os.environ | threads | keep | own | torch


class Worker:
    """A program that answers a line with a line: see `worker.py`."""

    def __init__(self, name, command, pinned):
        self.name, self.command, self.pinned = name, [str(part) for part in command], pinned
        self.log = open(TARGET / f"{name.lower().replace(' ', '-')}.log", "w")
        self.start()

    def start(self):
        self.buffer = b""
        self.process = subprocess.Popen(
            self.pinned.prefix + self.command, env=self.pinned.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
        )

    def ask(self, *words):
        """The answer; after a crash, or none in time, the program is started anew."""
        try:
            self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
            self.process.stdin.flush()
            while b"\n" not in self.buffer:
                if not select.select([self.process.stdout], [], [], LIMIT)[0]:
                    raise RuntimeError(f"no answer in {LIMIT} s")
                read = os.read(self.process.stdout.fileno(), 1 << 16)
                if not read:
                    raise RuntimeError(f"it ended; see {self.log.name}")
                self.buffer += read
            line, self.buffer = self.buffer.split(b"\n", 1)
            return json.loads(line)
        except (RuntimeError, OSError, ValueError) as error:
            say(f"  {self.name}: {' '.join(map(str, words))}: {error}")
            self.process.kill()
            self.process.wait()
            self.start()
            return None

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def say(text):
    print(text, flush=True)


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def rust_program(name):
    return TARGET / "rust" / "release" / f"compare-{name}"


def available(names):
    """The frameworks that can be measured with command and version; of the others it is said what is missing."""
    found, missing = {}, []
    for name in names:
        if name in PYTHON:
            (program, *way), needed = PYTHON[name]
            absent = [package for package in needed if version(package) is None]
            if absent:
                missing.append(f"{name}: this Python has no {' and no '.join(absent)}")
            elif name == "PyTorch compiled" and not (shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")):
                missing.append(f"{name}: it needs a C++ compiler, and there is none")
            else:
                found[name] = ([sys.executable, HERE / program, *way], version(needed[0]))
        elif name in RUST:
            if rust_program(name).exists():
                ran = subprocess.run([rust_program(name), "version"], capture_output=True, text=True, check=True)
                found[name] = ([rust_program(name)], ran.stdout.strip())
            else:
                missing.append(f"{name}: it is not built")
    return found, missing


def refusal(variant, parameters, losses, tolerance):
    """Why a variant is not the network that nnc has."""
    if variant["parameters"] != parameters:
        return f"refused: {variant['parameters']} parameters, nnc has {parameters}"
    for n, (found, expected) in enumerate(zip(variant["losses"], losses)):
        if not abs(found - expected) <= tolerance * abs(expected):
            return f"refused: loss {found:.6f} {'after a step' if n else 'at the start'}, nnc has {expected:.6f}"
    return None


class Comparison:
    """A run: what is measured, by whom, and what was found."""

    def __init__(self, task, nnc, workers):
        self.task, self.nnc, self.workers, self.notes = task, nnc, workers, []

    def note(self, text):
        """What a reader of the results has to know."""
        say(f"  {text}")
        self.notes.append(text)

    def network(self, name):
        """The rows of a network."""
        parameters, losses = self.nnc.start(name), self.nnc.losses(name)
        rows = {
            key: {"network": name, "what": key[0], "batch": key[1], "parameters": parameters, "losses": losses[key], "figures": {}}
            for key in NETWORKS[name].rows()
        }
        # Before the rounds: what is compiled for them is kept.
        self.nnc.bench(name)
        best = {framework: self.trial(framework, rows) for framework in self.workers}
        for _ in range(self.task.rounds):
            for key, event in self.nnc.bench(name).items():
                rows[key]["flops"] = event["gflops"] * event["median_us"] * 1e3
                add(rows[key], "nnc", "", event["median_us"])
            for framework, worker in self.workers.items():
                for key, variant in best[framework].items():
                    answer = worker.ask("run", variant["index"], self.task.seconds)
                    if answer and "median_us" in answer:
                        add(rows[key], framework, variant["variant"], answer["median_us"])
        for worker in self.workers.values():
            worker.ask("forget")
        for row in rows.values():
            row["figures"] = {framework: summed(figure) for framework, figure in row["figures"].items()}
            say("  " + report.line(row))
        return list(rows.values())

    def trial(self, framework, rows):
        """The fastest variant of each row that computes what nnc does."""
        best = {}
        for (what, batch), row in rows.items():
            name = row["network"]
            variants = self.workers[framework].ask("try", name, what, batch, self.task.trial) or []
            is_rough = what == "train" and NETWORKS[name].dropout > 0
            right = []
            for variant in variants:
                if "failed" in variant:
                    reason = f"it does not run: {variant['failed']}"
                else:
                    reason = refusal(variant, row["parameters"], row["losses"], DROPOUT_TOLERANCE if is_rough else TOLERANCE)
                if reason:
                    ways = f", {variant['variant']}" if variant["variant"] else ""
                    self.note(f"{framework}, {name}, {what} {batch}{ways}: {reason}")
                else:
                    apart = [abs(found / expected - 1) for found, expected in zip(variant["losses"], row["losses"])]
                    if not is_rough:
                        row["apart"] = max([row.get("apart", 0.0), *apart])
                    right.append(variant)
            if right:
                best[what, batch] = min(right, key=lambda variant: variant["median_us"])
        return best


def add(row, framework, variant, time):
    figure = row["figures"].setdefault(framework, {"variant": variant, "rounds_us": []})
    figure["rounds_us"].append(time)


def summed(figure):
    """The quietest round is the figure: what else the machine did only adds to a time."""
    times = figure["rounds_us"]
    return figure | {"us": min(times), "spread": max(times) / min(times) - 1}


def built_peak():
    program = TARGET / "peak"
    rustc = os.environ.get("RUSTC", "rustc")
    subprocess.run([rustc, "--edition=2024", "-O", "-o", program, HERE / "peak.rs"], check=True)
    return program


def measured_peak(pinned, program, rows=()):
    """GFLOP/s of a core with the instructions that reach them; each row gets the GB/s of memory as large as its own."""
    sizes = sorted({report.touched_bytes(row) for row in rows})
    one = ["taskset", "-c", pinned.prefix[-1].split(",")[0]] if pinned.prefix else []
    ran = subprocess.run([*one, program, *map(str, sizes)], capture_output=True, text=True, check=True)
    first, *lines = ran.stdout.splitlines()
    gflops, instructions = first.split()
    bandwidths = dict(zip(sizes, map(float, lines)))
    for row in rows:
        row["bandwidth"] = bandwidths[report.touched_bytes(row)]
    return float(gflops), instructions


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        # Signs of trademarks are no part of a name.
        return re.sub(r"\((R|TM)\)", "", names[0]), len(names)
    except (OSError, IndexError):
        return platform.processor() or platform.machine(), os.cpu_count()


def main():
    task = arguments()
    folder = TARGET / "numbers"
    folder.mkdir(parents=True, exist_ok=True)
    pinned = Pinned(task.cores, folder)
    nnc = Nnc(os.environ["NNC"], BENCHES, folder, pinned, task.threads)
    found, missing = available(task.frameworks)
    for line in missing:
        say(f"left out: {line}")
    rustc = subprocess.run([os.environ.get("RUSTC", "rustc"), "--version"], capture_output=True, text=True, check=True)
    chip, cores = processor()
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{chip}, {cores} cores, {platform.system()} {platform.release().split('-')[0]}",
        "rustc": rustc.stdout.split()[1],
        "python": platform.python_version(),
        "threads": task.threads,
        "versions": {"nnc": nnc.version()} | {name: version for name, (_, version) in found.items()},
        "missing": missing,
        "is_quick": task.quick,
        "rounds": task.rounds,
        "seconds": task.seconds,
        "rows": [],
    }
    say(f"measured on core {', '.join(map(str, task.cores))}: " + ", ".join(f"{name} {text}" for name, text in result["versions"].items()))
    peak = built_peak()
    before, _ = measured_peak(pinned, peak)
    workers = {name: Worker(name, command, pinned) for name, (command, _) in found.items()}
    comparison = Comparison(task, nnc, workers)
    try:
        for name in task.networks:
            say(name)
            result["rows"] += comparison.network(name)
    finally:
        for worker in workers.values():
            worker.close()
    gflops, instructions = measured_peak(pinned, peak, result["rows"])
    result |= {"peak_gflops": max(before, gflops) * task.threads, "instructions": instructions, "notes": comparison.notes}
    machine = task.machine or re.sub(r"[^a-z0-9]+", "-", f"{chip} {cores} cores".lower()).strip("-")
    machine += f"-{task.threads}-threads" if task.threads > 1 else ""
    for path in report.write(result, task.out, machine):
        say(f"wrote {os.path.relpath(path)}")
    if task.readme:
        report.put_into(BENCHES.parent / "README.md", result, os.path.relpath(task.out / f"{machine}.svg", BENCHES.parent))


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        # Without nnc there is nothing to compare with.
        sys.exit(f"nothing is written: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
