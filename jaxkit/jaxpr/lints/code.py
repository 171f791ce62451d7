"""What a lint rule gets: a traced function, and the graphs of it."""

from __future__ import annotations

import functools
import linecache
import re
from typing import Any

from jaxkit._jax.frames import argument_names
from jaxkit._jax.jaxprs import Program, open_jaxpr
from jaxkit._jax.traces import function_of
from jaxkit.jaxpr.lints.build import build
from jaxkit.jaxpr.lints.graph import Graph
from jaxkit.jaxpr.lints.numbering import number
from jaxkit.report import SourceLine

_DEFINITION = re.compile(r"\s*(async\s+)?def\b")
_DECORATORS = 30  # at most so many lines of them are looked through for the `def`


class Code:
    """A traced function, for rules to look at.

    Attributes:
      program: as JAX traced it: ``written`` with dead code, ``lowered`` with all that runs.
      donated: numbers of the inputs that it may overwrite, captured ones not counted.
    """

    def __init__(self, program: Program, donated: tuple[int, ...] = ()) -> None:
        self.program, self.donated = program, donated

    @property
    def written(self) -> Any:
        """The closed jaxpr as it was written, dead code included."""
        return self.program.written

    @property
    def lowered(self) -> Any:
        """The closed jaxpr of what runs; it may have lost dead code."""
        return self.program.lowered

    @functools.cached_property
    def graph(self) -> Graph:
        """The graph of `lowered`, its values numbered."""
        if self.lowered is self.written:
            return self.written_graph
        return _numbered(self.lowered)

    @functools.cached_property
    def written_graph(self) -> Graph:
        """The graph of `written`, its values numbered."""
        return _numbered(self.written)

    @property
    def name(self) -> str:
        """What the function is called."""
        found = function_of(open_jaxpr(self.written))
        return found.name.split(" at ")[0] if found else "the function"

    @functools.cached_property
    def header(self) -> SourceLine | None:
        """The line with the function's name and parameters."""
        return self.decorator(None)

    def decorator(self, word: str | None) -> SourceLine | None:
        """The line of the decorator in which a word stands; without one, that of the ``def``.

        Args:
          word: to look for.
        """
        found = function_of(open_jaxpr(self.written))
        if found is None:
            return None
        for line in range(found.line, found.line + _DECORATORS):
            text = linecache.getline(found.file, line)
            if _DEFINITION.match(text) or (word is not None and word in text):
                return SourceLine(found.file, line, None, found.name)
        return SourceLine(found.file, found.line, None, found.name)

    @functools.cached_property
    def arguments(self) -> tuple[str, ...]:
        """What the user calls each input, captured ones not counted."""
        known = argument_names(open_jaxpr(self.written))[self.program.captured :]
        ours = self.program.arguments
        return known if len(known) == len(ours) else ours


def _numbered(closed: Any) -> Graph:
    graph = build(closed)
    number(graph)
    return graph
