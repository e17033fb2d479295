"""nnc itself: its networks are what the others are compared with, and `nnc bench` is what measures it."""

import json
import re
import struct
import subprocess
from array import array
from math import prod

import start
from networks import NETWORKS


class Nnc:
    """The command `program`, with what it needs in `folder`."""

    def __init__(self, program, benches, folder, pinned, threads):
        self.program, self.benches, self.folder, self.pinned, self.threads = program, benches, folder, pinned, threads

    def ask(self, *arguments, limit=600):
        """What a command prints."""
        command = [*self.pinned.prefix, self.program, *map(str, arguments)]
        try:
            ran = subprocess.run(command, env=self.pinned.environment, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"nnc {' '.join(map(str, arguments))}: it took longer than {limit} s") from None
        if ran.returncode:
            raise RuntimeError("\n".join(["nnc " + " ".join(map(str, arguments)), ran.stderr.strip() or ran.stdout.strip()]))
        return ran.stdout

    def events(self, *arguments):
        return [json.loads(line) for line in self.ask(*arguments, "--message-format", "json").splitlines() if line.startswith("{")]

    def version(self):
        return self.ask("--version").split()[-1]

    def start(self, name):
        """Writes the numbers that all start from. Returns how many parameters the network has."""
        tensors = start.tensors_of(self.ask("expand", "--stage", "graph", self.benches / f"{name}.nn"))
        values, self.inputs, self.targets = start.write(name, tensors, self.folder)
        shapes = {tensor.name: tensor.shape for tensor in tensors}
        self.weights = self.folder / f"{name}.safetensors"
        write_safetensors(self.weights, shapes, values)
        return sum(prod(tensor.shape) for tensor in tensors if tensor.is_trained)

    def losses(self, name):
        """For each row that is measured: the losses of two training steps, or that of what is predicted."""
        found, self.models = {}, {}
        for batch in NETWORKS[name].train:
            model = self.models[batch] = self.with_data(name, batch, batch)
            out = model.with_suffix(".out.safetensors")
            start = ["--weights", self.weights, "--out", out, "--no-diagnose"]
            events = self.events("train", model, *start)
            found["train", batch] = [event["loss"] for event in events if event["event"] == "epoch"]
        for batch in NETWORKS[name].infer:
            model = self.with_data(name, NETWORKS[name].train[0], batch)
            events = self.events("eval", model, "--weights", self.weights)
            found["infer", batch] = [event["loss"] for event in events if event["event"] == "evaluated"]
        return found

    def with_data(self, name, batch, tested):
        """The network of benches/ with rows to train on, as many as a batch, so that an epoch is a step; and others to test."""
        network = NETWORKS[name]
        folder = self.folder / f"{name}-{batch}"
        folder.mkdir(exist_ok=True)
        width, aims = prod(network.shape), network.shape[0] if network.is_text else 1
        targets = [f"y{n}" for n in range(aims)]
        whole = "{:.0f}".format
        number = whole if network.is_text else repr
        aim = whole if network.classes else repr
        for file, rows in (("train", batch), ("test", tested)):
            lines = [",".join([f"x{n}" for n in range(width)] + targets)]
            for row in range(rows):
                x, y = self.inputs[row * width:][:width], self.targets[row * aims:][:aims]
                lines.append(",".join([*map(number, x), *map(aim, y)]))
            (folder / f"{file}.csv").write_text("\n".join(lines) + "\n")
        listed = f"[{', '.join(targets)}]" if aims > 1 else targets[0]
        model = re.sub(r"\ntrain \{.*?\n\}\n", "", (self.benches / f"{name}.nn").read_text(), flags=re.DOTALL)
        data = f'data {{\n    csv "train.csv"\n    test "test.csv"\n    target {listed}\n}}\n'
        train = f"train {{\n    batch {batch}\n    epochs 2\n    shuffle false\n}}\n"
        path = folder / f"{name}.nn"
        path.write_text(f"{model}\n{data}\n{train}")
        return path

    def bench(self, name):
        """The figures of a round by what is measured."""
        network, found = NETWORKS[name], {}
        batches = dict.fromkeys([*network.train, *(batch for batch in network.infer if batch > 1)])
        threads = ["--threads", self.threads] if self.threads > 1 else []
        for batch in batches:
            # What has been compiled for the losses is measured.
            model = self.models.get(batch, self.benches / f"{name}.nn")
            for event in self.events("bench", model, "--batch", batch, *threads):
                if event["event"] == "bench":
                    # One sample is measured with each batch: the first is kept.
                    found.setdefault((event["what"], event["batch"]), event)
        return {row: found[row] for row in network.rows()}


def write_safetensors(path, shapes, values):
    header, at = {}, 0
    for name, shape in shapes.items():
        end = at + 4 * prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in shapes:
            array("f", values[name]).tofile(file)
