"""Arguments declared static: part of the cache key by `==` and `hash`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.compiles.scenarios._base import QUIET, again, ran, scenario, step

X = np.arange(3, dtype=np.float32)


def power() -> Any:
    """Make a fresh jitted function whose second argument is static."""

    @functools.partial(jax.jit, static_argnums=1)
    def f(x: jax.Array, n: Any) -> jax.Array:
        ran()
        return x * float(n)

    return f


@scenario(QUIET)
def control_same_call() -> Iterator[None]:
    f = power()
    f(X, 2)
    yield
    f(X, 2)
    yield


# The key holds the static value itself; 2 != 3 is a genuine change. The old entry stays (#2).
@scenario(step("1/1/1/1", again("f", "static-arg-value", at="n")), QUIET)
def static_value_change() -> Iterator[None]:
    f = power()
    f(X, 2)
    yield
    f(X, 3)
    yield
    f(X, 2)
    yield


# The same, by name: the key holds {"mode": "a"} and then {"mode": "b"}.
@scenario(step("1/1/1/1", again("f", "static-arg-value", at="mode")))
def static_argname_change() -> Iterator[None]:
    @functools.partial(jax.jit, static_argnames="mode")
    def f(x: jax.Array, *, mode: str) -> jax.Array:
        ran()
        return x + 1 if mode == "plus" else x - 1

    f(X, mode="plus")
    yield
    f(X, mode="minus")
    yield


@dataclasses.dataclass(frozen=True)
class Equal:
    """Compares by value."""

    n: int

    def __float__(self) -> float:
        return float(self.n)


class Identity:
    """Compares by identity, as every class does by default."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __float__(self) -> float:
        return float(self.n)


@scenario(QUIET)
def static_equal_hash_obj() -> Iterator[None]:
    f = power()
    f(X, Equal(2))
    yield
    f(X, Equal(2))
    yield


# Same type, same fields, but `==` is `is`: the key differs and the meaning does not.
@scenario(step("1/1/1/1", again("f", "static-arg-identity", at="n")))
def static_identity_hash_obj() -> Iterator[None]:
    f = power()
    kept = Identity(2)
    f(X, kept)
    yield
    f(X, Identity(2))
    yield


# nan != nan: the same value never equals itself in the key.
@scenario(step("1/1/1/1", again("f", "static-arg-identity", at="n")))
def static_nan() -> Iterator[None]:
    f = power()
    f(X, float("nan"))
    yield
    f(X, float("nan"))
    yield


# Two lambdas of one line: equal in meaning, compared by identity.
@scenario(step("1/1/1/1", again("f", "static-arg-identity", at="act")))
def static_lambda_arg() -> Iterator[None]:
    @functools.partial(jax.jit, static_argnums=1)
    def f(x: jax.Array, act: Callable[[jax.Array], jax.Array]) -> jax.Array:
        ran()
        return act(x)

    acts = [lambda v: v * 2 for _ in range(2)]
    f(X, acts[0])
    yield
    f(X, acts[1])
    yield


# 2 == 2.0 and their hashes agree, but JAX compares the types of static values too.
@scenario(
    step("1/1/1/1", again("f", "static-arg-value", at="n")),
    step("1/1/1/1", again("f", "static-arg-value", at="n")),
)
def static_int_vs_float_equal() -> Iterator[None]:
    f = power()
    f(X, 1)
    yield
    f(X, 1.0)
    yield
    f(X, True)
    yield


# functools.partial compares by identity: the same function with the same arguments bound is
# another key.
@scenario(step("1/1/1/1", again("f", "static-arg-identity", at="act")))
def partial_as_static() -> Iterator[None]:
    @functools.partial(jax.jit, static_argnums=1)
    def f(x: jax.Array, act: Callable[[jax.Array], jax.Array]) -> jax.Array:
        ran()
        return act(x)

    kept = functools.partial(jnp.multiply, 2.0)
    f(X, kept)
    yield
    f(X, functools.partial(jnp.multiply, 2.0))
    yield


class Model:
    """A method with `self` declared static."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    @functools.partial(jax.jit, static_argnums=0)
    def apply(self, x: jax.Array) -> jax.Array:
        ran()
        return x * self.scale


@scenario(QUIET)
def method_static_self_mutated() -> Iterator[None]:
    model = Model(2.0)
    model.apply(X)
    yield
    model.scale = 3.0
    model.apply(X)
    yield


# `self` is the static value, and Model compares by identity.
@scenario(step("1/1/1/1", again("apply", "static-arg-identity", at="self")))
def method_static_self_new_obj() -> Iterator[None]:
    kept = Model(2.0)
    kept.apply(X)
    yield
    Model(2.0).apply(X)
    yield


# The optimizer is a NamedTuple of two closures made by optax: new closures of the same source
# over the same numbers compare unequal. A static argument is one value, whatever it holds.
@scenario(step("1/1/1/1", again("f", "static-arg-identity", at="tx")))
def optax_fresh_static_optimizer() -> Iterator[None]:
    import optax

    @functools.partial(jax.jit, static_argnums=0)
    def f(tx: optax.GradientTransformation, params: jax.Array) -> Any:
        ran()
        return tx.update(params, tx.init(params), params)

    kept = optax.sgd(0.1)
    f(kept, X)
    yield
    f(optax.sgd(0.1), X)
    yield
