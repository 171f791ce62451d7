"""What `jaxkit.training.fit` costs a step: `python benchmarks/training.py [--quick]`.

The same model, loss and optimiser are trained by `fit` and by a jitted loop as one writes it by
hand, with the state donated and the loss read once in 50 steps, alternately and in an order drawn
by lot. Both go through the same batches. A block begins when step 30 has been waited for and ends
when the last has, so that compilation is in neither. The second row of each is in processor time of
all threads, which does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from interleave import Comparison, compare

from jaxkit.training import Progress, fit

WARM = 30
ROWS = 256


def make(width: int) -> tuple[Any, list[Any]]:
    """A model, and batches for it."""
    model = eqx.nn.MLP(64, 10, width, 3, key=jax.random.key(0))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8 * ROWS, 64)).astype(np.float32)
    y = rng.integers(0, 10, size=8 * ROWS)
    return model, [(x[i : i + ROWS], y[i : i + ROWS]) for i in range(0, 8 * ROWS, ROWS)]


def loss(model: Any, batch: Any) -> Any:
    """One for each example."""
    x, y = batch
    return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(model)(x), y)


def cycle(batches: list[Any], steps: int) -> Iterator[Any]:
    """So many batches, again and again."""
    for i in range(steps):
        yield batches[i % len(batches)]


Clock = Callable[[], float]


def by_fit(model: Any, batches: list[Any], optimizer: Any, steps: int, now: Clock) -> float:
    """Seconds a step of `fit`."""
    times = {}

    def clock(event: Progress) -> None:
        if event.step in (WARM, steps):
            jax.block_until_ready(event.metrics["loss"])
            times[event.step] = now()

    fit(model, loss, cycle(batches, steps), optimizer, callbacks=[clock])
    return (times[steps] - times[WARM]) / (steps - WARM)


def by_hand(model: Any, batches: list[Any], optimizer: Any, steps: int, now: Clock) -> float:
    """Seconds a step of the loop that one writes by hand."""
    params, static = eqx.partition(model, eqx.is_inexact_array)
    params = jax.tree.map(jnp.copy, params)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, batch: Any) -> Any:
        def mean_loss(params: Any) -> Any:
            return jnp.mean(loss(eqx.combine(params, static), batch))

        value, grads = jax.value_and_grad(mean_loss)(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    state, times = optimizer.init(params), {}
    for i, batch in enumerate(cycle(batches, steps), 1):
        params, state, value = step(params, state, batch)
        if i % 50 == 0:
            float(value)
        if i in (WARM, steps):
            jax.block_until_ready(value)
            times[i] = now()
    return (times[steps] - times[WARM]) / (steps - WARM)


def main() -> None:
    """Prints the ratios, and what a step takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a quarter of the pairs")
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 448])
    arguments = parser.parse_args()
    for width in arguments.widths:
        model, batches = make(width)
        steps = WARM + (120 if width > 100 else 600)
        for name, now in (("wall", time.perf_counter), ("processor", time.process_time)):
            given = model, batches, optax.adam(1e-3), steps, now
            found = compare(
                partial(by_fit, *given),
                partial(by_hand, *given),
                pairs=5 if arguments.quick else 20,
            )
            print(f"width {width}, {name} time: {told(found)}", flush=True)


def told(found: Comparison) -> str:
    """One comparison in words."""
    low, high = found.interval(lambda each: each.ratio)
    ours, theirs = statistics.median(found.ours), statistics.median(found.theirs)
    return (
        f"by hand {theirs * 1e3:.3f} ms a step, fit {ours * 1e3:.3f} ms, "
        f"ratio {found.ratio:.3f} ({low:.3f} - {high:.3f}), "
        f"of the fastest {min(found.ours) / min(found.theirs):.3f}"
    )


if __name__ == "__main__":
    main()
