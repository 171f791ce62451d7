"""Work whose result nobody uses."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Graph, Node
from jaxkit.jaxpr.lints.heavy import is_heavy
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.units import flops_text
from jaxkit.report import Finding

# Functions such as exp, of arrays: from so many elements on.
SOME_ELEMENTS = 256


def dead_code(code: Code) -> Iterator[Finding]:
    """Heavy lines of which no equation has a part in a result, those of derivatives left out.

    Args:
      code: the function.
    """
    graph = code.written_graph
    live = graph.live()
    if not _uses_arguments(graph):
        return
    used = {node.where for node in graph.nodes if id(node) in live}
    lines: dict[tuple[str, int], list[Node]] = {}
    for node in graph.nodes:
        if id(node) in live or node.derived or node.again or node.where is None:
            continue
        if any(id(region.holder) not in live for region in node.region.around if region.holder):
            continue  # said of the loop already
        costs = is_heavy(node) or node.work.transcendentals >= SOME_ELEMENTS
        if costs and node.where not in used:
            lines.setdefault((node.where.file, node.where.line), []).append(node)
    for nodes in lines.values():
        worst = max(nodes, key=lambda node: node.flops)
        flops = sum(node.flops for node in nodes)
        yield finding(
            "dead-code",
            worst.where,
            f"the result of {worst.name}, {worst.outs[0] if worst.outs else 'nothing'} "
            f"({flops_text(flops)}), is not used: it is traced and compiled for nothing, and "
            "computed where the function is not jitted",
            "remove it, or return what it was meant for",
            {"primitive": worst.name, "flops": flops},
        )


def _uses_arguments(graph: Graph) -> bool:
    """Whether results depend on an array of numbers that the function is given.

    Where they do not, it is called for what it makes on the way, as one that sets up parameters.
    """
    used = graph.used()
    return any("float" in value.dtype and id(value) in used for value in graph.inputs)
