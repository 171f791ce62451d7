"""Array arguments: shape, dtype and weak type are the aval, which is part of the cache key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.compiles.scenarios._base import QUIET, again, incidental, ran, scenario, step


def double() -> Any:
    """Make a fresh jitted function of one argument."""

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    return f


# float32[32,8] and float32[4,8] are two avals; the changed leaf is one entry of a dict.
@scenario(step("1/1/1/1", again("f", "shape-change", at="batch['x']")))
def shape_change() -> Iterator[None]:
    @jax.jit
    def f(batch: dict[str, jax.Array]) -> jax.Array:
        ran()
        return batch["x"].sum() + batch["y"]

    f({"x": np.ones((32, 8), np.float32), "y": np.float32(1)})
    yield
    f({"x": np.ones((4, 8), np.float32), "y": np.float32(1)})
    yield


# Same shape, int32 instead of float32.
@scenario(step("1/1/1/1", again("f", "dtype-change", at="x")))
def dtype_change() -> Iterator[None]:
    f = double()
    f(np.ones(3, np.float32))
    yield
    f(np.ones(3, np.int32))
    yield


# A Python float is a weakly typed f32[], a jax scalar a strong one; NumPy's (#2) is strong too.
@scenario(step("1/1/1/1", again("f", "weak-type", at="x")), QUIET)
def weak_type_scalar_then_array() -> Iterator[None]:
    f = double()
    one = jnp.float32(1)
    f(1.0)
    yield
    f(one)
    yield
    f(np.float32(1))
    yield


@scenario(QUIET)
def py_int_value_change() -> Iterator[None]:
    f = double()
    f(1)
    yield
    f(2)
    yield


# Both are weak scalars, of int32 and float32: the dtype is what changed.
@scenario(step("1/1/1/1", again("f", "dtype-change", at="x")))
def py_int_to_float() -> Iterator[None]:
    f = double()
    f(1)
    yield
    f(1.0)
    yield


@scenario(QUIET, QUIET)
def np_scalar_vs_jnp_scalar() -> Iterator[None]:
    f = double()
    one = jnp.float32(1)
    f(np.float32(1))
    yield
    f(one)
    yield
    f(np.asarray(1, np.float32))
    yield


@scenario(QUIET, QUIET)
def numpy_vs_jax_array() -> Iterator[None]:
    f = double()
    x = jnp.arange(3, dtype=jnp.float32)
    f(np.ones(3, np.float32))
    yield
    f(x)
    yield
    f(np.zeros(3, np.float32))
    yield


@scenario(QUIET)
def numpy_f64_vs_jax_f32() -> Iterator[None]:
    f = double()
    x = jnp.arange(3, dtype=jnp.float32)
    f(np.ones(3, np.float64))
    yield
    f(x)
    yield


# A raw key is uint32[2], a typed one key<fry>[], another implementation key<rbg>[]: each is
# another dtype to the key, and the taxonomy puts PRNG key types under dtype-change. Making the
# rbg key compiles its own seeding program in #2.
@scenario(
    step("1/1/1/1", again("f", "dtype-change", at="key")),
    step("1/2/2/2", again("f", "dtype-change", at="key"), incidental("concatenate")),
    QUIET,
)
def prng_raw_vs_typed() -> Iterator[None]:
    @jax.jit
    def f(key: jax.Array) -> jax.Array:
        ran()
        return jax.random.normal(key, (3,))

    raw, typed = jax.random.PRNGKey(0), jax.random.key(0)
    f(raw)
    yield
    f(typed)
    yield
    f(jax.random.key(0, impl="rbg"))
    yield
    f(typed)
    yield


@scenario(QUIET)
def donate_same_wrapper_numpy_vs_jax() -> Iterator[None]:
    import functools

    @functools.partial(jax.jit, donate_argnums=0)
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    x = jnp.arange(3, dtype=jnp.float32)
    f(np.ones(3, np.float32))
    yield
    f(x)
    yield


@scenario(QUIET)
def jnp_where_fresh_np_constant() -> Iterator[None]:
    x = jnp.arange(3, dtype=jnp.float32)
    jnp.where(x > 1, x, np.zeros(3, np.float32))
    yield
    jnp.where(x > 1, x, np.ones(3, np.float32))
    yield


@scenario(QUIET)
def debug_print_effect() -> Iterator[None]:
    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        jax.debug.callback(lambda v: None, x)
        return x * 2

    f(np.ones(3, np.float32))
    yield
    f(np.ones(3, np.float32))
    yield


# Eager creation of an array in the step is a new program of `broadcast_in_dim` there.
@scenario(step("1/2/2/2", again("f", "shape-change", at="xs"), incidental("broadcast_in_dim")))
def vmap_axis_size_inside_jit() -> Iterator[None]:
    @jax.jit
    def f(xs: jax.Array) -> jax.Array:
        def row(x: jax.Array) -> jax.Array:
            ran()
            return x.sum()

        return jax.vmap(row)(xs)

    f(jnp.ones((4, 3)))
    yield
    f(jnp.ones((8, 3)))
    yield
