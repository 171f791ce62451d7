"""A program as a tree: by function, by line of source, by equation, with what each costs.

Equal equations of one line are one row (``12 x dot_general``), so that twelve layers written as a
Python loop read as one. What costs most is unfolded first, until there are as many rows as are
asked for: the tree of a huge program is no larger than that of a small one.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jaxkit.jaxpr.rows import Row, Rows
from jaxkit.jaxpr.units import bytes_text, flops_text, share_text
from jaxkit.report import Tree

if TYPE_CHECKING:
    from jaxkit.jaxpr.inspection import Inspection

_LEAST = 0.002
_WHOLE = 8  # so many children are shown, however little they cost
_UNFOLDED = 0.15


@dataclasses.dataclass(slots=True)
class _Node:
    """A row of the tree, and what has been found below it."""

    row: Row
    level: int
    children: list[_Node] = dataclasses.field(default_factory=list["_Node"])
    rest: str = ""


def tree_of(inspection: Inspection, *, depth: int | None = None, rows: int = 800) -> Tree:
    """The program as a tree of blocks.

    Example:
      >>> import jax, jaxkit, jax.numpy as jnp
      >>> step = jaxkit.inspect(lambda x: jnp.tanh(x @ x))(jax.ShapeDtypeStruct((8, 8), "float32"))
      >>> print(step.tree().children[0].label)
      dot_general f32[8,8] f32[8,8] -> f32[8,8]  1.02 kFLOP

    Args:
      inspection: what `jaxkit.inspect` gave.
      depth: how many levels are shown below the first; None for all.
      rows: how many rows at most, those that cost most first; what is left out is summed up.

    Returns:
      a `jaxkit.report.Tree`: shares are of the program's operations, or of its bytes where it has
      no operations.

    Raises:
      ValueError: `depth` is negative, or `rows` is below 1.
    """
    if depth is not None and depth < 0:
        raise ValueError(f"depth must be 0 or more, or None for all, got depth={depth}")
    if rows < 1:
        raise ValueError(f"rows must be 1 or more, got rows={rows}")
    total = inspection.costs.total
    by_flops = bool(total.flops)
    found = Rows(inspection)
    whole = total.flops if by_flops else total.bytes
    top = _Node(found.top(), 0)
    _unfold(top, whole, depth, rows)
    say = flops_text if by_flops else bytes_text
    return _tree(top, whole, say)


def _unfold(top: _Node, whole: int, depth: int | None, rows: int) -> None:
    """Finds children, of what costs most first."""
    order = itertools.count()
    heap = [(-top.row.amount, next(order), top)]
    left = rows - 1
    while heap and left > 0:
        _, _, node = heapq.heappop(heap)
        if depth is not None and node.level >= depth:
            continue
        children = node.row.children()
        kept = _kept(children, whole, left)
        if kept is None and node is not top:
            continue  # rather closed than cut
        kept = kept or {id(row) for row in sorted(children, key=lambda r: -r.amount)[: left - 1]}
        node.children = [_Node(row, node.level + 1) for row in children if id(row) in kept]
        node.rest = _rest([row for row in children if id(row) not in kept], whole)
        left -= len(node.children) + bool(node.rest)
        for child in node.children:
            if child.row.holds:
                heapq.heappush(heap, (-child.row.amount, next(order), child))


def _kept(children: Sequence[Row], whole: int, left: int) -> set[int] | None:
    """Those worth a row, the others are summed up; None where they are more than are left."""
    kept = {id(row) for row in children if row.amount and row.amount >= _LEAST * whole}
    if len(children) <= _WHOLE or not kept:
        kept = {id(row) for row in children[:_WHOLE]}
    return kept if len(kept) < left else None


def _rest(rows: Sequence[Row], whole: int) -> str:
    if not rows:
        return ""
    count = sum(row.count for row in rows)
    amount = sum(row.amount for row in rows)
    share = share_text(amount, whole) if amount else "nothing to speak of"
    return f"and {count} more, {share}"


def _tree(top: _Node, whole: int, say: Callable[[int], str]) -> Tree:
    """The same as blocks, from the bottom up: it may be deeper than Python recurses."""
    done: dict[int, Tree] = {}
    stack: list[tuple[_Node, bool]] = [(top, False)]
    while stack:
        node, ready = stack.pop()
        if not ready:
            stack.append((node, True))
            stack.extend((child, False) for child in node.children)
            continue
        row = node.row
        share = min(row.amount / whole, 1.0) if whole else None
        children: list[Tree | str] = [done.pop(id(child)) for child in node.children]
        if node.rest:
            children.append(Tree(node.rest, style="dim"))
        amount = f"  {say(row.amount)}" if row.amount else ""
        hidden = f"  ({row.inside})" if row.holds and not children else ""
        done[id(node)] = Tree(
            f"{row.label}{amount}{hidden}",
            children,
            share=share,
            where=row.where,
            style="plain" if row.amount or node is top else "dim",
            folded=bool(node.level) and (share or 0.0) < _UNFOLDED,
        )
    return done[id(top)]
