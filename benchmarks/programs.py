"""What is run in the benchmarks: trees of many leaves, and functions that are new each time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


def flat_tree(leaves: int) -> dict[str, jax.Array]:
    """A dict of arrays."""
    return {f"parameter_{i}": jnp.full(3, i, jnp.float32) for i in range(leaves)}


def committed_tree(leaves: int) -> dict[str, jax.Array]:
    """A dict of arrays that were put on a device."""
    return jax.device_put(flat_tree(leaves), jax.devices()[0])


def nested_tree(leaves: int) -> dict[str, Any]:
    """A model as dicts in lists: four arrays a layer."""
    layer = {
        "attention": {"query": jnp.ones(3), "key": jnp.ones(3)},
        "dense": [jnp.ones(2), jnp.ones(2)],
    }
    return {"layers": [jax.tree.map(jnp.copy, layer) for _ in range(leaves // 4)]}


class Layer(eqx.Module):
    """Two arrays and a static field."""

    weight: jax.Array
    bias: jax.Array
    width: int = eqx.field(static=True)

    def __init__(self, width: int) -> None:
        self.weight, self.bias, self.width = jnp.ones(width), jnp.zeros(width), width


class Model(eqx.Module):
    """A list of layers."""

    layers: list[Layer]

    def __init__(self, layers: int) -> None:
        self.layers = [Layer(3) for _ in range(layers)]


def equinox_tree(leaves: int) -> Model:
    """An Equinox model: two arrays a module."""
    return Model(leaves // 2)


def fresh_step() -> Callable[..., Any]:
    """A small train step, jitted anew: three layers, Adam written out, its gradients by JAX."""

    def loss(params: list[dict[str, jax.Array]], x: jax.Array, y: jax.Array) -> jax.Array:
        for layer in params[:-1]:
            x = jax.nn.relu(x @ layer["weight"] + layer["bias"])
        return jnp.mean((x @ params[-1]["weight"] + params[-1]["bias"] - y) ** 2)

    @jax.jit
    def train_step(state: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        value, gradients = jax.value_and_grad(loss)(state["params"], batch["x"], batch["y"])
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["mean"], gradients)
        square = jax.tree.map(lambda s, g: 0.99 * s + 0.01 * g * g, state["square"], gradients)
        params = jax.tree.map(
            lambda p, m, s: p - 1e-3 * m / (jnp.sqrt(s) + 1e-8), state["params"], mean, square
        )
        return {"params": params, "mean": mean, "square": square}, value

    return train_step


def step_arguments(rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the train step for a batch of so many rows."""
    sizes = (16, 32, 32, 1)
    params = [
        {"weight": np.full((n, m), 0.1, np.float32), "bias": np.zeros(m, np.float32)}
        for n, m in itertools.pairwise(sizes)
    ]
    zeros = jax.tree.map(np.zeros_like, params)
    batch = {"x": np.ones((rows, 16), np.float32), "y": np.ones((rows, 1), np.float32)}
    return {"params": params, "mean": zeros, "square": zeros}, batch


def fresh_function(number: int) -> Callable[..., Any]:
    """A small jitted function that JAX has not seen."""
    return jax.jit(lambda x: jnp.tanh(x * number).sum(axis=0) + jnp.sort(x, axis=0)[0])
