"""Donated inputs that no output can take the place of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from jaxkit._jax.frames import is_donated
from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Value
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.units import bytes_text
from jaxkit.report import Finding

_KIND = "donation-unusable"
# Donating a number saves nothing, and costs nothing either.
SMALLEST = 2


def donation_unusable(code: Code) -> Iterator[Finding]:
    """Donated inputs of `SMALLEST` elements or more, of whose shape and dtype no output is left.

    Args:
      code: the function.
    """
    graph = code.written_graph
    inputs = graph.inputs[code.program.captured :]
    donated = [i for i in code.donated if i < len(inputs)]
    outputs = [value.aval for value in graph.outputs]
    for i in _unusable([inputs[i].aval for i in donated], outputs):
        value, name = inputs[donated[i]], code.arguments[donated[i]]
        yield _finding(code.decorator("donate"), f"{name}, {value}", value, code.name)
    for call in graph.calls:
        if call.derived:
            continue
        flags = is_donated(call.eqn)
        given = [value for value, flag in zip(call.ins, flags, strict=False) if flag]
        results = [var.aval for var in call.eqn.outvars]
        for i in _unusable([value.aval for value in given], results):
            name = str(call.params.get("name", "the function"))
            yield _finding(call.where, f"an argument of {name}, {given[i]}", given[i], name)


def _finding(where: Any, what: str, value: Value, name: str) -> Finding:
    return finding(
        _KIND,
        where,
        f"{what} ({bytes_text(value.nbytes)}) is donated, but no output of {name} has its shape "
        "and dtype: nothing can be stored in its place, and the caller loses it all the same",
        "donate only what is returned updated, or return it with the shape and dtype that it had",
        {"type": str(value), "bytes": value.nbytes},
    )


def _unusable(given: Sequence[Any], results: Sequence[Any]) -> Iterator[int]:
    """Positions of those for which there is no result, each result being taken once."""
    free = Counter(_type(aval) for aval in results)
    for i, aval in enumerate(given):
        if free[_type(aval)] > 0:
            free[_type(aval)] -= 1
        elif getattr(aval, "size", 0) >= SMALLEST:
            yield i


def _type(aval: Any) -> Any:
    return getattr(aval, "shape", None), str(getattr(aval, "dtype", aval))
