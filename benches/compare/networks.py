"""What is measured: the networks of benches/*.nn, and their batches."""

from dataclasses import dataclass

# Of both models of text.
VOCABULARY, CONTEXT = 65, 64


@dataclass(frozen=True)
class Network:
    """`shape` is that of a sample; without `classes` the targets are numbers. Batches of training, then of inference."""

    shape: tuple
    classes: int
    train: tuple
    infer: tuple
    optimizer: str
    rate: float = 0.001
    decay: float = 0.0
    # Each framework draws its own: losses of a training step agree roughly.
    dropout: float = 0.0

    @property
    def is_text(self):
        return self.classes == VOCABULARY

    def rows(self):
        """What is measured, as ("train" or "infer", batch)."""
        return [("train", batch) for batch in self.train] + [("infer", batch) for batch in self.infer]


NETWORKS = {
    "xor": Network((2,), 0, (4,), (1,), "sgd", 0.5),
    "iris": Network((4,), 3, (16,), (1, 256), "adam", 0.01),
    "mlp": Network((784,), 10, (32, 128), (1, 256), "adam"),
    "bnmlp": Network((64,), 10, (64,), (1, 256), "momentum", 0.01, dropout=0.2),
    "wide": Network((1024,), 10, (256,), (1, 256), "adam"),
    "lenet": Network((1, 28, 28), 10, (64,), (1, 256), "adam"),
    "resnet20": Network((3, 32, 32), 10, (32,), (1, 32), "momentum", 0.1, 1e-4),
    "lstm": Network((CONTEXT,), VOCABULARY, (32,), (1,), "adam"),
    "gpt": Network((CONTEXT,), VOCABULARY, (16,), (1,), "adamw", 0.001, 0.01),
}
