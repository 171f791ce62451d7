"""Long sums in 16 bits."""

from __future__ import annotations

import math
from collections.abc import Iterator

from jaxkit._jax.jaxprs import open_jaxpr
from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Node, Region, Value
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.report import Finding

# bfloat16 has 8 bits: from 256 on, adding 1 changes nothing, so that 512 ones add up to 256.
LONG = 512
_LOW = frozenset({"bfloat16", "float16"})
_CUMULATIVE = frozenset({"cumsum", "cumprod"})
_CALLED = frozenset(
    {"sum", "prod", "einsum", "reduce_sum", "reduce", "trace", "add", "_scatter_add"}
)
_MOVES = frozenset({"convert_element_type", "reshape", "copy", "squeeze", "broadcast_in_dim"})


def low_precision_accumulation(code: Code) -> Iterator[Finding]:
    """Sums of `LONG` or more numbers in bfloat16 or float16.

    Args:
      code: the function.
    """
    for node in code.graph.nodes:
        if node.backward or node.again:
            continue
        if _is_sum(node):
            terms = _terms(node)
            if node.outs[0].dtype in _LOW and terms >= LONG:
                yield _finding(node, terms, str(node.ins[0]))
        elif node.name in ("scan", "while"):
            yield from _loops(node)


def _is_sum(node: Node) -> bool:
    """Whether it is a sum that the user's line asks for, and not one of the inside of JAX's."""
    if node.name in _CUMULATIVE:
        return True
    if node.name == "scatter-add":
        return node.own and not node.derived
    if node.name == "reduce" and node.own:
        combiner = open_jaxpr(node.params.get("jaxpr"))
        return [eqn.primitive.name for eqn in combiner.eqns] == ["add"]
    asked = not _CALLED.isdisjoint(node.origin.through[-1:])
    return node.name in ("reduce_sum", "reduce_prod") and node.own and asked


def _finding(node: Node, terms: int | None, what: str) -> Finding:
    dtype = node.outs[0].dtype if node.name not in ("scan", "while") else what
    count = "an unknown number of" if terms is None else f"{terms}"
    return finding(
        "low-precision-accumulation",
        node.where,
        f"{count} terms are added up in {dtype}, which has {_bits(dtype)} bits: once the sum is "
        f"{2 ** _bits(dtype)} times a term, adding it changes nothing",
        "add up in float32: sum with dtype=jnp.float32, or convert before and start from a float32 "
        "zero; convert the sum back",
        {"terms": terms, "dtype": dtype, "primitive": node.name},
    )


def _bits(dtype: str) -> int:
    return 8 if dtype == "bfloat16" else 11


def _terms(node: Node) -> int:
    """How many numbers go into one of the results."""
    shape = node.ins[0].shape
    if node.name == "scatter-add":
        return node.ins[2].size // max(node.ins[0].size, 1)
    axes = node.params.get("axes") or node.params.get("dimensions") or (node.params.get("axis"),)
    lengths = [shape[axis] for axis in axes if isinstance(axis, int)]
    return math.prod(lengths)


def _loops(node: Node) -> Iterator[Finding]:
    """Carries to which each turn adds something that does not depend on the carry itself."""
    for region in node.regions:
        if region.kind != "loop" or (region.turns is not None and region.turns < LONG):
            continue
        if region.turns is None:
            continue  # how long the sum is nobody knows
        carries = [value for value in region.inputs if value.region is region]
        for carry in carries:
            if carry.kind != "carry" or carry.dtype not in _LOW:
                continue
            add = _adds(carry, region)
            if add is not None:
                found = _finding(node, region.turns, carry.dtype)
                yield Finding(
                    found.kind, found.severity, found.message, add.where, found.fix, found.data
                )


def _adds(carry: Value, region: Region) -> Node | None:
    """The addition that makes the carry of the next turn, if that is all that is done to it."""
    users = [node for node in carry.users if node.region is region]
    if len(users) != 1 or users[0].name not in ("add", "sub", "add_any"):
        return None
    add = users[0]
    if add.name == "sub" and add.ins[0] is not carry:
        return None
    value = add.outs[0]
    for out in region.outs:
        back = out
        while back.node is not None and back.node.name in _MOVES and back is not value:
            back = back.node.ins[0]
        if back is value:
            return add
    return None
