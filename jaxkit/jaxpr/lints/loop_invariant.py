"""Work that is the same in each turn of a loop."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Node, Region, Value
from jaxkit.jaxpr.lints.heavy import MANY_ELEMENTS, is_heavy, is_made_of_numbers
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.units import flops_text
from jaxkit.report import Finding

# In a loop of fewer turns nothing is repeated.
FEW_TURNS = 2
# Functions such as exp: from so many elements on, if all turns together have `MANY_ELEMENTS`.
SOME_ELEMENTS = 256


def loop_invariant(code: Code) -> Iterator[Finding]:
    """Heavy equations in a loop whose operands all come from outside of it.

    Args:
      code: the function.
    """
    graph = code.graph
    live = graph.live()
    fixed: set[int] = set()
    numbers: dict[int, bool] = {}
    lines: dict[tuple[str, int], list[Node]] = {}
    for node in graph.nodes:
        for value in node.outs:
            is_made_of_numbers(value, numbers)
        loop = _loop(node)
        if loop is None or node.eqn.effects or not _is_fixed(node, loop, fixed):
            continue
        fixed.update(id(value) for value in node.outs)
        if any(numbers.get(id(value), False) for value in node.outs):
            continue
        if _is_costly(node) and id(node) in live and node.where and not _is_derived(node):
            lines.setdefault((node.where.file, node.where.line), []).append(node)
    for nodes in lines.values():
        yield _finding(nodes)


def _finding(nodes: list[Node]) -> Finding:
    worst = max(nodes, key=lambda node: node.flops)
    flops = sum(node.flops for node in nodes)
    region = worst.region
    return finding(
        "loop-invariant",
        worst.where,
        f"{worst.name} of {' and '.join(str(value) for value in worst.ins[:2])} "
        f"({flops_text(flops)}) depends on nothing that changes in the loop, and is computed "
        f"{region.times}",
        "compute it before the loop and use the result inside",
        {"primitive": worst.name, "flops": flops, "times": region.repeats},
    )


def _is_costly(node: Node) -> bool:
    elements = node.work.transcendentals
    all_turns = elements * node.region.repeats
    return is_heavy(node) or (elements >= SOME_ELEMENTS and all_turns >= MANY_ELEMENTS)


def _loop(node: Node) -> Region | None:
    """The loop in whose body it stands, not in a branch there."""
    region = node.region
    if region.kind != "loop" or (region.turns is not None and region.turns < FEW_TURNS):
        return None
    return region


def _is_fixed(node: Node, loop: Region, fixed: set[int]) -> bool:
    return all(id(value) in fixed or _is_outside(value, loop) for value in node.ins)


def _is_outside(value: Value, loop: Region) -> bool:
    return value.region is not loop


def _is_derived(node: Node) -> bool:
    """A gradient's own work; and what a checkpointed region computes again."""
    return node.backward or node.again
