"""Times a training step of the networks of this folder in PyTorch, each in the ways that PyTorch offers.

    pip install torch numpy
    taskset -c 1 python pytorch.py

One thread; f32; random rows already in memory. Prints the median and the least time of a step in microseconds.
"""

import time

import torch
from torch import nn

torch.set_num_threads(1)
torch.set_flush_denormal(True)


def dense(*sizes, activation=nn.ReLU):
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def xor():
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())


# Name, network, classes (0: values), batch, features.
NETWORKS = [
    ("xor", xor, 0, 4, 2),
    ("iris", lambda: dense(4, 16, 3), 3, 16, 4),
    ("mlp", lambda: dense(784, 128, 64, 10), 10, 32, 784),
    ("mlp", lambda: dense(784, 128, 64, 10), 10, 128, 784),
    ("wide", lambda: dense(1024, 1024, 1024, 1024, 10), 10, 256, 1024),
]


def optimizer(name, parameters, **options):
    return torch.optim.SGD(parameters, lr=0.5, **options) if name == "xor" else torch.optim.Adam(parameters, **options)


def eager(name, model, loss, **options):
    opt = optimizer(name, model.parameters(), **options)

    def step(x, y):
        opt.zero_grad(set_to_none=True)
        loss(model(x), y).backward()
        opt.step()

    return step


def compiled_loss(name, model, loss):
    opt = optimizer(name, model.parameters(), fused=True)
    forward = torch.compile(lambda x, y: loss(model(x), y))

    def step(x, y):
        opt.zero_grad(set_to_none=True)
        forward(x, y).backward()
        opt.step()

    return step


def compiled_step(name, model, loss):
    """Gradients and a hand-written update, in one compiled function."""
    weights = {key: value.detach().clone() for key, value in model.named_parameters()}
    first = {key: torch.zeros_like(value) for key, value in weights.items()}
    second = {key: torch.zeros_like(value) for key, value in weights.items()}
    count = torch.zeros(())

    def objective(weights, x, y):
        return loss(torch.func.functional_call(model, weights, (x,)), y)

    def step(x, y):
        gradients = torch.func.grad(objective)(weights, x, y)
        count.add_(1)
        for key, gradient in gradients.items():
            if name == "xor":
                weights[key].sub_(0.5 * gradient)
                continue
            first[key].mul_(0.9).add_(gradient, alpha=0.1)
            second[key].mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            rate = 1e-3 * torch.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            weights[key].sub_(rate * first[key] / (torch.sqrt(second[key]) + 1e-8))

    return torch.compile(step)


def measure(step, x, y):
    started = time.perf_counter()
    while time.perf_counter() - started < 0.3:
        step(x, y)
    times, started = [], time.perf_counter()
    while time.perf_counter() - started < 1 or len(times) < 11:
        before = time.perf_counter()
        step(x, y)
        times.append(time.perf_counter() - before)
    times.sort()
    return times[len(times) // 2] * 1e6, times[0] * 1e6


for name, network, classes, batch, features in NETWORKS:
    loss = nn.CrossEntropyLoss() if classes else nn.MSELoss()
    for variant, make in [
        ("eager, plain", lambda *a: eager(*a, foreach=False)),
        ("eager, foreach", lambda *a: eager(*a, foreach=True)),
        ("eager, fused", lambda *a: eager(*a, fused=True)),
        ("compiled loss", compiled_loss),
        ("compiled step", compiled_step),
    ]:
        torch.manual_seed(0)
        x = torch.randn(batch, features)
        y = torch.randint(classes, (batch,)) if classes else torch.rand(batch, 1)
        step = make(name, network(), loss)
        step(x, y)
        median, least = measure(step, x, y)
        print(f"{name:5} batch {batch:4}  {variant:15} median {median:10.1f} us  least {least:10.1f} us", flush=True)
