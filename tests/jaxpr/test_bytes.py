"""Bytes that equations move, against what their arrays take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxkit._jax.jaxprs import trace
from jaxkit.jaxpr.cost import cost_of
from tests.jaxpr.programs import f32, i32

# Not signed: JAX would make it positive first.
INDEX = jax.ShapeDtypeStruct((), jnp.uint32)


@pytest.mark.parametrize(
    ("fun", "args", "moved"),
    [
        (jnp.add, (f32(10), f32(10)), 120),
        (lambda x: x + 1, (f32(10),), 80),  # a number in the program is not read
        (jnp.matmul, (f32(2, 3), f32(3, 5)), 4 * (6 + 15 + 10)),
        (lambda x: x.reshape(5, 2), (f32(10),), 0),
        (lambda x: x.T, (f32(10, 2),), 160),
        (lambda x: x.astype(jnp.bfloat16), (f32(10),), 60),
        (lambda x: x[2:5], (f32(1000),), 24),
        (lambda x, i: lax.dynamic_slice(x, (i,), (3,)), (f32(1000), INDEX), 24 + 4),
        (lambda x, u, i: lax.dynamic_update_slice(x, u, (i,)), (f32(1000), f32(3), INDEX), 28),
        (jnp.sum, (f32(10),), 44),
        (jax.jit(jax.jit(jnp.add)), (f32(10), f32(10)), 120),
        (lambda x: lax.scan(lambda c, _: (c + x, None), x, length=7)[0], (f32(10),), 7 * 120),
        (lambda x: x + x, (f32(0),), 0),
    ],
)
def test_bytes(fun: Callable[..., Any], args: tuple[Any, ...], moved: int) -> None:
    assert cost_of(trace(fun, args, {})).total.bytes == moved


def test_an_embedding_is_not_read_whole() -> None:
    total = cost_of(trace(lambda t, i: t[i], (f32(50_000, 64), i32(8)), {})).total
    assert total.bytes < 8 * 64 * 4 * 3


def test_keys_have_a_size() -> None:
    total = cost_of(trace(lambda k: jax.random.split(k, 3), (jax.random.key(0),), {})).total
    assert total.bytes == 8 + 24
