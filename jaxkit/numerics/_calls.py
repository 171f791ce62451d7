"""Which function this is, which call of it, and from where."""

from __future__ import annotations

import functools
import linecache
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from jaxkit._jax.stack import Site, read_stack
from jaxkit.compiles.function import innermost_function
from jaxkit.report import SourceLine
from jaxkit.transforms._enclosing import current

__all__ = ["Calls", "Target", "call_line"]


@dataclass(frozen=True)
class Target:
    """A function as a message names it.

    Args:
        name: Its name.
        where: Where it is defined, if that is known.
    """

    name: str
    where: SourceLine | None

    @classmethod
    def of(cls, fun: Any) -> Target:
        """Reads a callable of any kind."""
        while isinstance(fun, functools.partial):
            fun = fun.func
        name = getattr(fun, "__name__", None) or type(fun).__name__
        inner = innermost_function(getattr(fun, "__func__", fun))
        if inner is None and not isinstance(fun, type):
            inner = innermost_function(getattr(type(fun), "__call__", None))  # noqa: B004
        if inner is None:
            return cls(name, None)
        code = inner.__code__
        if name != "<lambda>":
            name = inner.__qualname__.rpartition("<locals>.")[2]
        line = _line_of_def(code.co_filename, code.co_firstlineno)
        return cls(name, SourceLine(code.co_filename, line, function=inner.__qualname__))


def _line_of_def(file: str, first: int) -> int:
    """Code begins at the first decorator; the function where its name is."""
    for number in range(first, first + 50):
        text = linecache.getline(file, number).lstrip()
        if text.startswith(("def ", "async def ")):
            return number
        if not text or (number == first and not text.startswith("@")):
            break
    return first


class Calls:
    """Counts the calls of one wrapped function, on each device apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[int | None] = Counter()

    @classmethod
    def of(cls, fun: Callable[..., Any]) -> Calls:
        """The counter for a function that is being wrapped: a new one for each wrapping.

        Except where that would begin anew at each call: a callable pytree is wrapped again by
        whatever maps over it, so its type has one; so has a definition that a run has wrapped,
        which may be inside of the function that is called in a loop.
        """
        run = current()
        key: Hashable = None
        if run is not None:
            key = run.definition
        elif not hasattr(fun, "__code__") and not hasattr(fun, "__wrapped__"):
            key = type(fun)
        return cls() if key is None else _shared.setdefault(key, cls())

    def next(self, device: int | None = None) -> int:
        """The number of the call that has just been made, from 1.

        Args:
            device: Its number where each device makes a call of its own.
        """
        with self._lock:
            self._counts[device] += 1
            return self._counts[device] + (0 if device is None else self._counts[None])


_shared: dict[Hashable, Calls] = {}


def call_line() -> SourceLine | None:
    """The line of the program that this thread is at; None where no such line is on its stack."""
    site: Site | None = read_stack().site
    if site is None:
        return None
    function = "" if site.function == "<module>" else site.function
    return SourceLine(site.file, site.line, function=function)
