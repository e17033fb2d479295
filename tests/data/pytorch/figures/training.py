"""What whole networks are compared by: outputs, a loss, gradients, and the losses of a few steps."""

import torch
from torch import nn

from .numbers import PRECISIONS

# Blocks of transformers are computed in evaluation as they are in training.
torch.backends.mha.set_fastpath_enabled(False)


def encoder_layer(width, heads, hidden, norm_first):
    return nn.TransformerEncoderLayer(
        width, heads, hidden, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first
    )


def rounded(value):
    """Eleven digits, which is more than is compared, and less text."""
    return float(f"{value:.11g}")


def short(tensor):
    return [short(item) for item in tensor] if tensor.ndim else rounded(tensor.item())


def start(module, dtype, state):
    """The module with parameters and buffers of `state`."""
    module = module.to(dtype)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name in state:
                value.copy_(state[name].to(dtype))
    return module


def train(module, make_optimizer, x, target, steps):
    """The losses of steps, each before its update."""
    module.train()
    optimizer = make_optimizer(module.parameters())
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = module.loss(module(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def run(make, dtype, state, x, target, make_optimizer, steps):
    """Output and loss in evaluation, gradients and losses in training, and the output in evaluation after that."""
    x = x if x.dtype == torch.int64 else x.to(dtype)
    target = target.to(dtype) if target.is_floating_point() else target
    module = start(make(), dtype, state)
    predict = getattr(module, "predict", lambda output: output)
    module.eval()
    with torch.no_grad():
        output = module(x)
        figures = {"output": predict(output), "loss": module.loss(output, target)}
    module.train()
    module.loss(module(x), target).backward()
    if dtype == torch.float64:
        gradients = {name: value.grad.clone() for name, value in module.named_parameters()}
        figures["gradient"] = {name: short(value) for name, value in module.named(gradients).items()}
    module = start(make(), dtype, state)
    figures["losses"] = train(module, make_optimizer, x, target, steps)
    module.eval()
    with torch.no_grad():
        figures["trained_output"] = predict(module(x))
    return figures


def entry(model, make, state, x, target, make_optimizer, steps):
    """Everything a test needs. `named` of the module turns PyTorch's names into those of the language."""
    figures = {"model": model, "weights": make().named(state), "input": x, "target": target}
    for precision, dtype in PRECISIONS:
        figures[precision] = run(make, dtype, state, x, target, make_optimizer, steps)
    return figures
