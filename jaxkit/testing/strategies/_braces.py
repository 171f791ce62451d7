"""Dimensions that ask for arguments in braces: `Float[Array, "{size}"]`.

jaxtyping formats such a word with the function's arguments before it evaluates it. Here the
arguments do not exist yet: an integer parameter becomes a name to find a size for, and other
expressions need what is known beforehand, such as a bound `self` or an override.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jaxkit.testing.strategies._axes import Axis
from jaxkit.testing.strategies._sketch import Sketch

__all__ = ["asked_for", "expand", "variable_of"]


def variable_of(parameter: str) -> str:
    """The name that stands for the value of an integer parameter."""
    return f"argument_{parameter}_"


def expand(axes: tuple[Axis, ...], sketch: Sketch) -> tuple[Axis, ...]:
    """The dimensions with what stands in braces filled in.

    Raises:
        ValueError: What is asked for is not known before arguments are drawn.
    """
    if not any("{" in axis.text for axis in axes):
        return axes
    return tuple(
        replace(axis, text=_filled(axis.text, sketch)) if "{" in axis.text else axis
        for axis in axes
    )


def _filled(text: str, sketch: Sketch) -> str:
    return "".join(
        part if isinstance(part, str) else _value(ast.unparse(part), text, sketch)
        for part in _parts(text)
    )


def _value(asked: str, text: str, sketch: Sketch) -> str:
    if variable_of(asked) in sketch.linked:
        return variable_of(asked)
    try:
        return str(eval(asked, dict(sketch.arguments)))
    except Exception as error:
        raise ValueError(
            f"dimension {text!r} of {sketch.label} asks for {asked!r}, which is not known before "
            f"the arguments are drawn ({error}): give what it is made of with overrides={{...}}"
        ) from error


@functools.lru_cache(maxsize=256)
def _parts(text: str) -> Sequence[str | ast.expr]:
    """What stands outside of braces, as text, and inside, parsed."""
    joined: Any = ast.parse(f"f'{text}'", mode="eval").body
    return [
        part.value if isinstance(part, ast.FormattedValue) else str(part.value)
        for part in joined.values
    ]


def asked_for(axes: Sequence[Axis]) -> set[str]:
    """The names that stand alone in braces."""
    words = (axis.text for axis in axes if "{" in axis.text)
    parts = (part for word in words for part in _parts(word))
    return {part.id for part in parts if isinstance(part, ast.Name)}
