"""losses.json: losses and their gradients by the output."""

from functools import partial

import jax
import numpy as np
import optax
import torch
import torch.nn.functional as F

from .numbers import draw, keras, write

OPTAX = f"optax {optax.__version__}"
SAMPLES = 5
CLASS_WEIGHTS = [0.5, 1.0, 2.0, 1.5]


class ByJax(torch.autograd.Function):
    """A function of each output and target that is written for jax, which differentiates it."""

    @staticmethod
    def forward(ctx, output, target, function, reduction):
        output, target = output.detach().numpy(), target.numpy()
        reduce = getattr(jax.numpy, reduction)
        total, gradient = jax.value_and_grad(lambda x: reduce(function(x, target)))(output)
        ctx.gradient = torch.tensor(np.asarray(gradient))
        return torch.tensor(np.asarray(total))

    @staticmethod
    def backward(ctx, by_loss):
        return by_loss * ctx.gradient, None, None, None


def by_optax(function, keras_function):
    """A loss of optax, after a look at whether Keras, which takes its means in f32, has the same."""

    def loss(output, target, reduction):
        values = function(output.detach().numpy(), target.numpy()).mean(axis=-1)
        np.testing.assert_allclose(keras_function(target.numpy(), output.detach().numpy()), values, rtol=1e-5)
        return ByJax.apply(output, target, function, reduction)

    return loss


def squared_hinge(output, target):
    return optax.losses.hinge_loss(output, target) ** 2


def cosine(output, target, reduction):
    return F.cosine_embedding_loss(output, target, torch.ones(len(output)), reduction=reduction)


def kl_divergence(output, target, reduction):
    """`mean` is over the samples, which PyTorch calls batchmean."""
    return F.kl_div(output, target, reduction="batchmean" if reduction == "mean" else reduction)


def gaussian(output, target, reduction, full=False, log_variance=False):
    means, variances = output.chunk(2, dim=1)
    variances = variances.exp() if log_variance else variances
    return F.gaussian_nll_loss(means, target, variances, full=full, eps=1e-6, reduction=reduction)


def shares(rng, *shape):
    """Probabilities, multiples of 1/1024 that sum to 1 over the last axis; the first row has a 0 in it."""
    parts = rng.integers(1, 400, shape).astype(float)
    parts[0, 1] = 0
    parts = np.floor(parts / parts.sum(axis=-1, keepdims=True) * 1024)
    parts[..., -1] += 1024 - parts.sum(axis=-1)
    return torch.tensor(parts / 1024, dtype=torch.float64)


def values_and_classes():
    rng = np.random.default_rng(2)
    output = draw(rng, SAMPLES, 3, scale=1.5)
    target = draw(rng, SAMPLES, 3, scale=1.5)
    signs = torch.sign(target) + (target == 0)
    logits = draw(rng, SAMPLES, 3, scale=2.0)
    halves = torch.tensor(rng.integers(0, 1025, (SAMPLES, 3)) / 1024, dtype=torch.float64)
    halves[0] = torch.tensor([0.0, 1.0, 1.0])
    classes = torch.tensor([2, 0, 1, 1, 0])
    table = [
        ("mse", "pytorch", F.mse_loss, output, target),
        ("mae", "pytorch", F.l1_loss, output, target),
        ("huber", "pytorch", F.huber_loss, output, target),
        ("huber(delta = 0.5)", "pytorch", partial(F.huber_loss, delta=0.5), output, target),
        ("smooth_l1", "pytorch", F.smooth_l1_loss, output, target),
        ("smooth_l1(beta = 0.5)", "pytorch", partial(F.smooth_l1_loss, beta=0.5), output, target),
        ("log_cosh", OPTAX, by_optax(optax.losses.log_cosh, keras.losses.log_cosh), output, target),
        ("hinge", OPTAX, by_optax(optax.losses.hinge_loss, keras.losses.hinge), output, signs),
        ("squared_hinge", OPTAX, by_optax(squared_hinge, keras.losses.squared_hinge), output, signs),
        ("binary_cross_entropy", "pytorch", F.binary_cross_entropy, torch.sigmoid(logits), halves),
        ("cross_entropy", "pytorch", F.cross_entropy, output, classes),
    ]
    from_logits = F.binary_cross_entropy_with_logits
    positive = torch.tensor(2.0, dtype=torch.float64)
    weighted = partial(from_logits, pos_weight=positive)
    more = [
        ("binary_cross_entropy_with_logits", "pytorch", from_logits, logits, halves),
        ("binary_cross_entropy_with_logits(positive_weight = 2)", "pytorch", weighted, logits, halves),
        ("cosine", "pytorch", cosine, output, target),
    ]
    return table, more, logits


def classes_and_shares():
    """Four classes, so that no class weight goes unused."""
    rng = np.random.default_rng(21)
    output = draw(rng, SAMPLES, 4, scale=1.5)
    classes = torch.tensor([2, 0, 3, 1, 2])
    targets = shares(rng, SAMPLES, 4)
    log_shares = torch.log_softmax(draw(rng, SAMPLES, 4, scale=1.5), dim=1)
    table = []
    arguments = {
        "weights = [0.5, 1, 2, 1.5]": {"weight": torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)},
        "ignore_index = 2": {"ignore_index": 2},
        "label_smoothing = 0.1": {"label_smoothing": 0.1},
    }
    weights, ignore, smoothing = arguments
    for chosen in (
        [],
        [smoothing],
        [weights],
        [weights, smoothing],
        [ignore],
        [weights, ignore],
        [smoothing, ignore],
    ):
        settings = {name: value for argument in chosen for name, value in arguments[argument].items()}
        text = f"({', '.join(chosen)})" if chosen else ""
        table.append((f"cross_entropy{text}", "pytorch", partial(F.cross_entropy, **settings), output, classes))
        if smoothing not in chosen:
            table.append((f"nll{text}", "pytorch", partial(F.nll_loss, **settings), log_shares, classes))
    for chosen, settings in (("", {}), (", label_smoothing = 0.1", {"label_smoothing": 0.1})):
        call = f"cross_entropy(target = values{chosen})"
        table.append((call, "pytorch", partial(F.cross_entropy, **settings), output, targets))
        # Classes count by their weights, and the mean is over the samples nevertheless.
        call, settings = f"cross_entropy(target = values, {weights}{chosen})", settings | arguments[weights]
        table.append((call, "pytorch", partial(F.cross_entropy, **settings), output, targets))
    table.append(("kl_divergence", "pytorch", kl_divergence, log_shares, targets))
    return table


def distributions():
    rng = np.random.default_rng(22)
    output = draw(rng, SAMPLES, 3, scale=1.0)
    rates = draw(rng, SAMPLES, 3, scale=1.0).abs() + 0.25
    # Stirling's term of `full` begins above 1.
    counts = torch.tensor(
        [[0, 1, 2], [3, 0, 5], [1, 7, 0], [2, 2, 12], [0, 1, 4]],
        dtype=torch.float64,
    )
    poisson = partial(F.poisson_nll_loss, eps=1e-8)
    means, target = draw(rng, SAMPLES, 3), draw(rng, SAMPLES, 3)
    variances = draw(rng, SAMPLES, 3).abs() + 0.125
    normal = torch.cat([means, variances], dim=1)
    log_normal = torch.cat([means, draw(rng, SAMPLES, 3)], dim=1)
    plain_rates = partial(poisson, log_input=False)
    return [
        ("poisson", "pytorch", poisson, output, counts),
        ("poisson(full = true)", "pytorch", partial(poisson, full=True), output, counts),
        ("poisson(log_input = false)", "pytorch", plain_rates, rates, counts),
        ("poisson(log_input = false, full = true)", "pytorch", partial(plain_rates, full=True), rates, counts),
        ("gaussian_nll", "pytorch", gaussian, normal, target),
        ("gaussian_nll(full = true)", "pytorch", partial(gaussian, full=True), normal, target),
        ("gaussian_nll(log_variance = true)", "pytorch", partial(gaussian, log_variance=True), log_normal, target),
        (
            "gaussian_nll(log_variance = true, full = true)",
            "pytorch",
            partial(gaussian, log_variance=True, full=True),
            log_normal,
            target,
        ),
    ]


def entry(call, source, function, output, target):
    kind = "values" if target.dtype == torch.float64 else "class"
    entry = {"call": call, "source": source, "target_kind": kind, "output": output, "target": target}
    for reduction in ("mean", "sum"):
        x = output.clone().requires_grad_()
        loss = function(x, target, reduction=reduction)
        loss.backward()
        entry[reduction] = {"loss": loss, "gradient": x.grad}
    return entry


def add_logits(entry, logits):
    """The same loss in its stable form, as a trailing `sigmoid` is fused into it; gradient by the logits."""
    entry["logits"] = logits
    for reduction in ("mean", "sum"):
        x = logits.clone().requires_grad_()
        loss = F.binary_cross_entropy_with_logits(x, entry["target"], reduction=reduction)
        loss.backward()
        entry[reduction] |= {"loss_from_logits": loss, "gradient_by_logits": x.grad}


def make():
    table, more, logits = values_and_classes()
    entries = [entry(*row) for row in table]
    for found in entries:
        if found["call"] == "binary_cross_entropy":
            add_logits(found, logits)
    entries += [entry(*row) for row in more + classes_and_shares() + distributions()]
    write("losses.json", {"losses": entries})
