"""Optimizers that PyTorch has not, or has in another form: written out, or computed by optax."""

import jax
import numpy as np
import optax
import torch

# Without it jax computes in f32 alone; f32 arrays stay f32 with it.
jax.config.update("jax_enable_x64", True)


class ByHand:
    """`rule(weight, gradient, state, step, lr)` for each parameter."""

    def __init__(self, parameters, lr, rule):
        self.param_groups = [{"params": list(parameters), "lr": lr}]
        self.rule, self.step_number = rule, 0
        self.states = [{} for _ in self.param_groups[0]["params"]]

    def zero_grad(self):
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        self.step_number += 1
        [group] = self.param_groups
        for parameter, state in zip(group["params"], self.states):
            self.rule(parameter, parameter.grad, state, self.step_number, group["lr"])


def momentum(beta):
    """V = beta V - lr g, w = w + V."""

    def rule(weight, gradient, state, _step, lr):
        state["v"] = beta * state.get("v", torch.zeros_like(weight)) - lr * gradient
        weight += state["v"]

    return rule


def nesterov(beta):
    """V = beta V - lr g, w = w + beta V - lr g."""

    def rule(weight, gradient, state, _step, lr):
        state["v"] = beta * state.get("v", torch.zeros_like(weight)) - lr * gradient
        weight += beta * state["v"] - lr * gradient

    return rule


def adam_uncorrected(beta1, beta2, eps):
    """Adam whose moments are not divided by 1 - beta^t."""

    def rule(weight, gradient, state, _step, lr):
        state["m"] = beta1 * state.get("m", torch.zeros_like(weight)) + (1 - beta1) * gradient
        state["v"] = beta2 * state.get("v", torch.zeros_like(weight)) + (1 - beta2) * gradient**2
        weight -= lr * state["m"] / (state["v"].sqrt() + eps)

    return rule


class ByOptax:
    """An optimizer of optax, with the face of one of PyTorch: `make(learning_rate)`."""

    def __init__(self, parameters, lr, make):
        self.param_groups = [{"params": list(parameters), "lr": lr}]
        # A schedule: asked at every step, so that the rate can be set from outside.
        self.transformation = make(lambda _count: self.param_groups[0]["lr"])
        self.state = None

    def zero_grad(self):
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        parameters = self.param_groups[0]["params"]
        weights = [jax.numpy.asarray(parameter.detach().numpy()) for parameter in parameters]
        gradients = [jax.numpy.asarray(parameter.grad.numpy()) for parameter in parameters]
        if self.state is None:
            self.state = self.transformation.init(weights)
        updates, self.state = self.transformation.update(gradients, self.state, weights)
        for parameter, weight in zip(parameters, optax.apply_updates(weights, updates)):
            assert np.asarray(weight).dtype == parameter.detach().numpy().dtype
            parameter.copy_(torch.tensor(np.asarray(weight)))
