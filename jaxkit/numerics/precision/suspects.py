"""Which equations to look at closely: those at which the error becomes too large."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jaxkit.numerics.precision.plan import Loop, Tap

__all__ = ["Statistics", "Suspect", "pick", "summarize"]

_SHARE = 0.1  # of the output's error that must pass through a suspect
_LESS, _ANY = 0.01, 1e-6
_CROSSINGS, _ORIGINS = 2, 2


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
        turns: For each turn the numbers of it in the loops around it, in the order of time.
        made: For each turn its contribution.
    """

    tap: Tap
    contribution: float
    weight: float
    flow: np.ndarray
    total: np.ndarray
    introduced: np.ndarray
    made: np.ndarray
    turns: Sequence[tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Suspect:
    """An equation at one turn of the loops around it.

    Args:
        statistics: The equation.
        at: Which of its turns is looked at, in the order of time.
        crossing: Whether its error is above what is allowed.
        first: In which turn it is so for the first time; `at` where it is so in none.
    """

    statistics: Statistics
    at: int
    crossing: bool
    first: int

    @property
    def tap(self) -> Tap:
        """The equation."""
        return self.statistics.tap

    @property
    def turn(self) -> tuple[int, ...]:
        """The index of the turn in each loop around it."""
        return self.statistics.turns[self.at]

    @property
    def first_turn(self) -> tuple[int, ...]:
        """The same of the first turn that is off."""
        return self.statistics.turns[self.first]

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
    result: list[Statistics] = []
    for tap, array in found.items():
        for axis, loop in enumerate(tap.turns):
            if _is_reversed(loop):
                array = np.flip(array, axis)
        lead = array.shape[:-1]
        columns = array.reshape(-1, array.shape[-1]).T
        made, flow, value = columns[:3]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.sqrt(columns[3:] / value)
        error, own = np.where(np.isnan(ratios), 0, ratios)  # nothing of nothing is no error
        turns = [
            tuple(int(_in_time(loop, i)) for loop, i in zip(tap.turns, index, strict=True))
            for index in np.ndindex(*lead)
        ]
        result.append(
            Statistics(
                tap, float(made.sum()), float(abs(made).sum()), flow, error, own, made, turns
            )
        )
    return result


def pick(statistics: Sequence[Statistics], rtol: float) -> list[Suspect]:
    """The equations to look at, in the order in which they are to be believed.

    Those at which the error crosses what is allowed come first, in the order of time, then those
    that make the most of it.
    """
    crossings: list[Suspect] = []
    for share in (_SHARE, _LESS):
        for each in statistics:
            bad = np.flatnonzero((each.total > rtol) & (abs(each.flow) > share))
            if bad.size:
                crossings.append(_suspect(each, int(bad[0]), rtol, crossing=True))
        if crossings:
            break
    crossings.sort(key=lambda suspect: suspect.order)
    found = crossings[:_CROSSINGS]
    origins = sorted(statistics, key=lambda each: -each.weight)[:_ORIGINS]
    for each in origins:
        if each.weight > 0 and all(each.tap is not other.tap for other in found):
            found.append(_suspect(each, int(np.argmax(abs(each.made))), rtol, crossing=False))
    return found


def _suspect(each: Statistics, at: int, rtol: float, *, crossing: bool) -> Suspect:
    # A turn that means next to nothing to the output may well be looked at last, and be off first.
    off = np.flatnonzero((each.total > rtol) & (abs(each.flow) > _ANY))
    return Suspect(each, at, crossing, min(at, int(off[0])) if off.size else at)
