"""Values that are not finite, as a finding and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxkit._jax.values import dtype_name, type_text
from jaxkit.compiles.summary import place
from jaxkit.errors import NonFiniteError
from jaxkit.numerics._calls import Target
from jaxkit.numerics.nonfinite.count import BAD_EXAMPLES, EXAMPLE, EXAMPLES, FIRST, INF, NAN
from jaxkit.report import Finding, Report, SourceLine

__all__ = ["KIND", "Leaf", "Place", "leaf_of", "nonfinite_error"]

KIND = "non-finite-output"
_SHOWN = 5


@dataclass(frozen=True)
class Place:
    """A leaf of the output: its path, its type, its shape."""

    path: str
    type: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, path: tuple[Any, ...], leaf: Any) -> Place:
        """Reads a leaf, which may be a tracer or a Python number."""
        shape = tuple(getattr(leaf, "shape", ()))
        dtype = getattr(leaf, "dtype", None)
        name = type(leaf).__name__ if dtype is None else type_text(dtype_name(dtype), shape)
        return cls(f"output{jax.tree_util.keystr(path)}", name, shape)


@dataclass(frozen=True)
class Leaf:
    """What is not finite in one leaf.

    Attributes:
        nan, inf: How many values.
        first: The index of the first one, in its example; None where it cannot be said.
        example, bad_examples, examples: The first example of a batch that has one, how many have,
            and of how many; None, 0 and 1 outside of `vmap`.
    """

    place: Place
    nan: int
    inf: int
    first: tuple[int, ...] | None
    example: int | None
    bad_examples: int
    examples: int

    def __str__(self) -> str:
        size = math.prod(self.place.shape) * self.examples
        text = f"{self.place.path} {self.place.type}"
        if size == 1:
            return f"{text} is {'NaN' if self.nan else 'infinite'}"
        kinds = [f"{self.nan} NaN"] if self.nan else []
        kinds += [f"{self.inf} infinite"] if self.inf else []
        text = f"{text} has {' and '.join(kinds)} of {size} values"
        if self.example is None:
            return f"{text}, the first at {list(self.first)}" if self.first else text
        text = f"{text}, in {self.bad_examples} of {self.examples} examples under vmap"
        place = f" at {list(self.first)}" if self.first else ""
        return f"{text}, the first in example {self.example}{place}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "path": self.place.path,
            "type": self.place.type,
            "nan": self.nan,
            "inf": self.inf,
            "size": math.prod(self.place.shape) * self.examples,
            "first": None if self.first is None else list(self.first),
            "example": self.example,
            "examples": self.examples if self.example is not None else None,
        }


def leaf_of(leaf: Place, row: Any, *, allow_inf: bool) -> Leaf | None:
    """What a row of `count` says of a leaf; None if nothing is wrong with it."""
    values = [int(value) for value in row]
    if not values[NAN] and (allow_inf or not values[INF]):
        return None
    first = values[FIRST]
    known = 0 <= first < math.prod(leaf.shape)
    index = tuple(int(i) for i in np.unravel_index(first, leaf.shape)) if known else None
    # The first of both kinds is not the first NaN.
    index = None if allow_inf and values[INF] else index
    batched = values[EXAMPLES] > 1
    return Leaf(
        leaf,
        nan=values[NAN],
        inf=values[INF],
        first=index,
        example=values[EXAMPLE] if batched else None,
        bad_examples=values[BAD_EXAMPLES],
        examples=values[EXAMPLES],
    )


def nonfinite_error(
    target: Target,
    leaves: Sequence[Leaf],
    *,
    number: int,
    line: SourceLine | None,
    started: SourceLine | None = None,
    device: int | None = None,
) -> NonFiniteError:
    """The error that is raised.

    Args:
        target: The function.
        leaves: What was found, one at least.
        number: Which call of the function it was, from 1.
        line: The line that calls the function, or had it traced.
        started: The line that ran the compiled program, if that is known.
        device: The number of the device, where each has a part of its own.
    """
    where = "" if target.where is None else f" ({place(target.where.file, target.where.line)})"
    on = "" if device is None else f" on device {device}"
    head = f"{target.name}{where} returned a value that is not finite in call {number}{on}"
    lines = [str(leaf) for leaf in leaves[:_SHOWN]]
    if len(leaves) > _SHOWN:
        lines.append(f"and {len(leaves) - _SHOWN} more leaves of its output")
    if line is not None:
        lines.append(f"called from {_short(line)}")
    if started is not None and started != line:
        lines.append(f"in a program that was started from {_short(started)}")
    data = {
        "function": target.name,
        "file": None if target.where is None else target.where.file,
        "line": None if target.where is None else target.where.line,
        "call": number,
        "device": device,
        "leaves": [leaf.to_dict() for leaf in leaves],
        "call_site": None if line is None else line.to_dict(),
        "started_from": None if started is None else started.to_dict(),
    }
    message = "; ".join([head, *lines])
    finding = Finding(KIND, "error", message, where=line or target.where, data=data)
    text = "\n  ".join([head, *lines])
    return NonFiniteError(Report("check_finite", [finding]), text)


def _short(line: SourceLine) -> str:
    text = place(line.file, line.line)
    name = line.function.rpartition(".")[2]
    return f"{text} in {name}" if name else text
