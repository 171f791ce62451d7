"""Arrays that a function has captured instead of being given them."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Graph, Value
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.units import bytes_text
from jaxkit.report import Finding, SourceLine

# A table of sines or a mask is fine; weights and data are not. Between them, half a MiB.
LARGE = 512 * 1024


def large_constant(code: Code) -> Iterator[Finding]:
    """Captured arrays of `LARGE` bytes or more.

    Args:
      code: the function.
    """
    graph = code.graph
    for constant in graph.constants:
        if constant.nbytes >= LARGE:
            size = bytes_text(constant.nbytes)
            yield finding(
                "large-constant",
                _first_use(graph, constant) or code.header,
                f"{constant} ({size}) is captured from outside the function: it becomes a constant "
                "of the compiled program, which is compiled anew for each new array and holds a "
                "copy of it",
                "pass the array as an argument",
                {"bytes": constant.nbytes, "type": str(constant)},
            )


def _first_use(graph: Graph, constant: Value) -> SourceLine | None:
    """The line of the first equation that reads it, of a call rather than of what is called."""
    uses = [node for node in graph.calls if any(value is constant for value in node.ins)]
    first = min([*uses, *constant.users], key=lambda node: node.order, default=None)
    return None if first is None else first.where
