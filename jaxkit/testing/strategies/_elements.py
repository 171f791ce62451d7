"""The numbers in an array, from one draw of bytes.

An element is two bytes, which choose from a table of the type's numbers, the simplest first: so
an array costs one choice, not one an element, and Hypothesis, which shrinks bytes towards zero,
shrinks elements towards 0, 1, -1, 2, -2 ... A quarter of the codes choose among the simple numbers
and the edges alone, and a part of the first element's codes makes an array of equal elements.

Hypothesis changes a byte at a time. The second is the place among the simple numbers, and positive
numbers stand at odd places: setting the first to 0 makes a number simple and keeps its sign.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
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
_PLAIN = (
    1,
    2,
    3,
    0.5,
    1.5,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    0.25,
    0.1,
    100,
    1000,
    *range(11, 65),
    128,
    256,
    512,
)


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
    codes = np.frombuffer(draw(_bytes(min(size, DISTINCT))), ">u2").astype(np.int32)
    values = _choose(table_of(dtype, limits), codes)
    return (np.resize(values, size) if size > DISTINCT else values).reshape(shape)


def _choose(table: Table, codes: np.ndarray) -> np.ndarray:
    """An element for each code."""
    few, simple = min(_FEW, table.simple), table.simple
    rest = (len(table.values) - simple) // 2 * 2
    if codes[0] >= _CONSTANT:
        return np.full(len(codes), table.values[codes[0] % few])
    index = codes % 256 % simple
    if rest:
        far = (codes >= 256) & (codes < _SIMPLE)
        index = np.where(far, simple + (codes - 256) % rest, index)
    return table.values[np.where(codes >= _SIMPLEST, codes % few, index)]


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
    whole = [n for n in _PLAIN if n == int(n)]
    simple = [n for n in _paired(whole) if low <= n <= high]
    simple = list(dict.fromkeys([*map(int, simple), low, high, low + 1, high - 1]))
    simple = [n for n in simple if low <= n <= high]
    if high - low < _TABLE:
        others = {*range(low, high + 1)} - {*simple}
    else:
        width = np.exp2(np.random.default_rng(0).uniform(0, math.log2(high - low), _TABLE))
        start = min(max(low, 0), high)
        spread = [start + int(w) * (-1) ** i for i, w in enumerate(width)]
        others = {n for n in spread if low <= n <= high} - {*simple}
    rest = _alternating(np.array(sorted(others, key=abs), dtype))
    return _table(np.array(simple, dtype), rest)


def _floats(dtype: np.dtype, limits: Limits) -> Table:
    low, high = limits.of_floats(dtype)
    info = jnp.finfo(dtype)
    normal = 0.0 if limits.allow_subnormal else float(info.smallest_normal)
    edges = [low, high, *_next_inside(dtype, low, high)]
    if limits.min_value is None or limits.min_value < 0:
        edges.append(-0.0)
    simple = _admitted(dtype, [*_paired(_PLAIN), *edges], low, high, normal)
    rest = _admitted(dtype, _spread(low, high, float(info.smallest_normal)), low, high, normal)
    rest = rest[~np.isin(_bits(rest), _bits(simple))]
    rest = rest[np.argsort(np.abs(rest.astype(np.float64)), kind="stable")]
    if len(simple) + len(rest) == 0:
        raise limits.nothing_between(dtype)
    beyond = _beyond(dtype, limits)
    if limits.allow_subnormal:
        least = float(info.smallest_subnormal)
        tiny = [least, -least, float(info.smallest_normal) - least]
        beyond = np.concatenate([_admitted(dtype, tiny, low, high, normal), beyond])
        simple = simple[~np.isin(_bits(simple), _bits(beyond))]
    few = max(0, min(len(simple), _FEW - len(beyond)))
    simple = np.concatenate([simple[:few], beyond, simple[few:]])
    return _table(simple, _alternating(rest))


def _paired(numbers: Iterable[Any]) -> list[Any]:
    """0, and each number followed by its negative: positive ones at odd places."""
    return [0, *(sign for number in numbers for sign in (number, -number))]


def _alternating(ascending: np.ndarray) -> np.ndarray:
    """Negative numbers at even places and others at odd ones, as far as there are both."""
    negative = ascending.astype(np.float64) < 0
    below, above = ascending[negative], ascending[~negative]
    both = min(len(below), len(above))
    pairs = np.stack([below[:both], above[:both]], axis=1).reshape(-1)
    return np.concatenate([pairs, below[both:], above[both:]])


def _table(simple: np.ndarray, rest: np.ndarray) -> Table:
    """At most 256 simple numbers, an even number of them, so that places keep their parity."""
    if len(simple) == 0:
        simple, rest = rest[:256], rest[256:]
    count = min(256, len(simple))
    count -= count % 2 if len(simple) > 2 and len(rest) else 0
    return Table(np.concatenate([simple, rest]), count)


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
