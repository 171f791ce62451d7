"""Operations and control flow outside any jit: one small program for each op and shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.compiles.scenarios._base import QUIET, again, ran, scenario, step

X = np.ones(3, np.float32)


# Ten sizes, three operations: thirty programs, keyed on the shape of the operand.
@scenario(
    step(
        "0/30/30/30",
        again("broadcast_in_dim", "eager-op-shapes", times=10),
        again("sin", "eager-op-shapes", times=10),
        again("cumsum", "eager-op-shapes", times=10),
    ),
    QUIET,
)
def eager_shape_storm() -> Iterator[None]:
    def preprocess(sizes: range) -> None:
        for n in sizes:
            jnp.cumsum(jnp.sin(jnp.ones(n)))

    preprocess(range(5, 6))
    yield
    preprocess(range(10, 20))
    yield
    preprocess(range(10, 20))
    yield


# An integer index is an argument of dynamic_slice (#1 hits), but which axis it cuts is one of its
# parameters: a row and a column are two programs of one line, and so are their squeezes.
@scenario(
    QUIET,
    step(
        "0/2/2/2",
        again("dynamic_slice", "eager-op-shapes"),
        again("squeeze", "eager-op-shapes"),
    ),
    QUIET,
)
def eager_slicing_static_index() -> Iterator[None]:
    x = jnp.arange(12.0).reshape(4, 3)

    def pick(*index: Any) -> None:
        x[index]

    pick(0)
    yield
    pick(1)
    yield
    pick(slice(None), 1)
    yield
    pick(slice(None), 2)
    yield


# The length of a slice is a parameter of dynamic_slice: one program for each.
@scenario(step("0/10/10/10", again("dynamic_slice", "eager-op-shapes", times=10)))
def eager_python_slice_growing() -> Iterator[None]:
    x = jnp.arange(32.0)

    def heads(lengths: range) -> None:
        for n in lengths:
            x[:n]

    heads(range(1, 2))
    yield
    heads(range(2, 12))
    yield


# Eager scan is a primitive compiled for its body's jaxpr; a new body function is traced anew and
# its jaxpr is another object.
@scenario(step("1/1/1/1", again("scan", "control-flow-closure")))
def scan_fresh_body_eager() -> Iterator[None]:
    x = jnp.asarray(X)

    def rollout() -> None:
        def body(carry: jax.Array, _: None) -> Any:
            ran()
            return carry * 2, None

        jax.lax.scan(body, x, None, length=3)

    rollout()
    yield
    rollout()
    yield


@scenario(QUIET)
def scan_same_body_eager() -> Iterator[None]:
    x = jnp.asarray(X)

    def body(carry: jax.Array, _: None) -> Any:
        ran()
        return carry * 2, None

    jax.lax.scan(body, x, None, length=3)
    yield
    jax.lax.scan(body, x, None, length=3)
    yield


def branch(flag: jax.Array, x: jax.Array) -> None:
    """Call cond with two new functions."""
    jax.lax.cond(flag, lambda y: (ran(), y * 2)[1], lambda y: (ran(), y + 1)[1], x)


# The same for the two branches of a cond,
@scenario(step("2/1/1/1", again("cond", "control-flow-closure")))
def cond_fresh_eager() -> Iterator[None]:
    x, flag = jnp.asarray(X), jnp.asarray(True)
    branch(flag, x)
    yield
    branch(flag, x)
    yield


# for the test and body of a while loop,
@scenario(step("2/1/1/1", again("while", "control-flow-closure")))
def while_fresh_eager() -> Iterator[None]:
    start = jnp.asarray(np.float32(1))

    def grow() -> None:
        jax.lax.while_loop(lambda v: (ran(), v < 9)[1], lambda v: (ran(), v * 2)[1], start)

    grow()
    yield
    grow()
    yield


# for a fori_loop (a scan when its bounds are Python numbers),
@scenario(step("1/1/1/1", again("scan", "control-flow-closure")))
def fori_fresh_eager() -> Iterator[None]:
    x = jnp.asarray(X)

    def loop() -> None:
        jax.lax.fori_loop(0, 3, lambda i, v: (ran(), v * 2)[1], x)

    loop()
    yield
    loop()
    yield


# The body is the same and found; the trip count is the scan's static `length`.
@scenario(step("0/1/1/1", again("scan", "static-arg-value")))
def fori_trip_count_change_eager() -> Iterator[None]:
    x = jnp.asarray(X)

    def body(i: int, v: jax.Array) -> jax.Array:
        ran()
        return v * 2

    def loop(n: int) -> None:
        jax.lax.fori_loop(0, n, body, x)

    loop(3)
    yield
    loop(4)
    yield


# and for lax.map.
@scenario(step("1/1/1/1", again("scan", "control-flow-closure")))
def laxmap_fresh_eager() -> Iterator[None]:
    x = jnp.asarray(X)

    def squares() -> None:
        jax.lax.map(lambda v: (ran(), v * v)[1], x)

    squares()
    yield
    squares()
    yield


@scenario(QUIET)
def scan_fresh_body_in_jit() -> Iterator[None]:
    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return jax.lax.scan(lambda c, _: (c * 2, None), x, None, length=3)[0]

    f(X)
    yield
    f(X)
    yield
