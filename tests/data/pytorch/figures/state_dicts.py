"""weights/*.safetensors: `state_dict`s of networks that PyTorch has initialized and trained, and state_dicts.json: what
they answer.

LeNet-5 and char-gpt are written as they are, for their modules are named as the layers of examples/zoo. The names of
`nn.LSTM` are turned into those of two cells, as docs/language.md tells under "Cells".
"""

from functools import partial

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from .numbers import FOLDER, write
from .training import short
from .zoo import CharGpt, LeNet5

SAMPLES = 5
STEPS = 20
VOCABULARY, CONTEXT = 13, 9


class CharLstm(nn.Module):
    """`nn.LSTM` of two layers over characters: models/char_lstm.nn."""

    def __init__(self, width=6, hidden=11):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.lstm = nn.LSTM(width, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, VOCABULARY)

    def forward(self, x):
        return self.head(self.lstm(self.embedding(x))[0])


def name_in_language(name):
    """first.ih.weight for lstm.weight_ih_l0; other names are the same in both."""
    if not name.startswith("lstm."):
        return name
    kind, product, layer = name.removeprefix("lstm.").split("_")
    return ".".join([("first", "second")[int(layer.removeprefix("l"))], product, kind])


def images():
    """Gray in quarters, which are short."""
    return torch.randint(0, 5, (SAMPLES, 1, 28, 28)) / 4, torch.randint(0, 10, (SAMPLES,))


def texts():
    tokens = torch.randint(0, VOCABULARY, (SAMPLES, CONTEXT + 1))
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


# Name, module, samples.
NETWORKS = [
    ("lenet5", partial(LeNet5, (6, 16), (120, 84), 10, 28), images),
    ("char_lstm", CharLstm, texts),
    ("char_gpt", partial(CharGpt, CONTEXT), texts),
]


def make():
    entries = []
    (FOLDER / "weights").mkdir(exist_ok=True)
    for number, (name, make_one, samples) in enumerate(NETWORKS):
        torch.manual_seed(600 + number)
        module = make_one()
        x, target = samples()
        # So that nothing has the value that it began with.
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
        for _ in range(STEPS):
            optimizer.zero_grad()
            F.cross_entropy(module(x).flatten(0, -2), target.flatten()).backward()
            optimizer.step()
        tensors = {name_in_language(key): value.contiguous() for key, value in module.state_dict().items()}
        save_file(tensors, FOLDER / f"weights/{name}.safetensors")
        module.eval()
        with torch.no_grad():
            # In f64: the figure is what these weights mean, and not how one program rounds.
            module = module.double()
            output = module(x if x.dtype == torch.int64 else x.double())
        entries.append({"model": name, "input": x, "output": short(output)})
    write("state_dicts.json", {"models": entries})
