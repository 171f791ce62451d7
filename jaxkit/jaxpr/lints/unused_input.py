"""Arguments that no result depends on."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.units import bytes_text
from jaxkit.report import Finding


def unused_input(code: Code) -> Iterator[Finding]:
    """Inputs that no result and no effect depends on.

    Args:
      code: the function.
    """
    graph = code.written_graph
    used = graph.used()
    inputs = graph.inputs[code.program.captured :]
    for name, value in zip(code.arguments, inputs, strict=False):
        if id(value) not in used:
            yield finding(
                "unused-input",
                code.header,
                f"{name}, {value} ({bytes_text(value.nbytes)}), has no part in the result: it is "
                "transferred, and a new shape of it compiles again, for nothing",
                "remove the parameter, or pass what is needed of it only",
                {"argument": name, "type": str(value), "bytes": value.nbytes},
            )
