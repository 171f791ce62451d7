"""The numbers in an array, from one draw of bytes.

An element is two bytes, which choose from a table of the type's numbers, the simplest first: so
an array costs one choice, not one an element, and Hypothesis, which shrinks bytes towards zero,
shrinks elements towards 0, 1, -1, ... A quarter of the codes choose among the simple numbers and
the edges alone, and a part of the first element's codes makes an array of equal elements.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jaxkit.testing.strategies._limits import Limits

__all__ = ["DrawFn", "draw_elements", "table_of"]

DrawFn = Any  # what @st.composite hands to a function; Hypothesis types it with overloads

# An array of more elements repeats its first; a prime, so that rows seldom equal each other.
DISTINCT = 61
_TABLE = 4096
_FEW = 8
# Codes from here on choose among the simple numbers; then among the simplest; as the first
# element's code from the last on, every element is that one.
_SIMPLE, _SIMPLEST, _CONSTANT = 0xC000, 0xE000, 0xF000
_PLAIN = (0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 1.5, 4, -4, 5, 7, 8, 10, -10, 100, -100, 0.25, 0.1)


@dataclass(frozen=True)
class Table:
    """The numbers to choose from.

    Attributes:
        values: of the type itself, the simplest first.
        simple: how many of the first are simple numbers and edges.
    """

    values: np.ndarray
    simple: int


def draw_elements(
    draw: DrawFn, dtype: np.dtype, shape: tuple[int, ...], limits: Limits
) -> np.ndarray:
    """Draws a NumPy array of any dtype that JAX has, keys excepted, or a structured one."""
    if dtype.names:
        array = np.zeros(shape, dtype)
        for name in dtype.names:
            field = dtype[name]
            array[name] = draw_elements(draw, field.base, (*shape, *field.shape), limits)
        return array
    size = math.prod(shape)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        parts = draw_elements(draw, _part_of(dtype), (*shape, 2), limits)
        return parts.view(dtype).reshape(shape)
    if size == 0:
        return np.zeros(shape, dtype)
    codes = np.frombuffer(draw(_bytes(min(size, DISTINCT))), ">u2")
    values = _choose(table_of(dtype, limits), codes)
    return (np.resize(values, size) if size > DISTINCT else values).reshape(shape)


def _choose(table: Table, codes: np.ndarray) -> np.ndarray:
    """An element for each code."""
    first = int(codes[0])
    if first >= _CONSTANT:
        index = first % min(_FEW, table.simple)
        return np.full(len(codes), table.values[index])
    among = np.where(
        codes < _SIMPLE,
        len(table.values),
        np.where(codes < _SIMPLEST, table.simple, min(_FEW, table.simple)),
    )
    return table.values[codes % among]


@functools.cache
def _bytes(elements: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=2 * elements, max_size=2 * elements)


def _part_of(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float64 if dtype == np.complex128 else np.float32)


@functools.lru_cache(maxsize=256)
def table_of(dtype: np.dtype, limits: Limits) -> Table:
    """The numbers of a type within limits.

    Raises:
        ValueError: There are none.
    """
    if dtype == np.bool_:
        return Table(np.array([False, True]), 2)
    if jnp.issubdtype(dtype, jnp.integer):
        return _integers(dtype, *limits.of_integers(dtype))
    return _floats(dtype, limits)


def _integers(dtype: np.dtype, low: int, high: int) -> Table:
    if high - low < _TABLE:
        values = sorted(range(low, high + 1), key=lambda n: (abs(n), n < 0))
        return Table(np.array(values, dtype), len(values))
    simple = [n for n in _PLAIN if n == int(n) and low <= n <= high]
    simple = list(dict.fromkeys([*map(int, simple), low, high, low + 1, high - 1]))
    rng = np.random.default_rng(0)
    width = np.exp2(rng.uniform(0, math.log2(high - low), _TABLE))
    start = min(max(low, 0), high)
    spread = [start + int(w) * (-1) ** i for i, w in enumerate(width)]
    inside = {n for n in spread if low <= n <= high} - set(simple)
    rest = sorted(inside, key=lambda n: (abs(n), n < 0))
    return Table(np.array([*simple, *rest], dtype), len(simple))


def _floats(dtype: np.dtype, limits: Limits) -> Table:
    low, high = limits.of_floats(dtype)
    info = jnp.finfo(dtype)
    normal = 0.0 if limits.allow_subnormal else float(info.smallest_normal)
    edges = [low, high, *_next_inside(dtype, low, high)]
    if limits.min_value is None or limits.min_value < 0:
        edges.append(-0.0)
    if limits.allow_subnormal:
        least = float(info.smallest_subnormal)
        edges += [least, -least, float(info.smallest_normal) - least]
    simple = _admitted(dtype, [*_PLAIN, *edges], low, high, normal)
    rest = _admitted(dtype, _spread(low, high, float(info.smallest_normal)), low, high, normal)
    rest = rest[~np.isin(_bits(rest), _bits(simple))]
    wide = rest.astype(np.float64)
    rest = rest[np.lexsort((wide < 0, np.abs(wide), wide != np.round(wide)))]
    if len(simple) + len(rest) == 0:
        raise limits._nothing_between(dtype)
    beyond = _beyond(dtype, limits)
    if len(simple) == 0:
        simple, rest = rest[:_FEW], rest[_FEW:]
    few = max(1, min(len(simple), _FEW - len(beyond)))
    values = np.concatenate([simple[:few], beyond, simple[few:], rest])
    return Table(values, len(simple) + len(beyond))


def _next_inside(dtype: np.dtype, low: float, high: float) -> list[float]:
    """The neighbours of the bounds, which stand for them where they are no numbers of the type."""
    step = float(jnp.finfo(dtype).eps)
    return [low + abs(low) * step, high - abs(high) * step, (low + high) / 2]


def _spread(low: float, high: float, normal: float) -> np.ndarray:
    """Numbers all over the range, half of them evenly, half by their magnitude's logarithm."""
    rng = np.random.default_rng(0)
    even = rng.uniform(low / 2, high / 2, _TABLE // 2) * 2  # the width itself may overflow
    most = max(abs(low), abs(high))
    least = min(max(2.0**-10, normal), most)
    if least == 0:
        return even
    sign = rng.choice([-1.0, 1.0], _TABLE // 2)
    return np.concatenate(
        [even, sign * np.exp2(rng.uniform(math.log2(least), math.log2(most), _TABLE // 2))]
    )


def _admitted(dtype: np.dtype, numbers: Any, low: float, high: float, normal: float) -> np.ndarray:
    """Numbers rounded to a type, where that is a number within the bounds; each of them once."""
    wide = np.clip(np.asarray(numbers, np.float64), low, high)
    wide = wide[np.asarray(numbers, np.float64) == wide]
    with np.errstate(all="ignore"):
        values = wide.astype(dtype)
        again = values.astype(np.float64)
        inside = (again >= low) & (again <= high) & np.isfinite(again)
    values = values[inside & ((again == 0) | (np.abs(again) >= normal))]
    _, first = np.unique(_bits(values), return_index=True)
    return values[np.sort(first)]


def _bits(values: np.ndarray) -> np.ndarray:
    """The numbers as integers, which tell 0 from -0."""
    return values.view(f"u{values.dtype.itemsize}")


def _beyond(dtype: np.dtype, limits: Limits) -> np.ndarray:
    """NaN and the infinities that are asked for, as far as the type has them."""
    with np.errstate(all="ignore"):
        nan = np.array([np.nan] if limits.allow_nan else []).astype(dtype)
        inf = np.array([np.inf, -np.inf] if limits.allow_inf else []).astype(dtype)
    nan = nan[np.isnan(nan.astype(np.float64))]
    return np.concatenate([inf[np.isinf(inf.astype(np.float64))], nan])
