"""Numbers for values: two that are computed alike from the same have the same one."""

from __future__ import annotations

import itertools
from typing import Any

from jaxkit.jaxpr.lints.graph import Graph, Node, Value

# What only hands on its operands, one result for each.
_SAME = frozenset(
    "copy copy_p stop_gradient name optimization_barrier pvary random_wrap random_unwrap".split()
)
_COMMUTE = frozenset("add add_any mul max min and or xor eq ne".split())


def number(graph: Graph) -> None:
    """Gives each value of a program its `number`.

    Args:
      graph: the program.
    """
    fresh = itertools.count()
    known: dict[Any, int] = {}
    keys: dict[Any, int] = {}  # to hash each key, which may be large, just once

    def of(value: Value) -> int:
        if value.number < 0:
            value.number = known.setdefault(_start(value), -1)
            if value.number < 0:
                value.number = known[_start(value)] = next(fresh)
        return value.number

    for node in graph.nodes:
        ins = [of(value) for value in node.ins]
        if node.name in _SAME and len(ins) == len(node.outs):
            for out, same in zip(node.outs, ins, strict=True):
                out.number = same
            continue
        key = _known(node, ins, keys)
        for i, out in enumerate(node.outs):
            if key is None:
                out.number = next(fresh)
                continue
            found = known.get((key, i))
            if found is None:
                found = known[key, i] = next(fresh)
            out.number = found
    for value in graph.outputs:
        of(value)


def _start(value: Value) -> Any:
    """What tells apart the values that no equation makes."""
    if value.kind == "literal":
        try:
            return "literal", value.dtype, type(value.content), value.content.item()
        except (AttributeError, TypeError, ValueError):
            return "literal", value.dtype, type(value.content), repr(value.content)
    return "value", id(value)


def _known(node: Node, ins: list[int], keys: dict[Any, int]) -> int | None:
    """A number for what a node computes, of which operands; None if it also does something."""
    if node.eqn.effects:
        return None
    if node.name in _COMMUTE:
        ins = sorted(ins)
    values = node.params.values()
    if node.name == "convert_element_type":  # weak or not, it computes the same
        values = (node.params["new_dtype"],)
    try:
        return keys.setdefault((node.name, tuple(values), tuple(ins)), len(keys))
    except TypeError:
        key = node.name, tuple(_frozen(value) for value in values), tuple(ins)
        return keys.setdefault(key, len(keys))


def _frozen(value: Any) -> Any:
    """Itself; what cannot be compared, such as an array, is equal where it is one."""
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value
