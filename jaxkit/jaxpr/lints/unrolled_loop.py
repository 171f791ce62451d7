"""Python loops that JAX has traced turn by turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from jaxkit._jax.source import Frame
from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Graph, Node, Value
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.lints.loops import line_in_loop
from jaxkit.report import Finding, SourceLine

# From so many turns on. A dozen layers that differ in their parameters are often unrolled on
# purpose.
MANY_TURNS = 16
# Lines of one loop that are looked at, the one that is repeated most often first.
_LINES = 3
_LOOPS = 16  # in a program
_SLICES = frozenset("slice dynamic_slice gather unstack split".split())
# What adds up the leaves of a tree is no loop over turns that are alike.
_ADDS = frozenset("add add_any max min and or".split())
_MOVES = frozenset("squeeze reshape convert_element_type broadcast_in_dim copy".split())


def unrolled_loop(code: Code) -> Iterator[Finding]:
    """Lines whose equations stand `MANY_TURNS` times in a program, each using the one before.

    Or each working on another part of one array.

    Args:
      code: the function.
    """
    graph = code.graph
    looked: dict[Any, int] = {}
    said: set[Any] = set()
    groups = _groups(graph)
    usual = _turns_by_line(groups)
    for place, group in _candidates(groups):
        loop = place[-1].file, place[-1].function, len(group)
        looked[loop] = looked.get(loop, 0) + 1
        if looked[loop] > _LINES or len(looked) > _LOOPS or loop in said:
            continue
        turns = min(_chain(graph, group), usual[place[-1]])
        fix = "jax.lax.scan over the stacked inputs, or jax.lax.fori_loop, traces one turn only"
        if turns < MANY_TURNS:
            turns = _parts(group)
            fix = "jax.vmap, or jax.lax.map, over the array's first axis traces one turn only"
        if turns >= MANY_TURNS:
            line = line_in_loop(place)
            if line is not None:
                said.add(loop)
                yield _finding(line, turns, len(group), fix)


def _finding(line: SourceLine, turns: int, equations: int, fix: str) -> Finding:
    return finding(
        "unrolled-loop",
        line,
        f"a Python loop has put this line into the program {turns} times: tracing and compiling "
        "take as many times longer",
        fix,
        {"turns": turns, "equations": equations},
    )


def _groups(graph: Graph) -> dict[Any, list[Node]]:
    """Equations that are alike and come from one line."""
    groups: dict[Any, list[Node]] = {}
    for node in graph.nodes:
        if node.own and not node.backward and not node.again and node.flops:
            groups.setdefault(_key(node, node.name), []).append(node)
    for call in graph.calls:
        last = next((value.node for value in call.outs if value.node is not None), None)
        if call.own and not call.backward and not call.again and last is not None and last.flops:
            groups.setdefault(_key(call, f"call {call.params.get('name')}"), []).append(last)
    return groups


def _turns_by_line(groups: dict[Any, list[Node]]) -> dict[Frame, int]:
    """How often the loop around a line has turned: as often as most of what the line brings.

    What a turn brings three times, such as the products of a cube, stands there three times as
    often.
    """
    counts: dict[Frame, Counter[int]] = {}
    for (place, *_), group in groups.items():
        counts.setdefault(place[-1], Counter())[len(group)] += 1
    return {
        line: max(found.items(), key=lambda each: (each[1], each[0]))[0]
        for line, found in counts.items()
    }


def _candidates(groups: dict[Any, list[Node]]) -> list[tuple[tuple[Frame, ...], list[Node]]]:
    """Equations that one line has brought again and again, the largest groups first."""
    many = [(key[0], group) for key, group in groups.items() if len(group) >= MANY_TURNS]
    return sorted(many, key=lambda each: (-len(each[1]), -each[1][0].flops))


def _key(node: Node, name: str) -> Any:
    return node.place, name, id(node.region), tuple((v.shape, v.dtype) for v in node.ins)


def _chain(graph: Graph, group: list[Node]) -> int:
    """How many of them follow upon each other, each needing the result of the one before."""
    members = {id(node) for node in group}
    length: dict[int, int] = {}
    longest = 0
    first, last = min(node.order for node in group), max(node.order for node in group)
    for node in graph.nodes[first : last + 1]:
        before = [length.get(id(value), 0) for value in node.ins]
        is_turn = id(node) in members and not (node.name in _ADDS and 0 in before)
        here = max(before, default=0) + is_turn
        if here or id(node) in members:
            here = max(here, 1)
            longest = max(longest, here)
            for value in node.outs:
                length[id(value)] = here
    return longest


def _parts(group: list[Node]) -> int:
    """Of how many different parts of one array they take an operand."""
    parts: dict[int, set[int]] = {}
    for node in group:
        for value in node.ins:
            part = _part(value)
            if part is not None:
                whole, number = part
                parts.setdefault(whole, set()).add(number)
    return max((len(numbers) for numbers in parts.values()), default=0)


def _part(value: Value) -> tuple[int, int] | None:
    """The array that it is sliced from and the number of the slice."""
    while value.node is not None and value.node.name in _MOVES:
        value = value.node.ins[0]
    node = value.node
    if node is None or node.name not in _SLICES or line_in_loop(node.place) is None:
        return None
    whole = node.ins[0]
    while whole.node is not None and whole.node.name in (*_MOVES, *_SLICES):
        whole = whole.node.ins[0]
    return whole.number, value.number
