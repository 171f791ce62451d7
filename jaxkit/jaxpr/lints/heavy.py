"""Which equations are worth a word when they run in vain."""

from __future__ import annotations

from jaxkit.jaxpr.lints.graph import Node, Value

# Matrix products, convolutions, decompositions, transforms: 1,000 operations are a product of two
# 8 x 8 matrices.
HEAVY_FLOPS = 1_000
# Functions such as exp, of arrays: from so many elements on.
MANY_ELEMENTS = 16_384
# Sorting: from so many elements on.
SORTED_ELEMENTS = 512
_SORTS = frozenset({"sort", "top_k", "approx_top_k", "argsort"})


def is_heavy(node: Node) -> bool:
    """Whether an equation does much: itself, or the programs that it holds.

    Args:
      node: the equation.
    """
    if node.name in _SORTS:
        return node.ins[0].size >= SORTED_ELEMENTS
    work = node.work
    return work.matmul + work.linalg >= HEAVY_FLOPS or work.transcendentals >= MANY_ELEMENTS


def is_made_of_numbers(value: Value, seen: dict[int, bool]) -> bool:
    """Whether a value is made of nothing but numbers in the program: the compiler computes it.

    Args:
      value: the value.
      seen: what is known already, by the ids of values; a node's operands come before it.
    """
    known = seen.get(id(value))
    if known is None:
        node = value.node
        if node is None:
            known = value.kind == "literal"
        else:
            known = all(seen.get(id(each), each.kind == "literal") for each in node.ins)
        seen[id(value)] = known
    return known
