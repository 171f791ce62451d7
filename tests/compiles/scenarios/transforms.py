"""grad, vmap, pmap, shard_map and jit inside jit."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from tests.compiles.scenarios._base import (
    IS_OLD,
    QUIET,
    again,
    first,
    incidental,
    ran,
    scenario,
    step,
)

X = np.ones(3, np.float32)
XS = np.ones((4, 3), np.float32)


def total() -> Any:
    """Make a fresh jitted function with a scalar result."""

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return (x * x).sum()

    return f


# vmap batches the traced program: no trace, but a program for each batch size. Making the batch
# of 8 is one eager program.
@scenario(
    QUIET,
    step("0/1/2/2", again("f", "shape-change", at="x"), incidental("broadcast_in_dim")),
)
def vmap_of_jit_axis_size() -> Iterator[None]:
    f = total()
    jax.vmap(f)(jnp.ones((4, 3)))
    yield
    jax.vmap(f)(jnp.ones((4, 3)))
    yield
    jax.vmap(f)(jnp.ones((8, 3)))
    yield


# vmap returns a new function each time, and jit holds functions by identity.
@scenario(step("1/1/1/1", again("f", "transform-rewrap")))
def jit_of_vmap_fresh() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    jax.jit(jax.vmap(f))(XS)
    yield
    jax.jit(jax.vmap(f))(XS)
    yield


# grad too.
@scenario(step("1/1/1/1", again("f", "transform-rewrap")))
def jit_of_grad_fresh() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return (x * x).sum()

    jax.jit(jax.grad(f))(X)
    yield
    jax.jit(jax.grad(f))(X)
    yield


# Forward with residuals and backward: two further programs by design, once.
@scenario(step("0/0/2/2", first("f", times=2)), QUIET)
def grad_of_jit() -> Iterator[None]:
    f = total()
    f(X)
    jax.grad(lambda s: s * 2)(np.float32(1))  # compiles what makes grad's starting cotangent
    yield
    jax.grad(f)(X)
    yield
    jax.grad(f)(X)
    yield


# pmap's own jit is keyed on the avals of the whole batch. JAX names its program `_fun`; the user's
# function is f. (`_multi_slice` cuts the input for the devices.)
@scenario(
    QUIET,
    step(
        "1/3/3/3",
        again("f", "shape-change", at="x"),
        incidental("broadcast_in_dim"),
        incidental("_multi_slice"),
    ),
)
def pmap_shape() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    g = jax.pmap(f)
    g(jnp.ones((4, 3)))
    yield
    g(jnp.ones((4, 3)))
    yield
    g(jnp.ones((4, 5)))
    yield


@scenario(QUIET)
def pmap_rewrap() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    jax.pmap(f)(XS)
    yield
    jax.pmap(f)(XS)
    yield


def over_mesh(f: Any) -> Any:
    """Map over all four devices, one row each."""
    mesh = jax.make_mesh((4,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    return jax.shard_map(f, mesh=mesh, in_specs=P("d"), out_specs=P("d"))


# Un-jitted, shard_map is an operation that runs its body op by op on each call: the programs that
# spread the inputs, run the body's one operation (two programs) and collect the output are new
# function objects inside JAX each time, so all four are made again. JAX names them all
# `<unnamed function>`; the user's function is f.
@scenario(step("1/2/4/4", again("f", "transform-rewrap", times=4)))
def shard_map_eager_repeat() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    g = over_mesh(f)
    g(XS)
    yield
    g(XS)
    yield


# shard_map returns a new function each time.
@scenario(step("1/1/1/1", again("f", "transform-rewrap")))
def shard_map_jit_rewrap() -> Iterator[None]:
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    jax.jit(over_mesh(f))(XS)
    yield
    jax.jit(over_mesh(f))(XS)
    yield


# The second outer function is new; inner's trace is found and inlined (#1). Calling inner itself
# compiles it for the first time (#2).
@scenario(step("1/1/1/1", first("outer2")), step("0/0/1/1", first("inner")))
def nested_jit_two_outers() -> Iterator[None]:
    @jax.jit
    def inner(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    @jax.jit
    def outer1(x: jax.Array) -> jax.Array:
        ran()
        return inner(x) + 1

    @jax.jit
    def outer2(x: jax.Array) -> jax.Array:
        ran()
        return inner(x) + 2

    outer1(X)
    yield
    outer2(X)
    yield
    inner(X)
    yield


# The outer function's static argument changed; its fresh inner one is inlined, not compiled.
@scenario(step("2/1/1/1", again("outer", "static-arg-value", at="n")))
def nested_jit_fresh_inner() -> Iterator[None]:
    @functools.partial(jax.jit, static_argnums=1)
    def outer(x: jax.Array, n: int) -> jax.Array:
        ran()

        @jax.jit
        def inner(y: jax.Array) -> jax.Array:
            ran()
            return y * 2

        return inner(x) + n

    outer(X, 1)
    yield
    outer(X, 2)
    yield


# The first program of the mapped function; inner is traced again for the axis name and inlined.
@scenario(step("1/1/1/1", first("f")))
def nested_axis_name() -> Iterator[None]:
    f = total()
    f(X)
    yield
    jax.jit(jax.vmap(f, axis_name="rows"))(XS)
    yield


# Under disable_jit the body runs op by op: the first program of each operation.
@scenario(step("1/2/2/2", first("sin"), first("mul")))
def disable_jit_ctx() -> Iterator[None]:
    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return jax.lax.mul(jax.lax.sin(x), x)

    x = jnp.asarray(X)
    f(x)
    yield
    with jax.disable_jit():
        f(x)
    yield


@scenario(step("1/0/0/0"))
def custom_jvp_fresh() -> Iterator[None]:
    def make() -> Any:
        @jax.custom_jvp
        def f(x: jax.Array) -> jax.Array:
            ran()
            return x * 2

        f.defjvps(lambda t, ans, x: t * 2)
        return f

    x = jnp.asarray(X)
    make()(x)
    yield
    make()(x)
    yield


# Outside jit a checkpointed function runs op by op: its gradient needs new operations, each for
# the first time. (JAX 0.10 transposes the sum by an eager broadcast, 0.12 inside a program of its
# own, which the warm call has made.)
@scenario(
    QUIET,
    step(
        "0/2/2/2",
        first("cos"),
        first("mul"),
        *([first("broadcast_in_dim")] if IS_OLD else []),
        old="0/3/3/3",
    ),
    QUIET,
)
def checkpoint_eager() -> Iterator[None]:
    @jax.checkpoint
    def f(x: jax.Array) -> jax.Array:
        ran()
        return jnp.sin(x)

    x = jnp.asarray(X)
    f(x)
    jax.grad(lambda s: s * 2)(np.float32(1))
    out, pull = jax.vjp(jnp.sum, x)
    if not IS_OLD:
        pull(out)
    yield
    f(x)
    yield
    jax.grad(lambda x: f(x).sum())(x)
    yield
    jax.grad(lambda x: f(x).sum())(x)
    yield
