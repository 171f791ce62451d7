"""Which equation of one program is which of another, by structure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from jaxkit.jaxpr.align import align
from jaxkit.jaxpr.flow import Entry, Flow, Origin


@dataclasses.dataclass(slots=True)
class Match:
    """Two programs matched.

    Attributes:
      before: the one program.
      after: the other.
      to: for equations of the one, those of the other.
      back: for those of the other, those of the one.
    """

    before: Flow
    after: Flow
    to: dict[int, int] = dataclasses.field(default_factory=dict[int, int])
    back: dict[int, int] = dataclasses.field(default_factory=dict[int, int])

    def join(self, i: int, j: int) -> None:
        """Says that two equations are the same one."""
        self.to[i], self.back[j] = j, i

    def removed(self) -> list[int]:
        """Equations that are only in the one."""
        return [i for i in range(len(self.before.entries)) if i not in self.to]

    def added(self) -> list[int]:
        """Equations that are only in the other."""
        return [j for j in range(len(self.after.entries)) if j not in self.back]

    def same_origin(self, a: Origin, b: Origin) -> bool:
        """Whether two values come from what was matched, or from what was not in both.

        What comes from an equation that was added or removed is no difference of its own.
        """
        if isinstance(a[0], int) and isinstance(b[0], int):
            if a[0] not in self.to or b[0] not in self.back:
                return True
            return (self.to[a[0]], a[1]) == b
        return a == b or isinstance(a[0], int) or isinstance(b[0], int)


def _exactly(entry: Entry) -> Hashable:
    values = tuple(origin[1] for origin in entry.operands if origin[0] == "is")
    return entry.primitive, entry.params, entry.read, entry.made, entry.digests, values


def _but_for_dtypes(entry: Entry) -> Hashable:
    shapes = tuple(_shape(var) for var in (*entry.eqn.invars, *entry.eqn.outvars))
    return entry.primitive, shapes, len(entry.bodies)


def _but_for_lengths(entry: Entry) -> Hashable:
    ranks = tuple(len(_shape(var)) for var in (*entry.eqn.invars, *entry.eqn.outvars))
    return entry.primitive, ranks, len(entry.bodies)


def _primitive(entry: Entry) -> Hashable:
    return entry.primitive


_FEW = 50  # of equal equations, how many are looked at

# Each sees fewer differences than the one before.
_LEVELS: tuple[Callable[[Entry], Hashable], ...] = (
    _exactly,
    _but_for_dtypes,
    _but_for_lengths,
    _primitive,
)


def _shape(atom: Any) -> tuple[Any, ...]:
    return tuple(getattr(atom.aval, "shape", ()))


def match(before: Flow, after: Flow) -> Match:
    """Matches two programs: equal equations first, then those that differ less and less.

    Where all dtypes or lengths are others, the few equations that are equal lead astray: then it is
    begun with those that are equal but for these, and what leaves fewest over is taken.

    Args:
      before: the one program.
      after: the other.
    """
    best: Match | None = None
    for first in range(len(_LEVELS)):
        found = _matched(before, after, _LEVELS[first:])
        if best is None or len(found.to) > len(best.to):
            best = found
        if len(best.to) == min(len(before.entries), len(after.entries)):
            break
    assert best is not None
    return best


def _matched(before: Flow, after: Flow, levels: Sequence[Callable[[Entry], Hashable]]) -> Match:
    a, b = before.entries, after.entries
    found = Match(before, after)
    pairs = align([levels[0](each) for each in a], [levels[0](each) for each in b])
    for i, j in pairs:
        found.join(i, j)
    _join_moved(found)
    gaps = list(_gaps(pairs, len(a), len(b)))
    for level in levels[1:]:
        gaps = [gap for each in gaps for gap in _closer(found, each, level)]
    return found


Gap = tuple[Sequence[int], Sequence[int]]


def _gaps(pairs: Sequence[tuple[int, int]], n: int, m: int) -> Iterator[Gap]:
    """What stands between what was matched, on both sides."""
    i = j = 0
    for x, y in (*pairs, (n, m)):
        if x > i or y > j:
            yield range(i, x), range(j, y)
        i, j = x + 1, y + 1


def _join_moved(found: Match) -> None:
    """Joins equal equations with equal operands, wherever they now stand."""
    free: dict[Hashable, list[int]] = {}
    for i in found.removed():
        free.setdefault(_exactly(found.before.entries[i]), []).append(i)
    for j in found.added():  # in their order, so that operands come before what reads them
        entry = found.after.entries[j]
        operands = tuple(
            (found.back.get(origin[0]), origin[1]) if isinstance(origin[0], int) else origin
            for origin in entry.operands
        )
        for i in free.get(_exactly(entry), ())[:_FEW]:
            if i not in found.to and found.before.entries[i].operands == operands:
                found.join(i, j)
                break


def _closer(found: Match, gap: Gap, level: Callable[[Entry], Hashable]) -> list[Gap]:
    """Joins in a gap what is equal at this level; the gaps that remain."""
    left = [i for i in gap[0] if i not in found.to]
    right = [j for j in gap[1] if j not in found.back]
    if not left or not right:
        return []
    a, b = found.before.entries, found.after.entries
    pairs = align([level(a[i]) for i in left], [level(b[j]) for j in right])
    for i, j in pairs:
        found.join(left[i], right[j])
    gaps = _gaps(pairs, len(left), len(right))
    return [([left[i] for i in x], [right[j] for j in y]) for x, y in gaps]
