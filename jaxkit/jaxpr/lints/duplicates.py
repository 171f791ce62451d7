"""Heavy work that is done twice on the same operands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Node
from jaxkit.jaxpr.lints.heavy import is_heavy
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.lints.places import apart, short
from jaxkit.jaxpr.units import flops_text
from jaxkit.report import Finding, SourceLine


def duplicate_computation(code: Code) -> Iterator[Finding]:
    """Heavy equations whose result has been computed before, in the same program or loop body.

    Args:
      code: the function.
    """
    graph = code.graph
    live = graph.live()
    first: dict[tuple[int, int], Node] = {}
    found: dict[Any, tuple[SourceLine | None, SourceLine | None, list[Node]]] = {}
    for node in graph.nodes:
        if node.again or node.backward or id(node) not in live or not node.outs:
            continue
        before = first.setdefault((id(node.region), node.outs[0].number), node)
        if before is node or not is_heavy(node):
            continue
        if (before.derived or node.derived) and not _is_one_more_call(before, node):
            continue
        where, earlier = apart(before, node)
        line = where and (where.file, where.line)
        found.setdefault(line, (where, earlier, []))[2].append(node)
    for where, earlier, nodes in found.values():
        yield _finding(where, earlier, nodes)


def _is_one_more_call(first: Node, second: Node) -> bool:
    """Whether two lines, or two calls of one function, have brought the same: not two losses.

    Nor one line, where a rule of JAX's for a derivative computes again.
    """
    one, other = first.place[::-1], second.place[::-1]
    if len(one) != len(other):
        return False
    differ = [i for i, (left, right) in enumerate(zip(one, other, strict=True)) if left != right]
    return len(differ) == 1


def _finding(where: SourceLine | None, earlier: SourceLine | None, nodes: list[Node]) -> Finding:
    worst = max(nodes, key=lambda node: node.flops)
    flops = sum(node.flops for node in nodes)
    more = f" and {len(nodes) - 1} other equations" if len(nodes) > 1 else ""
    return finding(
        "duplicate-computation",
        where,
        f"{worst.name} of {' and '.join(str(value) for value in worst.ins[:2])}{more} "
        f"({flops_text(flops)}) were computed before from the same operands ({short(earlier)}): "
        "they are traced, differentiated and compiled twice, and run twice unless XLA notices",
        "compute it once and use the result twice; for a value and its gradient, "
        "jax.value_and_grad",
        {
            "primitive": worst.name,
            "flops": flops,
            "equations": len(nodes),
            "first": None if earlier is None else earlier.to_dict(),
        },
    )
