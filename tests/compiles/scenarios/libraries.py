"""Equinox and Flax: what their jits and modules put into the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from tests.compiles.scenarios._base import QUIET, again, incidental, ran, scenario, step

X = np.ones(3, np.float32)


class Scaled(eqx.Module):
    """One array, one static field, one leaf that may be a number or an array."""

    weight: Any
    power: int = eqx.field(static=True)
    temperature: Any

    def __call__(self, x: jax.Array) -> jax.Array:
        ran()
        return self.weight * x**self.power / self.temperature


def forward() -> Any:
    """Make a fresh filter_jit function of a model."""

    @eqx.filter_jit
    def f(model: Scaled, x: jax.Array) -> jax.Array:
        ran()
        return model(x)

    return f


# A static field is the module's aux data.
@scenario(step("2/1/1/1", again("f", "static-metadata", at="model.power")))
def eqx_filter_jit_static_field() -> Iterator[None]:
    f, w = forward(), jnp.ones(3)
    f(Scaled(w, 1, w), X)
    yield
    f(Scaled(w, 2, w), X)
    yield


# filter_jit makes every leaf that is no array static: a Python float is part of the key.
@scenario(step("1/1/1/1", again("f", "static-metadata", at="model.temperature")))
def eqx_filter_jit_pyfloat_leaf() -> Iterator[None]:
    @eqx.filter_jit
    def f(model: Scaled, x: jax.Array) -> jax.Array:
        ran()
        return model.weight * x / model.temperature

    w = jnp.ones(3)
    f(Scaled(w, 1, 1.0), X)
    yield
    f(Scaled(w, 1, 0.5), X)
    yield


# An int argument is such a leaf itself.
@scenario(step("1/1/1/1", again("f", "static-metadata", at="n")))
def eqx_filter_jit_pyint_arg() -> Iterator[None]:
    @eqx.filter_jit
    def f(x: jax.Array, n: int) -> jax.Array:
        ran()
        return x * n

    f(X, 1)
    yield
    f(X, 2)
    yield


@scenario(QUIET, QUIET)
def eqx_filter_jit_numpy_leaf() -> Iterator[None]:
    @eqx.filter_jit
    def f(model: Scaled, x: jax.Array) -> jax.Array:
        ran()
        return model.weight * x

    w = jnp.ones(3)
    f(Scaled(X, 1, w), X)
    yield
    f(Scaled(X + 1, 1, w), X)
    yield
    f(Scaled(w, 1, w), X)
    yield


# A function argument is static and compares by identity.
@scenario(step("1/1/1/1", again("f", "static-arg-identity", at="act")))
def eqx_filter_jit_lambda_arg() -> Iterator[None]:
    @eqx.filter_jit
    def f(x: jax.Array, act: Callable[[jax.Array], jax.Array]) -> jax.Array:
        ran()
        return act(x)

    acts = [lambda v: v * 2 for _ in range(2)]
    f(X, acts[0])
    yield
    f(X, acts[1])
    yield


# An optimizer is a pair of closures, each a leaf, and each is such a function.
@scenario(step("1/1/1/1", again("f", "static-arg-identity", at=("tx.init", "tx.update"))))
def eqx_filter_jit_new_optimizer() -> Iterator[None]:
    @eqx.filter_jit
    def f(tx: optax.GradientTransformation, params: jax.Array) -> Any:
        ran()
        return tx.update(params, tx.init(params), params)

    w, kept = jnp.ones(3), optax.sgd(0.1)
    f(kept, w)
    yield
    f(optax.sgd(0.1), w)
    yield


@scenario(QUIET)
def eqx_filter_jit_rewrap() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    eqx.filter_jit(f)(X)
    yield
    eqx.filter_jit(f)(X)
    yield


# `model.__call__` is a new bound method at each access. (Its body is Equinox's, not counted.)
@scenario(step("0/1/1/1", again("__call__", "function-redefined")))
def eqx_module_method_jit() -> Iterator[None]:
    model = eqx.nn.Linear(3, 2, key=jax.random.key(0))
    jax.jit(model.__call__)(X)
    yield
    jax.jit(model.__call__)(X)
    yield


class Net(nnx.Module):
    """One linear layer."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.linear = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.linear(x)


@scenario(QUIET)
def nnx_jit_recreated_module() -> Iterator[None]:
    @nnx.jit
    def f(model: Net, x: jax.Array) -> jax.Array:
        ran()
        return model(x)

    one, two = Net(nnx.Rngs(0)), Net(nnx.Rngs(1))
    f(one, X)
    yield
    f(two, X)
    yield


# The optimizer's functions are metadata of the graphdef: closures that mean the same and compare
# by identity. The taxonomy names both "NNX graphdef" and "closures"; either is right.
@scenario(step("1/1/1/1", again("f", "static-arg-identity", "static-metadata")))
def nnx_jit_recreated_optimizer() -> Iterator[None]:
    @nnx.jit
    def f(optimizer: nnx.Optimizer, x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    model = Net(nnx.Rngs(0))
    one, two = (nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param) for _ in range(2))
    f(one, X)
    yield
    f(two, X)
    yield


# `model.apply` is a new bound method at each access, of the same module or of an equal one; #3
# makes its own input. (The body is Flax's, not counted.)
@scenario(
    step("0/1/1/1", again("apply", "function-redefined")),
    step("0/1/1/1", again("apply", "function-redefined")),
    step(
        "0/3/3/3",
        again("apply", "function-redefined"),
        incidental("broadcast_in_dim"),
        incidental("multiply"),
    ),
)
def linen_apply_rewrap() -> Iterator[None]:
    model = nn.Dense(2)
    params = model.init(jax.random.key(0), X)
    jax.jit(model.apply)(params, X)
    yield
    jax.jit(model.apply)(params, X)
    yield
    jax.jit(nn.Dense(2).apply)(params, X)
    yield
    jax.jit(nn.Dense(2).apply)(params, jnp.ones(3) * 2)
    yield
