"""How many values of each array are not finite, as one small array of integers.

The rows are the arrays; the columns have the names below. Under `vmap` the examples are added up
inside the program, so that a batch gives one such array, and not one an example.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

__all__ = [
    "BAD_EXAMPLES",
    "COLUMNS",
    "DEVICE",
    "EXAMPLE",
    "EXAMPLES",
    "FIRST",
    "INF",
    "NAN",
    "count",
    "count_on_host",
]

# How many are NaN and how many infinite; the place of the first in the flattened array, -1 where
# that does not fit; the first example that has one, how many have, and of how many; the device.
COLUMNS = 7
NAN, INF, FIRST, EXAMPLE, BAD_EXAMPLES, EXAMPLES, DEVICE = range(COLUMNS)
_LARGEST = np.iinfo(np.int32).max


def count(arrays: Sequence[Any]) -> jax.Array:
    """Counts in JAX arrays, tracers included, without changing how they are sharded.

    Args:
        arrays: Arrays of any shapes and inexact dtypes.

    Returns:
        i32[len(arrays), COLUMNS]
    """
    return _over_examples(_rows(list(arrays)))


def count_on_host(value: Any) -> np.ndarray:
    """One row of `count`, of a NumPy array or a Python number: in its own precision."""
    array = np.asarray(value)
    if array.dtype.kind not in "fc":  # the types of ml_dtypes; all of them fit
        array = array.astype(np.float32)
    nan, inf = np.isnan(array), np.isinf(array)
    bad = (nan | inf).ravel()
    found = int(bad.any())
    first = min(int(bad.argmax()), _LARGEST) if found else 0
    return np.array([nan.sum(), inf.sum(), first, 0, found, 1, 0], np.int64)


def _rows_of(arrays: list[Any]) -> jax.Array:
    device = _device_number()
    return jnp.stack([_row(array, device) for array in arrays])


_rows_of.__name__ = _rows_of.__qualname__ = "check_finite"  # what profiles and logs show
_rows = jax.jit(_rows_of, inline=True)


def _row(array: Any, device: jax.Array) -> jax.Array:
    nan, bad = _kinds(array)
    inf = bad & ~nan
    nans, infs = jnp.sum(nan, dtype=jnp.int32), jnp.sum(inf, dtype=jnp.int32)
    found = (nans + infs > 0).astype(jnp.int32)
    one = jnp.int32(1)
    return jnp.stack([nans, infs, _first(bad), jnp.int32(0), found, one, device])


def _kinds(array: Any) -> tuple[jax.Array, jax.Array]:
    """Which values are NaN, and which are not finite.

    Without a constant of the array's dtype: there are 64-bit arrays where 64 bits are off.
    """
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        nan, bad = _kinds(jax.lax.real(array))
        other_nan, other_bad = _kinds(jax.lax.imag(array))
        return nan | other_nan, bad | other_bad
    if array.dtype.itemsize == 1:
        array = array.astype(jnp.float32)  # not all 8-bit formats have every operation
    return jax.lax.ne(array, array), ~jax.lax.is_finite(array)


def _first(bad: jax.Array) -> jax.Array:
    """The place of the first True, without flattening: that would gather a sharded array."""
    size = math.prod(bad.shape)
    if size > _LARGEST:
        return jnp.int32(-1)
    place = jnp.zeros(bad.shape, jnp.int32)
    for axis in range(bad.ndim):
        stride = math.prod(bad.shape[axis + 1 :])
        place = place + jax.lax.broadcasted_iota(jnp.int32, bad.shape, axis) * jnp.int32(stride)
    return jnp.min(jnp.where(bad, place, jnp.int32(size)), initial=size)


def _device_number() -> jax.Array:
    """Which device of a `shard_map` or `pmap` this is, from 0; 0 outside of them."""
    axes = tuple(jax.sharding.get_abstract_mesh().manual_axes)
    return jax.lax.axis_index(axes).astype(jnp.int32) if axes else jnp.int32(0)


@custom_vmap
def _over_examples(rows: jax.Array) -> jax.Array:
    return rows


@_over_examples.def_vmap
def _(size: int, batched: list[bool], rows: jax.Array) -> tuple[jax.Array, bool]:
    """The sums over one `vmap`; the result is one for all of its examples."""
    del batched
    found = rows[:, :, BAD_EXAMPLES]
    one = jnp.argmax(found > 0, axis=0)  # of each array, the first example that has any
    at = [jnp.take_along_axis(rows[:, :, column], one[None], 0)[0] for column in range(COLUMNS)]
    at[NAN], at[INF] = rows[:, :, NAN].sum(0), rows[:, :, INF].sum(0)
    at[EXAMPLE] = one.astype(jnp.int32) * at[EXAMPLES] + at[EXAMPLE]
    at[BAD_EXAMPLES] = found.sum(0)
    at[EXAMPLES] = at[EXAMPLES] * size
    return _over_examples(jnp.stack(at, axis=1).astype(jnp.int32)), False
