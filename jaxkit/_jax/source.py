"""The user's line that an equation comes from.

Read on JAX 0.10.2 and 0.12.0.1: an equation's ``source_info.traceback`` holds code objects and
instruction offsets, outermost last in ``raw_frames``. The frames are cut at each tracing boundary.
"""

from __future__ import annotations

import functools
import itertools
from types import CodeType
from typing import Any, NamedTuple

from jaxkit._jax.stack import origin


class Frame(NamedTuple):
    """A line of code."""

    file: str
    line: int
    column: int
    function: str


class Sources:
    """Lines of equations, each traceback read once."""

    def __init__(self) -> None:
        self._lines: dict[Any, tuple[Frame | None, Frame | None]] = {}
        self._origins: dict[str, str] = {}

    def of(self, eqn: Any) -> tuple[Frame | None, Frame | None]:
        """The innermost line of the user's, and the innermost of any library but JAX.

        Both None where nothing is known, as in the body of a jitted helper of JAX's.
        """
        traceback = getattr(eqn.source_info, "traceback", None)
        if traceback is None:
            return None, None
        try:
            known = self._lines.get(traceback)
            if known is None:
                known = self._lines[traceback] = self._read(traceback)
            return known
        except Exception:  # another form of traceback: no line, never a wrong one
            return None, None

    def functions(self, eqn: Any) -> tuple[str, ...]:
        """Names of the user's functions that were under way, the innermost first."""
        traceback = getattr(eqn.source_info, "traceback", None)
        if traceback is None:
            return ()
        found: list[str] = []
        try:
            for code in traceback.raw_frames()[0]:
                who = _who(code.co_filename)
                if who == "tracing":
                    break
                if who == "user" and code.co_name != "<module>":
                    found.append(code.co_qualname)
        except Exception:  # another form of traceback
            return ()
        return tuple(found)

    def _read(self, traceback: Any) -> tuple[Frame | None, Frame | None]:
        codes, offsets = traceback.raw_frames()
        library: Frame | None = None
        for code, offset in zip(codes, offsets, strict=True):
            who = self._origins.get(code.co_filename)
            if who is None:
                who = self._origins[code.co_filename] = _who(code.co_filename)
            if who == "user":
                return _frame(code, code.co_filename, offset), library
            if who == "tracing":  # what called us is not part of the program
                break
            if who in ("library", "jaxkit") and library is None:
                library = _frame(code, code.co_filename, offset)
        return None, library


def _who(filename: str) -> str:
    """As `origin`, and ``tracing`` for where jaxkit itself has a function traced."""
    who = origin(filename)
    if who == "library" and "-packages/numpy/" in filename.replace("\\", "/"):
        return "jax"  # which calls it, as in np.ravel of an array of JAX's
    return "tracing" if who == "jaxkit" and filename.endswith("jaxprs.py") else who


@functools.lru_cache(maxsize=20_000)
def _frame(code: CodeType, filename: str, offset: int) -> Frame:
    # Equal code of two files is equal: the name of the file tells them apart in the cache.
    first, _, start, _ = next(
        itertools.islice(code.co_positions(), offset // 2, None), (None, None, None, None)
    )
    return Frame(
        filename,
        first if first is not None else code.co_firstlineno,
        start + 1 if start is not None else 0,
        code.co_qualname,
    )
