"""A small problem, and the loop that one would write by hand for it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

SIZE = 16


def model(out: int = 1) -> eqx.nn.Linear:
    """Small: what the tests take is the time to compile it."""
    return eqx.nn.Linear(3, out, key=jax.random.key(0))


def batches(rows: int = 4 * SIZE, size: int = SIZE, seed: int = 0) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    y = (x @ np.float32([1.0, -2.0, 0.5]) + np.float32(0.3) * x[:, 0] ** 2).astype(np.float32)
    return [{"x": x[i : i + size], "y": y[i : i + size]} for i in range(0, rows, size)]


def each(model: Any, batch: Any) -> Any:
    """One loss for each example."""
    return jnp.square(jax.vmap(model)(batch["x"])[:, 0] - batch["y"])


def mean(model: Any, batch: Any) -> Any:
    """One number."""
    return jnp.mean(each(model, batch))


def masked(model: Any, batch: Any, mask: Any) -> Any:
    """One number, which leaves padding out."""
    return jnp.sum(each(model, batch) * mask) / jnp.sum(mask)


def by_hand(model: Any, loss: Any, data: Any, optimizer: Any, epochs: int = 1) -> Any:
    """The loop as it is written by hand."""
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(model: Any, state: Any, batch: Any) -> Any:
        value, grads = eqx.filter_value_and_grad(lambda m, b: jnp.mean(loss(m, b)))(model, batch)
        updates, state = optimizer.update(grads, state, eqx.filter(model, eqx.is_inexact_array))
        return eqx.apply_updates(model, updates), state, value

    losses = []
    for _ in range(epochs):
        for batch in data:
            model, state, value = step(model, state, batch)
            losses.append(float(value))
    return model, losses


def adam() -> optax.GradientTransformation:
    return optax.adam(0.05)


def arrays(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def assert_close(one: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def assert_equal(one: Any, other: Any) -> None:
    """Bitwise."""
    for a, b in zip(arrays(one), arrays(other), strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


def compiles(result: Any, name: str = "train_step") -> int:
    """How often a program of a run was compiled."""
    return sum(e.compiled and e.function.name == name for e in result.compiles.events)
