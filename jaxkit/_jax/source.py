"""The user's line that an equation comes from."""

from __future__ import annotations

import functools
import itertools
from types import CodeType
from typing import Any, NamedTuple

from jaxkit._jax.traces import Step, Traces


class Frame(NamedTuple):
    """A line of code."""

    file: str
    line: int
    column: int
    function: str


class Sources:
    """Lines of equations, each traceback read once."""

    def __init__(self) -> None:
        self._lines = Traces(_innermost, (None, None))
        self._functions = Traces(_functions, ())

    def of(self, eqn: Any, jaxpr: Any) -> tuple[Frame | None, Frame | None]:
        """The innermost line of the user's, and the innermost of any library but JAX.

        Both None where nothing is known, as in the body of a jitted helper of JAX's: an equation
        there has the line of the one that calls the helper.

        Args:
          eqn: the equation.
          jaxpr: the jaxpr that it stands in, without its constants.
        """
        return self._lines.of(eqn, jaxpr)

    def functions(self, eqn: Any, jaxpr: Any) -> tuple[str, ...]:
        """Names of the user's functions that were under way, the innermost first.

        Args:
          eqn: the equation.
          jaxpr: the jaxpr that it stands in, without its constants.
        """
        return self._functions.of(eqn, jaxpr)


def _innermost(steps: tuple[Step, ...]) -> tuple[Frame | None, Frame | None]:
    library: Frame | None = None
    for step in steps:
        if step.who == "user":
            return frame_of(step), library
        if step.who in ("library", "jaxkit") and library is None:
            library = frame_of(step)
    return None, library


def _functions(steps: tuple[Step, ...]) -> tuple[str, ...]:
    users = (step.code for step in steps if step.who == "user")
    return tuple(code.co_qualname for code in users if code.co_name != "<module>")


def frame_of(step: Step) -> Frame:
    """The line that was under way."""
    # Equal code of two files is equal: the name of the file tells them apart in the cache.
    return _frame(step.code, step.code.co_filename, step.offset)


@functools.lru_cache(maxsize=20_000)
def _frame(code: CodeType, filename: str, offset: int) -> Frame:
    first, _, start, _ = next(
        itertools.islice(code.co_positions(), offset // 2, None), (None, None, None, None)
    )
    return Frame(
        filename,
        first if first is not None else code.co_firstlineno,
        start + 1 if start is not None else 0,
        code.co_qualname,
    )
