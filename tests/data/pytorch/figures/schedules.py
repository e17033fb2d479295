"""schedules.json: the learning rate of every step, by PyTorch's schedulers."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch.optim import lr_scheduler as schedulers

from .numbers import write

BASE = 0.1
LOSSES = [
    1.0, 0.8, 0.7, 0.71, 0.72, 0.73, 0.74, 0.6, 0.59999, 0.59998, 0.59997, 0.5, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.4,
    0.41,
]  # fmt: skip


@dataclass
class Plan:
    """How long training is: `warmup` counts steps, and the schedule has the steps behind them for its own."""

    epochs: int
    steps_per_epoch: int
    warmup: int = 0

    @property
    def steps(self):
        return self.epochs * self.steps_per_epoch - self.warmup


@dataclass
class Schedule:
    """`rates(base, plan)` after the warm-up; `text` has `{base}` and `{to}` (a hundredth of it) in it."""

    text: str
    rates: Callable
    settings: dict = field(default_factory=dict)
    source: str = "pytorch"
    moves_within_an_epoch: bool = False

    def call(self, base=BASE, warmup=0):
        text = self.text.replace("{base}", f"{base:g}").replace("{to}", f"{base / 100:g}")
        return f"{text[:-1]}, warmup = {warmup})" if warmup else text


def optimizer(base):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)


def by_step(make, base, plan):
    """A scheduler that is stepped after every step."""
    found = optimizer(base)
    scheduler = make(found, plan)
    rates = []
    for _ in range(plan.steps):
        rates.append(found.param_groups[0]["lr"])
        found.step()
        scheduler.step()
    return rates


def by_epoch(make, base, plan):
    """A scheduler that is stepped after every epoch."""
    epochs = Plan(math.ceil(plan.steps / plan.steps_per_epoch), 1)
    rates = [rate for rate in by_step(make, base, epochs) for _ in range(plan.steps_per_epoch)]
    return rates[: plan.steps]


def restarts(period, factor, base, plan):
    """CosineAnnealingWarmRestarts, told of the fraction of an epoch as its page says."""
    found = optimizer(base)
    scheduler = schedulers.CosineAnnealingWarmRestarts(found, T_0=period, T_mult=factor, eta_min=base / 100)
    rates = []
    for step in range(plan.steps):
        scheduler.step(step / plan.steps_per_epoch)
        rates.append(found.param_groups[0]["lr"])
    return rates


def plateau(base, plan):
    """The loss of an epoch decides about the next; losses during the warm-up are not looked at."""
    found = optimizer(base)
    scheduler = schedulers.ReduceLROnPlateau(found, factor=0.5, patience=2, threshold=1e-4, threshold_mode="rel")
    rates = []
    for loss in LOSSES[plan.warmup // plan.steps_per_epoch : plan.epochs]:
        rates += [found.param_groups[0]["lr"]] * plan.steps_per_epoch
        scheduler.step(loss)
    return rates


def inverse_sqrt(base, plan):
    """base sqrt(warm) / sqrt(max(step, warm)) with the step counted from 1 and the warm-up in it."""
    warm = max(plan.warmup, 1)
    return [base * math.sqrt(warm) / math.sqrt(max(plan.warmup + step, warm)) for step in range(1, plan.steps + 1)]


def to_hundredth(found):
    return found.param_groups[0]["lr"] / 100


def constant(found, _plan):
    return schedulers.ConstantLR(found, factor=1.0)


def step(found, _plan):
    return schedulers.StepLR(found, step_size=5, gamma=0.5)


def multi_step(found, _plan):
    return schedulers.MultiStepLR(found, milestones=[3, 8, 15], gamma=0.1)


def exponential(found, _plan):
    return schedulers.ExponentialLR(found, gamma=0.9)


def polynomial(found, plan):
    return schedulers.PolynomialLR(found, total_iters=plan.steps, power=2)


def cosine(found, plan):
    return schedulers.CosineAnnealingLR(found, T_max=plan.steps, eta_min=to_hundredth(found))


def cosine_to_zero(found, plan):
    return schedulers.CosineAnnealingLR(found, T_max=plan.steps)


def linear(found, plan, end):
    return schedulers.LinearLR(found, start_factor=1.0, end_factor=end, total_iters=plan.steps)


def one_cycle(found, plan, **settings):
    return schedulers.OneCycleLR(
        found,
        max_lr=found.param_groups[0]["lr"],
        total_steps=plan.steps,
        anneal_strategy="cos",
        cycle_momentum=False,
        **settings,
    )


def table():
    cycle = {"pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4}
    other_cycle = {"pct_start": 0.25, "div_factor": 10.0, "final_div_factor": 100.0}
    within = {"moves_within_an_epoch": True}
    return [
        Schedule("constant({base})", partial(by_epoch, constant)),
        Schedule("step({base}, every = 5, factor = 0.5)", partial(by_epoch, step)),
        Schedule("multi_step({base}, at = [3, 8, 15], factor = 0.1)", partial(by_epoch, multi_step)),
        Schedule("exponential({base}, factor = 0.9)", partial(by_epoch, exponential)),
        Schedule("polynomial({base}, power = 2, to = 0)", partial(by_step, polynomial), **within),
        Schedule("cosine({base}, to = {to})", partial(by_step, cosine), **within),
        Schedule("cosine({base}, to = 0)", partial(by_step, cosine_to_zero), **within),
        Schedule("cosine_restarts({base}, period = 5, factor = 1, to = {to})", partial(restarts, 5, 1), **within),
        Schedule("cosine_restarts({base}, period = 5, factor = 2, to = {to})", partial(restarts, 5, 2), **within),
        Schedule("cosine_restarts({base}, period = 2, factor = 1, to = {to})", partial(restarts, 2, 1), **within),
        Schedule("one_cycle({base})", partial(by_step, partial(one_cycle, **cycle)), cycle, **within),
        Schedule(
            "one_cycle({base}, rise = 0.25, div = 10, final_div = 100)",
            partial(by_step, partial(one_cycle, **other_cycle)),
            other_cycle,
            **within,
        ),
        Schedule("inverse_sqrt({base})", inverse_sqrt, source="Vaswani et al. 2017, equation 3", **within),
        Schedule("linear({base}, to = 0)", partial(by_step, partial(linear, end=0.0)), **within),
        Schedule("linear({base}, to = {to})", partial(by_step, partial(linear, end=0.01)), **within),
        Schedule("plateau({base}, factor = 0.5, patience = 2)", plateau, {"threshold": 1e-4, "mode": "rel"}),
    ]


def warm_up(base, steps):
    """The first rates: base (i + 1) / n, as LinearLR(start_factor = 1 / n, total_iters = n - 1) has them."""
    rates = [base * (step + 1) / steps for step in range(steps)]
    if steps > 1:
        rising = partial(schedulers.LinearLR, start_factor=1 / steps, total_iters=steps - 1)
        theirs_all = by_step(lambda found, _plan: rising(found), base, Plan(steps, 1))
        for ours, theirs in zip(rates, theirs_all, strict=True):
            assert math.isclose(ours, theirs, rel_tol=1e-12)
    return rates


def rates(schedule, base, plan):
    found = warm_up(base, plan.warmup) + schedule.rates(base, plan)
    assert len(found) == plan.epochs * plan.steps_per_epoch
    return found


def agree_with_sequential():
    """A warm-up and then cosine, by PyTorch's own way to put one behind the other."""
    plan = Plan(20, 1, 4)
    found = optimizer(BASE)
    parts = [
        schedulers.LinearLR(found, start_factor=1 / 4, total_iters=3),
        schedulers.CosineAnnealingLR(found, T_max=plan.steps),
    ]
    scheduler = schedulers.SequentialLR(found, parts, milestones=[4])
    [falling] = [schedule for schedule in table() if schedule.text == "cosine({base}, to = 0)"]
    for rate in rates(falling, BASE, plan):
        assert math.isclose(rate, found.param_groups[0]["lr"], rel_tol=1e-12, abs_tol=1e-15)
        found.step()
        scheduler.step()


def make():
    agree_with_sequential()
    entries = []
    for schedule in table():
        plans = [Plan(20, 1), Plan(20, 1, 4)]
        if schedule.moves_within_an_epoch:
            plans += [Plan(5, 4), Plan(5, 4, 4)]
        for plan in plans:
            entries.append({
                "call": schedule.call(warmup=plan.warmup // plan.steps_per_epoch),
                "source": schedule.source,
                "settings": schedule.settings,
                "epochs": plan.epochs,
                "steps_per_epoch": plan.steps_per_epoch,
                "warmup_steps": plan.warmup,
                "rates": rates(schedule, BASE, plan),
            })
    write("schedules.json", {"base": BASE, "losses": LOSSES, "schedules": entries})
