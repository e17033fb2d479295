"""PyTorch, in the ways that it offers: `with_pytorch.py eager|compiled`. See `worker.py`."""

import os
import sys
import warnings

import torch

from networks import NETWORKS
from torch_networks import loss, started
from worker import Variant, loss_of, serve

warnings.simplefilter("ignore")
way = sys.argv[1]
torch.set_num_threads(int(os.environ["COMPARE_THREADS"]))
torch.set_num_interop_threads(1)
torch.set_flush_denormal(True)


def orders(name):
    """Convolutions have two orders of memory, of which either may be the faster."""
    last = {", channels last": torch.channels_last}
    if way == "compiled" and name == "resnet20":
        # Half a minute each to compile: the order that is the faster.
        return last
    return {"": torch.contiguous_format} | (last if name in ("lenet", "resnet20") else {})


class Ways:
    """What can be made of a network, a batch and an order of memory."""

    def __init__(self, name, batch, order):
        self.name, self.network, self.batch, self.order = name, NETWORKS[name], batch, order

    def start(self):
        """Module, samples, targets, parameters."""
        torch.manual_seed(0)
        module, x, target, n = started(self.name, self.batch)
        if x.ndim == 4:
            x = x.contiguous(memory_format=self.order)
        return module.to(memory_format=self.order), x, target, n

    def optimizer(self, parameters, **settings):
        network = self.network
        if network.optimizer in ("sgd", "momentum"):
            beta = 0.9 if network.optimizer == "momentum" else 0.0
            return torch.optim.SGD(parameters, network.rate, beta, weight_decay=network.decay, **settings)
        kind = torch.optim.AdamW if network.optimizer == "adamw" else torch.optim.Adam
        return kind(parameters, network.rate, weight_decay=network.decay, **settings)

    def eager_step(self, **settings):
        module, x, target, n = self.start()
        optim = self.optimizer(module.parameters(), **settings)

        def step():
            optim.zero_grad(set_to_none=True)
            found = loss(self.name, module(x), target)
            found.backward()
            optim.step()
            return found

        return step, n, lambda: two_of(step)

    def compiled_loss(self):
        module, x, target, n = self.start()
        optim = self.optimizer(module.parameters(), fused=True)
        forward = torch.compile(lambda x, target: loss(self.name, module(x), target), dynamic=False)

        def step():
            optim.zero_grad(set_to_none=True)
            found = forward(x, target)
            found.backward()
            optim.step()
            return found

        return step, n, lambda: two_of(step)

    def compiled_step(self):
        """Gradients and an update written by hand, in one compiled function."""
        module, x, target, n = self.start()
        network = self.network
        weights = {key: value.detach().clone() for key, value in module.named_parameters()}
        buffers = {key: value.detach().clone() for key, value in module.named_buffers()}
        first = {key: torch.zeros_like(value) for key, value in weights.items()}
        second = {key: torch.zeros_like(value) for key, value in weights.items()}
        count = torch.zeros(())

        def objective(weights):
            output = torch.func.functional_call(module, (weights, buffers), (x,))
            return loss(self.name, output, target)

        def step():
            gradients, found = torch.func.grad_and_value(objective)(weights)
            count.add_(1)
            for key, weight in weights.items():
                gradient = gradients[key]
                if network.optimizer in ("sgd", "momentum"):
                    if network.decay:
                        gradient = gradient + network.decay * weight
                    if network.optimizer == "momentum":
                        gradient = first[key].mul_(0.9).add_(gradient)
                    weight.sub_(network.rate * gradient)
                    continue
                mean = first[key].mul_(0.9).add_(gradient, alpha=0.1)
                square = second[key].mul_(0.999).addcmul_(gradient, gradient, value=0.001)
                if network.decay:
                    weight.mul_(1 - network.rate * network.decay)
                rate = network.rate / (1 - 0.9**count)
                weight.sub_(rate * mean / ((square / (1 - 0.999**count)).sqrt() + 1e-8))
            return found

        compiled = torch.compile(step, dynamic=False)

        def without_gradients():
            with torch.no_grad():
                return compiled()

        return without_gradients, n, lambda: two_of(without_gradients)

    def prediction(self, change):
        """A call of what `change` makes of the module."""
        module, x, target, n = self.start()
        module.eval().requires_grad_(False)
        with torch.inference_mode():
            predict = change(module, x)

        def call():
            with torch.inference_mode():
                return predict(x)

        return call, n, lambda: [loss_of(self.name, call().numpy(), target.numpy())]


def two_of(step):
    """The losses of two steps: the second is that of weights that were updated."""
    return [float(step().detach()) for _ in range(2)]


def frozen(module, x):
    traced = torch.jit.freeze(torch.jit.trace(module, x))
    return torch.jit.optimize_for_inference(traced) if x.is_contiguous() else traced


def compiled(module, _x):
    return torch.compile(module, dynamic=False)


def compiled_and_frozen(module, _x):
    return torch.compile(module, dynamic=False, options={"freezing": True})


def variants_of(name, what, batch):
    found = []
    for suffix, order in orders(name).items():
        ways = Ways(name, batch, order)
        if what == "train" and way == "eager":
            found += [
                Variant(f"plain{suffix}", lambda ways=ways: ways.eager_step(foreach=False)),
                Variant(f"foreach{suffix}", lambda ways=ways: ways.eager_step(foreach=True)),
                Variant(f"fused{suffix}", lambda ways=ways: ways.eager_step(fused=True)),
            ]
        elif what == "train":
            # The optimizer compiled apart from the loss was always slower than one of these.
            found.append(Variant(f"loss{suffix}", lambda ways=ways: ways.compiled_loss()))
            # Of a residual network that takes most of a minute, and is the slower; of an LSTM all positions are unrolled.
            if name not in ("resnet20", "lstm"):
                found.append(Variant(f"whole step{suffix}", lambda ways=ways: ways.compiled_step()))
        elif way == "eager":
            found.append(Variant(f"module{suffix}", lambda ways=ways: ways.prediction(lambda module, _x: module)))
            found.append(Variant(f"traced and frozen{suffix}", lambda ways=ways: ways.prediction(frozen)))
        else:
            # For the smallest the freezing costs more than it gives.
            if name in ("xor", "iris"):
                found.append(Variant("compiled", lambda ways=ways: ways.prediction(compiled)))
            found.append(Variant(f"compiled and frozen{suffix}", lambda ways=ways: ways.prediction(compiled_and_frozen)))
    return found


# Compiled functions of one network stay beside one another until the next.
torch._dynamo.config.recompile_limit = 64
serve(variants_of, torch._dynamo.reset)
