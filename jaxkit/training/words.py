"""Values as messages show them: short, on one line, without the insides of JAX."""

from __future__ import annotations

import re
import reprlib
from typing import Any

import jax

__all__ = ["kind", "short", "what"]

_LONGEST = 80


def short(value: Any) -> str:
    """The repr of a value, cut off where it is long; nothing large is written out first.

    Args:
        value: Whatever was given.
    """
    text = re.sub(r"\s*\n\s*", " ", _Short().repr(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def kind(shape: Any, dtype: Any) -> str:
    """`float32[2, 3]`.

    Args:
        shape: The sizes.
        dtype: NumPy's, JAX's or whatever stands in its place.
    """
    return f"{getattr(dtype, 'name', dtype)}{list(shape)}"


def what(value: Any) -> str:
    """What a value is: the kind of an array, traced or not, and else the name of its type.

    Args:
        value: Whatever was returned.
    """
    if isinstance(value, jax.Array):
        return kind(value.shape, value.dtype)
    if isinstance(value, tuple) and type(value) is tuple:
        return f"({', '.join(map(what, value))}{',' * (len(value) == 1)})"
    return type(value).__name__


class _Short(reprlib.Repr):
    """Few things of a container, but all of a text that is not too long."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = self.maxdict = self.maxlist = self.maxtuple = self.maxset = 4
        self.maxstring = self.maxother = self.maxlong = 2 * _LONGEST

    def repr_instance(self, x: Any, level: int) -> str:
        # Not cut in the middle, as reprlib does: the beginning says more.
        try:
            return repr(x)
        except Exception:  # a user's own
            return f"<{type(x).__name__}>"
