"""A program and its shadow do not need memory at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit._jax.order import after


def chain(x: jax.Array) -> jax.Array:
    """What needs room for a matrix, whatever XLA makes of it."""
    return jnp.sort(jnp.sort(jnp.outer(x, x)) + 1, axis=0).sum(0)


def temporary(fun: Callable[..., Any], *args: Any) -> int:
    analysis: Any = jax.jit(fun).lower(*args).compile().memory_analysis()
    return analysis.temp_size_in_bytes


def one_after_the_other(x: jax.Array) -> Any:
    outs, [again] = after([chain(x)], [x])
    return outs, chain(again + 1)


def test_what_comes_after_needs_no_memory_of_its_own() -> None:
    x = jnp.ones(500)
    one = temporary(chain, x)
    assert one >= x.size**2 * 4
    assert temporary(lambda x: (chain(x), chain(x + 1)), x) > 1.5 * one
    assert temporary(one_after_the_other, x) < 1.1 * one


@pytest.mark.parametrize(
    "results",
    [
        [jnp.array([jnp.nan, 1.0])],
        [jnp.array([-jnp.inf, jnp.inf])],
        [jnp.array([jnp.inf]), jnp.array(-jnp.inf), jnp.array([True]), jnp.array(1j)],
        [jnp.zeros((0, 3)), jax.random.key(0)],
        [],
    ],
)
def test_everything_is_as_it_was(results: Any) -> None:
    values = [
        jnp.array([jnp.nan, jnp.inf, -0.0]),
        jnp.array([1, 2]),
        jnp.array(True),
        jnp.array([0.5], jnp.float8_e4m3fn),
        jax.random.key(1),
    ]
    found = jax.jit(after)(results, values)
    for one, other in zip(jax.tree.leaves(found), [*results, *values], strict=True):
        if jnp.issubdtype(other.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        assert one.dtype == other.dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_arrays_that_are_sharded_explicitly() -> None:
    def spread(x: jax.Array) -> jax.Array:
        return x - x.mean()

    mesh = jax.make_mesh((4,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        x = jax.device_put(jnp.arange(8.0), jax.NamedSharding(mesh, jax.P("x")))
        assert jaxkit.shadow(spread)(x).ok
        assert jaxkit.compare_x64(spread)(x).ok
