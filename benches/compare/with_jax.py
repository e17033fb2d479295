"""JAX with optax. See `worker.py`.

A step is one compiled function that gives its memory on to the next; for small networks also 32 steps in one call.
"""

import os

if os.environ["COMPARE_THREADS"] == "1":
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402

from jax_networks import NETS  # noqa: E402
from networks import NETWORKS  # noqa: E402
from worker import Start, Variant, loss_of, serve  # noqa: E402

# Small networks, for which the time of a call counts.
SCANNED = ("xor", "iris", "mlp", "bnmlp")
SCAN = 32


def optimizer(network):
    if network.optimizer == "sgd":
        return optax.sgd(network.rate)
    if network.optimizer == "momentum":
        momentum = optax.sgd(network.rate, momentum=0.9)
        return optax.chain(optax.add_decayed_weights(network.decay), momentum) if network.decay else momentum
    if network.optimizer == "adamw":
        return optax.adamw(network.rate, weight_decay=network.decay)
    return optax.adam(network.rate)


def started(name, batch, make):
    """Weights, running figures, how a network is applied, samples, targets, parameters."""
    start = Start(name, batch)
    init, apply = make()
    weights, running = init(start)
    x = start.x.transpose(0, 2, 3, 1) if start.x.ndim == 4 else start.x
    return weights, running, apply, jnp.asarray(x), jnp.asarray(start.target), start.taken()


def training(name, batch, make, calls, steps=1):
    """`calls` calls one after another, each with what the one before it made, of a function of `steps` steps."""
    network = NETWORKS[name]
    weights, running, apply, x, target, n = started(name, batch, make)
    optim = optimizer(network)

    def objective(weights, running, key):
        output, running = apply(weights, running, x, True, key)
        if network.classes:
            loss = optax.softmax_cross_entropy_with_integer_labels(output, target).mean()
        else:
            loss = ((output - target) ** 2).mean()
        return loss, running

    def step(carry, _=None):
        weights, running, state, key = carry
        # What has no dropout draws nothing.
        key, drawn = jax.random.split(key) if network.dropout else (key, key)
        (loss, running), gradients = jax.value_and_grad(objective, has_aux=True)(weights, running, drawn)
        updates, state = optim.update(gradients, state, weights)
        return (optax.apply_updates(weights, updates), running, state, key), loss

    def scanned(carry):
        return jax.lax.scan(step, carry, length=steps)

    compiled = jax.jit(scanned if steps > 1 else step, donate_argnums=0)
    # The generator of the fast kind.
    carry = weights, running, optim.init(weights), jax.random.key(0, impl="rbg")
    place = [jax.tree.map(jnp.copy, carry), None]

    def call():
        for _ in range(calls):
            place[:] = compiled(place[0])
        jax.block_until_ready(place[0])

    def losses():
        found = []
        while len(found) < 2:
            place[:] = compiled(place[0])
            found += [float(loss) for loss in jnp.atleast_1d(place[1])]
        return found[:2]

    return call, n, losses


def prediction(name, batch, make):
    """With the weights as constants of the function."""
    weights, running, apply, x, target, n = started(name, batch, make)
    predict = jax.jit(lambda x: apply(weights, running, x, False, None)[0])
    return lambda: predict(x).block_until_ready(), n, lambda: [loss_of(name, predict(x), jax.device_get(target))]


def variants_of(name, what, batch):
    found = []
    for suffix, make in NETS[name].items():
        if what == "infer":
            found.append(Variant(f"compiled{suffix}", lambda make=make: prediction(name, batch, make)))
            continue
        calls = 10 if name in SCANNED else 1
        found.append(Variant(f"compiled step{suffix}", lambda make=make: training(name, batch, make, calls), calls))
        if name in SCANNED:
            several = f"{SCAN} steps a call{suffix}"
            found.append(Variant(several, lambda make=make: training(name, batch, make, 1, SCAN), SCAN))
    return found


serve(variants_of)
