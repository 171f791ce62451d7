"""Sizes of arrays, of references to them, of random keys."""

from __future__ import annotations

import math
from typing import Any


class Unknown(Exception):  # noqa: N818 - no error: what the caller lists as not counted
    """Why the cost of an equation is not known."""


def elements(aval: Any) -> int:
    """How many elements it has; 0 for what is no array, such as a token.

    Raises:
      Unknown: a dimension is symbolic.
    """
    shape = getattr(aval, "shape", None)
    if shape is None:
        return 0
    n = math.prod(shape)
    if type(n) is not int:
        raise _symbolic(shape)
    return n


def length_of(aval: Any, axis: int) -> int:
    """The length of one of its axes.

    Raises:
      Unknown: it is symbolic.
    """
    n = aval.shape[axis]
    if type(n) is not int:
        raise _symbolic(aval.shape)
    return n


def product(lengths: Any) -> int:
    """The product of lengths.

    Raises:
      Unknown: one of them is symbolic.
    """
    n = math.prod(lengths)
    if type(n) is not int:
        raise _symbolic(lengths)
    return n


def nbytes(aval: Any) -> int:
    """How many bytes it takes; 0 for what is no array.

    Raises:
      Unknown: a dimension is symbolic.
    """
    dtype = getattr(aval, "dtype", None)
    return 0 if dtype is None else elements(aval) * dtype.itemsize


def is_complex(aval: Any) -> bool:
    """Whether its elements are complex numbers."""
    return getattr(getattr(aval, "dtype", None), "kind", "") == "c"


def _symbolic(shape: Any) -> Unknown:
    names = ", ".join(dict.fromkeys(str(n) for n in shape if type(n) is not int))
    return Unknown(f"its size depends on the symbolic dimension {names}")
