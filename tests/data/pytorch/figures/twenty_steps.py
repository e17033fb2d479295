"""twenty_steps.json: every optimizer with every schedule."""

from .network import network
from .numbers import PRECISIONS, write
from .optimizers import nesterov_by_formula, run, table as optimizers
from .schedules import LOSSES, Plan, rates, table as schedules

STEPS = 20
SHOWN = (5, 10, 20)


def entry(net, optimizer, schedule, plan):
    lr = optimizer.lr
    found = rates(schedule, lr, plan)
    text = schedule.call(lr, plan.warmup)
    entry = {
        "call": optimizer.call(text),
        "optimizer": optimizer.call(),
        "schedule": text,
        "source": optimizer.source,
        "rates": found,
    }
    for precision, dtype in PRECISIONS:
        ran = run(net, dtype, optimizer, shown=(STEPS,), rates=found, steps=STEPS)
        entry[precision] = {
            "losses": {str(step): ran["losses"][step - 1] for step in SHOWN},
            "weights": ran["weights"][str(STEPS)],
        }
    return entry


def make():
    net = network()
    runs = []
    for optimizer in [*optimizers(), nesterov_by_formula()]:
        for schedule in schedules():
            for plan in (Plan(STEPS, 1), Plan(STEPS, 1, 4)):
                runs.append(entry(net, optimizer, schedule, plan))
    write("twenty_steps.json", {
        **net.figures(),
        "epochs": STEPS,
        "steps_per_epoch": 1,
        "plateau_losses": LOSSES,
        "runs": runs,
    })
