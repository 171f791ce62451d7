"""Which equations to look at closely: those at which the error becomes too large."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jaxkit.numerics.precision.ancestry import Ancestry, operands
from jaxkit.numerics.precision.classify import AMPLIFIES
from jaxkit.numerics.precision.plan import Loop, Tap

__all__ = ["Statistics", "Suspect", "pick", "summarize"]

_SHARE = 0.1  # of the output's error that must pass through a suspect
_LESS, _ANY = 0.01, 1e-6
_CROSSINGS, _ORIGINS, _ROOTS = 2, 2, 3
_ALL = 0.1  # of a result: an error that soon grows no further
_MANY = 16  # independent crossings, of which those with the largest flow are looked at


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What is known of one equation.

    Args:
        tap: The equation.
        contribution: Of the output's error, what is made here; 1 is all of it.
        weight: The same of each turn by itself, without regard to sign.
        flow: For each turn, of the output's error what passes through here.
        total: For each turn, the relative error of the result where it matters to the output.
        introduced: Of that, what is made here.
        made: For each turn its contribution.
        passed: For each turn what its elements make of the output's error, whatever their signs.
        size: For each turn how large the result is, by what it means to the output.
        lengths: How often each of the loops around it turns.
    """

    tap: Tap
    contribution: float
    weight: float
    flow: np.ndarray
    total: np.ndarray
    introduced: np.ndarray
    made: np.ndarray
    passed: np.ndarray
    size: np.ndarray
    lengths: tuple[int, ...]

    @property
    def shrinks(self) -> float:
        """How much larger than in the end the result has been in an earlier turn."""
        turned = self.size[self.size > 0]  # a `while` may turn less often than there are turns
        return float(turned.max() / turned[-1]) if turned.size else 1.0

    @property
    def rate(self) -> float:
        """By how much its error grows from turn to turn; 1 where errors but add up."""
        turned = self.total[self.total > 0]
        large = np.flatnonzero(turned > _ALL)
        turned = turned[: large[0] + 1] if large.size else turned
        if turned.size < 2 or turned[-1] < AMPLIFIES * turned.size * turned[0]:
            return 1.0
        return float((turned[-1] / turned[0]) ** (1 / (turned.size - 1)))

    def turn(self, at: int) -> tuple[int, ...]:
        """The number of a turn in each of the loops around it.

        Args:
            at: Which one, in the order of time.
        """
        if not self.lengths:
            return ()
        index = np.unravel_index(at, self.lengths)
        pairs = zip(self.tap.turns, index, strict=True)
        return tuple(_in_time(loop, int(i)) for loop, i in pairs)


@dataclasses.dataclass(frozen=True)
class Suspect:
    """An equation at one turn of the loops around it.

    Args:
        statistics: The equation.
        at: Which of its turns is looked at, in the order of time.
        crossing: Whether its error is above what is allowed.
        first: In which turn it is so for the first time; `at` where it is so in none.
        root: Whether it does not have its error from another crossing.
    """

    statistics: Statistics
    at: int
    crossing: bool
    first: int
    root: bool = False

    @property
    def tap(self) -> Tap:
        """The equation."""
        return self.statistics.tap

    @property
    def turn(self) -> tuple[int, ...]:
        """The index of the turn in each loop around it."""
        return self.statistics.turn(self.at)

    @property
    def first_turn(self) -> tuple[int, ...]:
        """The same of the first turn that is off."""
        return self.statistics.turn(self.first)

    @property
    def order(self) -> tuple[int, ...]:
        """Sorts by when it happens."""
        key: list[int] = []
        for loop, turn in zip(self.tap.turns, self.turn, strict=True):
            key += [_first(loop), _in_time(loop, turn)]
        return (*key, self.tap.index)


def _first(loop: Loop) -> int:
    return min((tap.index for tap in loop.body.all_taps()), default=0)


def _is_reversed(loop: Loop) -> bool:
    return bool(loop.eqn.params.get("reverse", False))


def _in_time(loop: Loop, turn: int) -> int:
    return loop.length - 1 - turn if _is_reversed(loop) else turn


def summarize(found: Mapping[Tap, np.ndarray]) -> list[Statistics]:
    """The statistics of each equation, of the arrays that attribution gives."""
    arrays = [_in_order(tap, array) for tap, array in found.items()]
    if not arrays:
        return []
    rows = [array.reshape(-1, array.shape[-1]) for array in arrays]
    made, flow, value, *squares = np.concatenate(rows).T
    with np.errstate(divide="ignore", invalid="ignore"):
        passed, size = np.sqrt(squares[0]), np.sqrt(value)
        ratios = np.sqrt(np.stack(squares) / value)
    error, own = np.where(np.isnan(ratios), 0, ratios)  # nothing of nothing is no error
    ends = np.cumsum([len(each) for each in rows])
    result: list[Statistics] = []
    begin = 0
    for tap, array, end in zip(found, arrays, ends.tolist(), strict=True):
        of = slice(begin, end)
        mine, begin = made[of], end
        whole, weight = float(mine.sum()), float(abs(mine).sum())
        lengths = array.shape[:-1]
        turns = flow[of], error[of], own[of], mine, passed[of], size[of]
        result.append(Statistics(tap, whole, weight, *turns, lengths))
    return result


def _in_order(tap: Tap, array: np.ndarray) -> np.ndarray:
    """With turns in the order of time."""
    axes = [axis for axis, loop in enumerate(tap.turns) if _is_reversed(loop)]
    return np.flip(array, tuple(axes)) if axes else array


def pick(statistics: Sequence[Statistics], rtol: float, ancestry: Ancestry) -> list[Suspect]:
    """The equations to look at, in the order in which they are to be believed.

    Those at which the error crosses what is allowed come first, in the order of time, then those
    that make the most of it. Of crossings that nothing leads from one to the other of, that comes
    first which more of the output's error passes through.
    """
    crossings = _crossings(statistics, rtol)
    roots = _roots(crossings, ancestry)
    by_tap = {each.tap: each for each in statistics}
    sources = [_source(root, by_tap, rtol) for root in roots]
    found = list({suspect.tap: suspect for suspect in sources[::-1]}.values())[::-1]
    seen = {suspect.tap for suspect in found}
    found += [each for each in crossings if each.tap not in seen][: max(0, _CROSSINGS - len(found))]
    origins = sorted(statistics, key=lambda each: -each.weight)[:_ORIGINS]
    for each in origins:
        if each.weight > 0 and all(each.tap is not other.tap for other in found):
            found.append(_suspect(each, int(np.argmax(abs(each.made))), rtol, crossing=False))
    return found


def _crossings(statistics: Sequence[Statistics], rtol: float) -> list[Suspect]:
    crossings: list[Suspect] = []
    off = [each for each in statistics if each.total.max(initial=0) > rtol]
    for share in (_SHARE, _LESS):
        for each in off:
            bad = np.flatnonzero((each.total > rtol) & (abs(each.flow) > share))
            if bad.size:
                crossings.append(_suspect(each, int(bad[0]), rtol, crossing=True))
        if crossings:
            break
    return sorted(crossings, key=lambda suspect: suspect.order)


def _roots(crossings: Sequence[Suspect], ancestry: Ancestry) -> list[Suspect]:
    """The crossings that no other leads to, that first through which most passes."""
    roots: list[Suspect] = []
    for each in crossings:
        if not any(ancestry.feeds(root.tap, each.tap) for root in roots):
            roots.append(dataclasses.replace(each, root=True))
        if len(roots) == _MANY:
            break
    return sorted(roots, key=lambda each: -abs(each.statistics.flow).max())[:_ROOTS]


def _source(root: Suspect, by_tap: Mapping[Tap, Statistics], rtol: float) -> Suspect:
    """Where a crossing has its error from, if what it has it from is off too.

    Noise around a mean of zero has no flow to first order: what it makes of a square has.
    """
    at, now = root.at, root.statistics
    while True:
        taps, carried = operands(now.tap)
        before = [by_tap[tap] for tap in taps if tap in by_tap]
        before = [each for each in before if each.lengths == now.lengths]
        most = max(before, key=lambda each: each.passed[at], default=None)
        if most is None or most.total[at] <= rtol or now.introduced[at] > now.total[at] / 2:
            break
        if carried and most.passed[at] < now.passed[at] / 2:
            break  # it may come from the turn before
        now = most
    return root if now is root.statistics else Suspect(now, at, True, root.first, root=True)


def _suspect(each: Statistics, at: int, rtol: float, *, crossing: bool) -> Suspect:
    # A turn that means next to nothing to the output may well be looked at last, and be off first.
    off = np.flatnonzero((each.total > rtol) & (abs(each.flow) > _ANY))
    return Suspect(each, at, crossing, min(at, int(off[0])) if off.size else at)
