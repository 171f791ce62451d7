"""Results whose dtype is that of a Python number."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Graph, Value
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.report import Finding


def weak_type_output(code: Code) -> Iterator[Finding]:
    """Weakly typed results that are computed, from no weakly typed argument.

    Args:
      code: the function.
    """
    graph = code.written_graph
    given = _from_weak_inputs(graph)
    for i, output in enumerate(graph.outputs):
        if not output.weak or id(output) in given or output.node is None:
            continue
        origin = _origin(output)
        yield finding(
            "weak-type-output",
            origin.node.where if origin.node is not None else code.header,
            f"result {i}, {output}, has the weak type of a Python number: a function that is "
            "called with it and later with an array compiles twice, and it gives way to any other "
            "dtype",
            f"give it a dtype where it is made: jnp.asarray(..., jnp.{output.dtype}), or numbers "
            f"such as jnp.{output.dtype}(1)",
            {"output": i, "type": str(output)},
        )


def _origin(value: Value) -> Value:
    """The first value of a chain that is weak, and made from none that is but numbers."""
    while value.node is not None:
        weak = [each for each in value.node.ins if each.weak and each.node is not None]
        if not weak or value.node.regions:
            break
        value = weak[0]
    return value


def _from_weak_inputs(graph: Graph) -> set[int]:
    """Ids of the values that a weakly typed input has a part in."""
    found = {id(value) for value in graph.inputs if value.weak}
    if not found:
        return found
    for node in graph.nodes:
        for region in node.regions:
            found.update(
                id(value)
                for value in region.inputs
                if value.outer is not None and id(value.outer) in found
            )
        if any(id(value) in found for value in node.ins):
            found.update(id(value) for value in node.outs)
    return found
