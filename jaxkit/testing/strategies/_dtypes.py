"""Which dtypes an annotation admits, and which of them are drawn."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import ml_dtypes
import numpy as np

__all__ = ["KEY", "as_dtype", "candidates", "is_category", "names_of"]

# How jaxtyping calls the dtype of PRNG keys.
KEY = "prng_key"

# What is drawn where an annotation admits several: the types that JAX makes by itself first.
_USUAL = ("float32", "int32", "bool", "complex64", "uint32", "float64", "int64", "complex128")
_X64 = frozenset({"float64", "int64", "uint64", "complex128"})
_WIDE_OF = {"float32": "float64", "int32": "int64", "uint32": "uint64", "complex64": "complex128"}

_NUMPY = """bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64
    complex64 complex128""".split()
_EXTENDED = [
    name
    for name in """bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3b11fnuz float8_e4m3fnuz
    float8_e5m2fnuz float8_e3m4 float8_e4m3 float4_e2m1fn int4 uint4 int2 uint2""".split()
    if hasattr(ml_dtypes, name)
]


@functools.cache
def _known() -> dict[str, np.dtype]:
    """The name that jaxtyping compares with, and the dtype."""
    found = {name: np.dtype(name) for name in _NUMPY}
    return found | {name: np.dtype(getattr(ml_dtypes, name)) for name in _EXTENDED}


def as_dtype(value: Any, *, name: str = "dtype") -> np.dtype:
    """A dtype from what stands for one: a name, a NumPy or JAX scalar type, a dtype.

    Raises:
        TypeError: It stands for none.
    """
    if value is not None:
        try:
            return jnp.dtype(value)
        except TypeError:
            pass
    raise TypeError(
        f"{name} must be a dtype such as 'float32', a category of jaxtyping such as Float, "
        f"or a strategy, got {name}={value!r}"
    )


def is_category(value: Any) -> bool:
    """Whether this is one of jaxtyping's: Float, Int32, a subclass of AbstractDtype."""
    return isinstance(value, type) and issubclass(value, jaxtyping.AbstractDtype)


def names_of(dtypes: Any) -> tuple[str, ...]:
    """Which known dtypes, KEY among them, jaxtyping's `dtypes` admit; all where that is a marker.

    A structured dtype of NumPy is admitted as its own text.
    """
    if not isinstance(dtypes, (tuple, list)):
        return tuple(_known())
    return tuple(dict.fromkeys(_admitted(dtypes)))


def _admitted(patterns: Iterable[str | re.Pattern[str]]) -> Iterable[str]:
    for pattern in patterns:
        if isinstance(pattern, re.Pattern):
            yield from (name for name in (*_known(), KEY) if pattern.match(name))
        elif pattern in _known() or pattern == KEY or pattern.startswith(("[", "{")):
            yield pattern


def candidates(
    names: Sequence[str], wanted: Sequence[np.dtype] = (), *, on_host: bool = False
) -> list[np.dtype]:
    """The dtypes to draw from, the usual first. To be asked at the time of the draw.

    Args:
        names: What is admitted, as `names_of` gives it.
        wanted: What the caller would have; disregarded where nothing of it is admitted.
        on_host: Whether a NumPy array is drawn, which may be of 64 bits where JAX's may not.

    Returns:
        Nothing where only types of 64 bits are admitted and they are off.
    """
    wide = bool(jax.config.jax_enable_x64)
    known = {name: _known()[name] for name in names if name in _known()}
    structured = [np.dtype(ast.literal_eval(name)) for name in names if name.startswith(("[", "{"))]
    if structured:
        return structured if on_host else []
    allowed = {name: dtype for name, dtype in known.items() if wide or name not in _X64}
    if not allowed:
        return list(known.values()) if on_host else []
    chosen = [dtype for dtype in wanted if dtype in allowed.values()]
    usual = [name for name in _USUAL if name in allowed]
    usual = usual if wide else [name for name in usual if name not in _X64]
    return chosen or [allowed[name] for name in usual] or list(allowed.values())
