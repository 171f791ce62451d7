"""Random keys that are used twice, so that what looks random is the same again.

JAX's own check (``jax_debug_key_reuse``) runs only with typed keys, while a program is called; its
rules are not public. This one sees raw keys as well, and names both lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Node, Region
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.jaxpr.lints.places import apart, short
from jaxkit.report import Finding

# What a key is for: numbers or other keys are drawn from it. `jax.random.fold_in` is not here: a
# key may be folded with many numbers.
_CONSUMERS = {"random_bits": "draws from", "random_split": "splits", "random_gamma": "draws from"}
# A loop of fewer turns uses a key once.
FEW_TURNS = 2


def key_reuse(code: Code) -> Iterator[Finding]:
    """Keys from which two equations draw, or one in each turn of a loop that does not change it.

    Args:
      code: the function.
    """
    graph = code.graph
    live = graph.live()
    used: dict[int, list[Node]] = {}
    said: set[Any] = set()
    for node in graph.nodes:
        if node.name not in _CONSUMERS or node.again or node.backward or id(node) not in live:
            continue
        number = node.ins[0].number
        before = used.setdefault(number, [])
        first = next((each for each in before if not _exclusive(each.region, node.region)), None)
        before.append(node)
        if first is None and not _same_in_each_turn(node):
            continue
        found = _in_loop(node) if first is None else _twice(first, node)
        line = found.where and (found.where.file, found.where.line)
        if line not in said:  # a function may use a key that it is given more than once itself
            said.add(line)
            yield found


def _twice(first: Node, second: Node) -> Finding:
    where, earlier = apart(first, second)
    return finding(
        "key-reuse",
        where,
        f"{_CONSUMERS[second.name]} a random key that was used before ({short(earlier, where)}): "
        "the same numbers come again",
        "key, subkey = jax.random.split(key), and use each key once",
        {"first": None if earlier is None else earlier.to_dict()},
    )


def _in_loop(node: Node) -> Finding:
    return finding(
        "key-reuse",
        node.where,
        f"{_CONSUMERS[node.name]} a random key that is the same in each turn of the loop: "
        "each turn gets the same numbers",
        "fold the turn's number in, jax.random.fold_in(key, i), or scan over jax.random.split(key, "
        "n)",
        {"times": node.region.repeats},
    )


def _same_in_each_turn(node: Node) -> bool:
    """Whether it stands in a loop, and its key comes from outside and is not made from a part."""
    loop = next((each for each in node.region.around if each.kind == "loop"), None)
    if loop is None or (loop.turns is not None and loop.turns < FEW_TURNS):
        return False
    key = node.ins[0]
    while key.node is not None and key.region in _inside(loop, node.region):
        if key.node.name not in _UNCHANGED:
            return False
        if any(each.region in _inside(loop, node.region) for each in key.node.ins[1:]):
            return False
        if not key.node.ins:
            return True  # made from a number in the loop
        key = key.node.ins[0]
    return key.region not in _inside(loop, node.region)


# What makes the same of the same: part of an array of keys, their raw form.
_UNCHANGED = frozenset(
    """random_wrap random_unwrap slice squeeze reshape dynamic_slice gather copy random_seed
    broadcast_in_dim convert_element_type concatenate random_fold_in""".split()
)


def _inside(loop: Region, region: Region) -> list[Region]:
    """The regions from one out to its loop."""
    found: list[Region] = []
    for each in region.around:
        found.append(each)
        if each is loop:
            break
    return found


def _exclusive(one: Region, other: Region) -> bool:
    """Whether two regions are in different branches of one `cond`."""
    branches = {id(each.holder): each for each in one.around if each.kind == "branch"}
    return any(
        each.kind == "branch"
        and id(each.holder) in branches
        and branches[id(each.holder)] is not each
        for each in other.around
    )
