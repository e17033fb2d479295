"""optimizers.json: ten steps of each optimizer, and of the arguments that every optimizer has."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import optax
import torch
from torch import optim
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .by_hand import ByHand, ByOptax, adam_uncorrected, momentum, nesterov
from .network import network
from .numbers import PRECISIONS, write

STEPS = 10
SHOWN = (1, 5, 10)
OPTAX = f"optax {optax.__version__}"


@dataclass
class Optimizer:
    """`make(weights by name, lr)`, and the text in the language with `{lr}` in it."""

    text: str
    lr: float
    source: str
    make: Callable

    def call(self, rate=None):
        return self.text.replace("{lr}", rate or f"{self.lr:g}")


def torch_row(text, lr, make, **settings):
    return Optimizer(text, lr, "pytorch", lambda w, lr: make(w.values(), lr=lr, **settings))


def hand_row(text, lr, rule):
    return Optimizer(text, lr, "formula", lambda w, lr: ByHand(w.values(), lr, rule))


def optax_row(text, lr, make):
    return Optimizer(text, lr, OPTAX, lambda w, lr: ByOptax(w.values(), lr, make))


MOMENTS = "lr = {lr}, beta1 = 0.9, beta2 = 0.999, eps = 1e-8"


def table():
    """Every optimizer with a set of arguments or two; those of the first issue first."""
    moments = {"betas": (0.9, 0.999), "eps": 1e-8}
    rms = {"alpha": 0.9, "eps": 1e-8}
    return [
        torch_row("sgd(lr = {lr})", 0.1, optim.SGD),
        hand_row("momentum(lr = {lr}, beta = 0.9)", 0.1, momentum(0.9)),
        torch_row("momentum(lr = {lr}, beta = 0.9)", 0.1, optim.SGD, momentum=0.9),
        torch_row("nesterov(lr = {lr}, beta = 0.9)", 0.1, optim.SGD, momentum=0.9, nesterov=True),
        torch_row("adagrad(lr = {lr}, eps = 1e-10)", 0.1, optim.Adagrad, eps=1e-10),
        torch_row("rmsprop(lr = {lr}, rho = 0.9, eps = 1e-8)", 0.01, optim.RMSprop, **rms),
        torch_row(f"adam({MOMENTS})", 0.01, optim.Adam, **moments),
        hand_row(f"adam({MOMENTS}, bias_correction = false)", 0.01, adam_uncorrected(0.9, 0.999, 1e-8)),
        torch_row(f"adamw({MOMENTS}, weight_decay = 0.1)", 0.01, optim.AdamW, **moments, weight_decay=0.1),
        torch_row(
            "adagrad(lr = {lr}, lr_decay = 0.1, eps = 1e-10)", 0.1, optim.Adagrad, lr_decay=0.1, eps=1e-10
        ),
        torch_row("adadelta(lr = {lr}, rho = 0.9, eps = 1e-6)", 1.0, optim.Adadelta, rho=0.9, eps=1e-6),
        torch_row(
            "rmsprop(lr = {lr}, rho = 0.9, eps = 1e-8, momentum = 0.9)",
            0.01,
            optim.RMSprop,
            **rms,
            momentum=0.9,
        ),
        torch_row(
            "rmsprop(lr = {lr}, rho = 0.9, eps = 1e-8, centered = true)",
            0.01,
            optim.RMSprop,
            **rms,
            centered=True,
        ),
        torch_row(
            "rmsprop(lr = {lr}, rho = 0.9, eps = 1e-8, momentum = 0.9, centered = true)",
            0.01,
            optim.RMSprop,
            **rms,
            momentum=0.9,
            centered=True,
        ),
        torch_row(f"amsgrad({MOMENTS})", 0.01, optim.Adam, **moments, amsgrad=True),
        torch_row(f"adamax({MOMENTS})", 0.01, optim.Adamax, **moments),
        torch_row(f"nadam({MOMENTS}, momentum_decay = 4e-3)", 0.01, optim.NAdam, **moments, momentum_decay=4e-3),
        torch_row(f"radam({MOMENTS})", 0.01, optim.RAdam, **moments),
        optax_row(
            "lion(lr = {lr}, beta1 = 0.9, beta2 = 0.99, weight_decay = 0.1)",
            0.003,
            partial(optax.lion, b1=0.9, b2=0.99, weight_decay=0.1),
        ),
        optax_row(
            "lamb(lr = {lr}, beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0.01)",
            0.01,
            partial(optax.lamb, b1=0.9, b2=0.999, eps=1e-6, weight_decay=0.01),
        ),
    ]


def nesterov_by_formula():
    """As PyTorch's while the rate stays the same; a schedule shows the difference."""
    return hand_row("nesterov(lr = {lr}, beta = 0.9)", 0.1, nesterov(0.9))


def no_change(_parameters):
    pass


def add_l1(parameters, l1):
    for parameter in parameters:
        parameter.grad += l1 * torch.sign(parameter.detach())


def by_bias(weights, lr, **settings):
    """AdamW with decay 0.1, and none for biases."""
    biases = [weight for name, weight in weights.items() if name.endswith(".bias")]
    others = [weight for name, weight in weights.items() if not name.endswith(".bias")]
    groups = [{"params": others, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}]
    return optim.AdamW(groups, lr=lr, **settings)


def by_layer(weights, lr):
    """Gradient descent, and another rate for the layer `head`."""
    head = [weight for name, weight in weights.items() if name.startswith("head.")]
    others = [weight for name, weight in weights.items() if not name.startswith("head.")]
    return optim.SGD([{"params": others}, {"params": head, "lr": 0.01}], lr=lr)


def universal():
    """Arguments that every optimizer takes: optimizer, and what is done to gradients before its step."""
    sgd = optim.SGD
    adamw = partial(torch_row, make=optim.AdamW, weight_decay=0.1)
    return [
        (torch_row("sgd(lr = {lr}, l2 = 0.01)", 0.1, sgd, weight_decay=0.01), no_change),
        (torch_row("adam(lr = {lr}, l2 = 0.01)", 0.01, optim.Adam, weight_decay=0.01), no_change),
        (
            Optimizer("sgd(lr = {lr}, l1 = 0.01)", 0.1, "formula", lambda w, lr: sgd(w.values(), lr=lr)),
            partial(add_l1, l1=0.01),
        ),
        (adamw("adam(lr = {lr}, decay = 0.1)", 0.01), no_change),
        (Optimizer("adam(lr = {lr}, decay = 0.1, decay = 0 for *.bias)", 0.01, "pytorch", by_bias), no_change),
        (Optimizer("sgd(lr = {lr}, lr = 0.01 for head.*)", 0.1, "pytorch", by_layer), no_change),
        (torch_row("sgd(lr = {lr}, clip = 0.01)", 0.1, sgd), partial(clip_grad_value_, clip_value=0.01)),
        (torch_row("sgd(lr = {lr}, clip_norm = 0.05)", 0.1, sgd), partial(clip_grad_norm_, max_norm=0.05)),
        (torch_row("adam(lr = {lr}, clip_norm = 0.05)", 0.01, optim.Adam), partial(clip_grad_norm_, max_norm=0.05)),
    ]


def copied(weights):
    return {name: value.detach().clone() for name, value in weights.items()}


@contextmanager
def scalars_of(dtype):
    """NAdam keeps the product of its momenta in a scalar of the default type, f32, also for weights in f64."""
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def run(net, dtype, *arguments, **settings):
    with scalars_of(dtype):
        return steps_of(net, dtype, *arguments, **settings)


def steps_of(net, dtype, optimizer, before_update=no_change, shown=SHOWN, rates=None, steps=STEPS):
    """Losses, each before its update, and weights after the steps that are shown."""
    weights = net.start(dtype)
    made = optimizer.make(weights, optimizer.lr)
    losses, seen = [], {}
    for step in range(1, steps + 1):
        for group in made.param_groups if rates else ():
            group["lr"] = rates[step - 1]
        made.zero_grad()
        loss = net.loss(weights)
        loss.backward()
        before_update(list(weights.values()))
        made.step()
        losses.append(loss.detach().numpy()[()])
        if step in shown:
            seen[str(step)] = copied(weights)
    return {"losses": losses, "weights": seen}


def accumulated(net, text, lr, make, batches):
    """Updates at every second call with the mean of two gradients; `batches` are the rows of odd and even calls."""
    entry = {"call": text, "source": "pytorch"}
    if len(set(batches)) > 1:
        entry["rows"] = [list(rows) for rows in batches]
    for precision, dtype in PRECISIONS:
        weights = net.start(dtype)
        made = make(weights.values(), lr=lr)
        losses, seen = [], {}
        for step in range(1, STEPS + 1):
            loss = net.loss(weights, slice(*batches[(step - 1) % 2]))
            (loss / 2).backward()
            if step % 2 == 0:
                made.step()
                made.zero_grad()
            losses.append(loss.detach().numpy()[()])
            if step in SHOWN:
                seen[str(step)] = copied(weights)
        entry[precision] = {"losses": losses, "weights": seen}
    return entry


class Weights(torch.nn.Module):
    """Weights as the module that AveragedModel wants."""

    def __init__(self, weights):
        super().__init__()
        self.names = list(weights)
        self.all = torch.nn.ParameterList([torch.nn.Parameter(weight.detach()) for weight in weights.values()])

    def by_name(self):
        return dict(zip(self.names, self.all))


def averaged(net):
    """Adam, and the moving average of the weights: the first update copies them."""
    entry = {"call": "adam(lr = 0.01, ema = 0.9)", "source": "pytorch"}
    for precision, dtype in PRECISIONS:
        module = Weights(net.start(dtype))
        average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.9))
        made = optim.Adam(module.parameters(), lr=0.01)
        losses, seen, means = [], {}, {}
        for step in range(1, STEPS + 1):
            made.zero_grad()
            loss = net.loss(module.by_name())
            loss.backward()
            made.step()
            average.update_parameters(module)
            losses.append(loss.detach().numpy()[()])
            if step in SHOWN:
                seen[str(step)] = copied(module.by_name())
                means[str(step)] = copied(average.module.by_name())
        entry[precision] = {"losses": losses, "weights": seen, "average": means}
    return entry


def agree(net, by_hand, by_torch):
    """The two forms of momentum are one as long as the rate is."""
    found = [run(net, torch.float64, optimizer)["weights"]["10"] for optimizer in (by_hand, by_torch)]
    for name in net.weights:
        torch.testing.assert_close(found[0][name], found[1][name], rtol=1e-12, atol=1e-14)


def make():
    net = network()
    entries = []
    for optimizer, before_update in [(row, no_change) for row in table()] + universal():
        entry = {"call": optimizer.call(), "source": optimizer.source}
        for precision, dtype in PRECISIONS:
            entry[precision] = run(net, dtype, optimizer, before_update)
        entries.append(entry)
    rows = table()
    agree(net, rows[1], rows[2])
    agree(net, nesterov_by_formula(), rows[3])
    whole, halves = ((0, 7), (0, 7)), ((0, 3), (3, 7))
    entries.append(accumulated(net, "sgd(lr = 0.1, accumulate = 2)", 0.1, optim.SGD, whole))
    entries.append(averaged(net))
    write("optimizers.json", {
        **net.figures(),
        "optimizers": entries,
        "accumulated": [
            accumulated(net, "sgd(lr = 0.1, accumulate = 2)", 0.1, optim.SGD, halves),
            accumulated(net, "adam(lr = 0.01, accumulate = 2)", 0.01, optim.Adam, halves),
        ],
    })
