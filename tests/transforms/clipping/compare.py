"""Agreement of results with the reference, to the rounding that their dtypes allow."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@contextlib.contextmanager
def x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def wide(dtypes: Sequence[Any]) -> Any:
    return max([jnp.finfo(dtype).dtype for dtype in dtypes], key=lambda dtype: dtype.itemsize)


def assert_norm(found: Any, expected: Fraction, dtype: Any) -> None:
    info = jnp.finfo(dtype)
    exact = min(expected, Fraction(float(info.max)))  # a norm beyond the range is the largest
    assert found.dtype == dtype
    error = abs(Fraction(float(found)) - exact)
    assert error <= exact * Fraction(8 * float(info.eps)) + Fraction(2 * float(info.tiny)), found


def assert_array(
    found: Any, expected: np.ndarray[Any, Any], given: Any, compute: Any, limit: float = 0.0
) -> None:
    """Shape and dtype of what was given; rounded once in its dtype, a few times in the norm's.

    An entry that is a subnormal share of the norm counts as zero: up to `limit` times the smallest
    normal number is lost.
    """
    given = jnp.asarray(given)
    assert (found.shape, found.dtype) == (given.shape, given.dtype)
    info = jnp.finfo(given.dtype)
    eps = float(info.eps) + 8 * float(jnp.finfo(compute).eps)
    tiny = float(info.tiny) * (1 + limit)
    for part in (np.real, np.imag):
        mine = part(np.asarray(found)).astype(np.float64)
        exact = part(expected)
        with np.errstate(over="ignore"):
            error = np.abs(mine - exact)
        assert np.all(error <= np.abs(exact) * eps + tiny), (mine, exact)
    assert not math.isnan(float(np.sum(np.isnan(expected))))
