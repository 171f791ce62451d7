"""Small outputs leave the program together, and come out as they were."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.numerics.precision.packing import Packing


def test_small_arrays_of_one_dtype_are_one_and_large_ones_by_themselves() -> None:
    values = [
        jnp.arange(6.0).reshape(2, 3),
        jnp.arange(1024.0),
        jnp.arange(1025.0),
        jnp.ones((), jnp.bfloat16),
        jnp.zeros((0, 4)),
        jnp.full((2,), 1 + 2j),
        jnp.full((1, 2), 3j),
    ]
    packing = Packing([jax.typeof(value) for value in values])
    packed = jax.jit(packing.pack)(values)
    assert sorted(each.size for each in packed) == [1, 4, 1025, 1030]
    for value, found in zip(values, packing.unpack(packed), strict=True):
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(np.asarray(found), np.asarray(value))


@pytest.mark.parametrize("guilty", range(3))
def test_the_output_that_is_off_is_named_among_small_ones(guilty: int) -> None:
    def many(x: jax.Array) -> dict[str, jax.Array]:
        parts = {name: x * number for number, name in enumerate("abc", 2)}
        off = "abc"[guilty]
        parts[off] = 1 - jnp.cos(1e-3 * parts[off])
        return parts

    report = jaxkit.shadow(many)(jnp.linspace(0.1, 0.2, 5))
    verdicts = {each["name"]: each["verdict"] for each in report.data["outputs"]}
    assert verdicts == {
        f"output['{name}']": "wrong" if name == "abc"[guilty] else "fine" for name in "abc"
    }
