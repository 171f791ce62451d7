"""The limit that a clip holds to: what it may be, and what becomes of it under a trace."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

__all__ = ["check_limit", "limit_array"]


def check_limit(name: str, limit: Any) -> None:
    """Refuses a limit that makes no sense, as far as its value is known.

    Raises:
        TypeError: It is no real number.
        ValueError: It is negative or NaN, or has a shape.
    """
    try:
        dtype = jax.dtypes.result_type("None" if limit is None else limit)
    except (TypeError, ValueError, OverflowError):
        dtype = np.dtype(object)
    is_huge = isinstance(limit, int) and not isinstance(limit, bool)
    if not (is_huge or (jnp.issubdtype(dtype, np.number) and not _is_complex(dtype))):
        raise TypeError(
            f"{name} must be a number, got {name}={limit!r} of type {type(limit).__name__}"
        )
    if np.shape(limit) != ():
        raise ValueError(
            f"{name} must be a single number, got an array of shape {np.shape(limit)}: "
            f"for one limit a leaf, clip each with its own"
        )
    value = _known(limit)
    if value is not None and not value >= 0:
        why = "NaN bounds nothing" if value != value else "a limit below 0 cannot be held"
        raise ValueError(
            f"{name} must be positive, got {name}={limit}: {why}; "
            f"0 makes all gradients zero, math.inf clips nothing"
        )


def limit_array(limit: Any) -> Any:
    """The limit as it goes into a jitted function: of one type for all that is written as a number.

    A number beyond the range of float32 is infinite there, and so clips nothing.
    """
    value = None if isinstance(limit, jax.Array) else _known(limit)
    if value is None:
        return limit
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(value, jax.dtypes.canonicalize_dtype(np.float64))


def _is_complex(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, np.complexfloating))


def _known(limit: Any) -> float | None:
    """The value, if it has one now."""
    if isinstance(limit, Tracer):
        return None
    if isinstance(limit, jax.Array) and not limit.is_fully_addressable:
        return None
    try:
        return float(limit)
    except OverflowError:  # an integer larger than any float
        return math.inf if limit > 0 else -math.inf
