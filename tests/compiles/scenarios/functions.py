"""The function object itself: jit's caches hold it by identity, weakly."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.compiles.scenarios._base import QUIET, again, incidental, ran, scenario, step

X = np.ones(3, np.float32)


@scenario(QUIET)
def rejit_same_function() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    jax.jit(f)(X)
    yield
    jax.jit(f)(X)
    yield


# Each turn of the loop makes a new function object from one code object.
@scenario(step("1/1/1/1", again("<lambda>", "function-redefined")))
def lambda_in_loop() -> Iterator[None]:
    for _ in range(2):
        jax.jit(lambda x: (ran(), x * 2)[1])(X)
        yield


# A partial is a callable of its own to jit; what it binds is equal each time.
@scenario(
    step("1/1/1/1", again("f", "function-redefined")),
    step("1/1/1/1", again("f", "function-redefined")),
)
def partial_new_each_time() -> Iterator[None]:
    def f(x: jax.Array, *, scale: float) -> jax.Array:
        ran()
        return x * scale

    for _ in range(3):
        jax.jit(functools.partial(f, scale=2.0))(X)
        yield


class Model:
    """A plain class whose bound method is jitted."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def apply(self, x: jax.Array) -> jax.Array:
        ran()
        return x * self.scale


# `model.apply` makes a new bound-method object at each access; the old one died with its entry.
@scenario(step("1/1/1/1", again("apply", "function-redefined")))
def bound_method_same_obj() -> Iterator[None]:
    model = Model(2.0)
    jax.jit(model.apply)(X)
    yield
    jax.jit(model.apply)(X)
    yield


# A bound method of another, equal object.
@scenario(step("1/1/1/1", again("apply", "function-redefined")))
def bound_method_new_obj() -> Iterator[None]:
    first, second = Model(2.0), Model(2.0)
    jax.jit(first.apply)(X)
    yield
    jax.jit(second.apply)(X)
    yield


@scenario(QUIET)
def closure_value_changes_stale() -> Iterator[None]:
    scale = 2.0

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * scale

    f(X)
    yield
    scale = 3.0
    f(X)
    yield


def scaled_by(weights: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """Make a jitted function with an array in its closure."""

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * weights

    return f


# A new function for each value of `weights`, which is baked in as a constant. Making the array
# compiles one eager program.
@scenario(
    step(
        "1/2/2/2",
        again("f", "closure-constant", mentions="weights"),
        incidental("multiply"),
    )
)
def closure_array_new_fn() -> Iterator[None]:
    weights = jnp.arange(3, dtype=jnp.float32)
    scaled_by(weights)(X)
    yield
    scaled_by(weights * 2)(X)
    yield


# The first function is deleted before the second, of the same source, is made.
@scenario(step("1/1/1/1", again("f", "function-redefined")))
def del_function_evict() -> Iterator[None]:
    def make() -> Any:
        @jax.jit
        def f(x: jax.Array) -> jax.Array:
            ran()
            return x * 2

        return f

    f = make()
    f(X)
    yield
    del f
    gc.collect()
    make()(X)
    yield
