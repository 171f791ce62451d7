"""Spans of one track put on lanes, on each of which they lie beside or within each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxkit.report.blocks import TimeSpan

__all__ = ["Placed", "place"]

# Two readings of a clock that were rounded differently overlap by this much, in nanoseconds.
_ROUNDING = 2_000


class Placed(NamedTuple):
    """A span on its lane: spans of one lane lie beside or within each other, never across.

    Attributes:
        span: The span.
        lane: From 0; further lanes are for what ran at the same time on one track.
        depth: Within how many others it lies.
        begin: Nanoseconds since the origin.
        end: The same; equal to `begin` for a moment.
    """

    span: TimeSpan
    lane: int
    depth: int
    begin: int
    end: int


def place(spans: Sequence[TimeSpan]) -> list[Placed]:
    """Puts the spans of one track on as few lanes as they need to be nested.

    Args:
        spans: In any order.

    Returns:
        All of them, ordered by begin; of those that begin together the longest first.
    """
    timed = [(round(each.start * 1e9), round((each.seconds or 0.0) * 1e9), each) for each in spans]
    timed.sort(key=lambda item: (item[0], -item[1]))
    lanes: list[_Lane] = []
    placed: list[Placed] = []
    for begin, length, span in timed:
        for number, lane in enumerate([*lanes, _Lane()]):
            fitted = lane.fit(begin, begin + length)
            if fitted is not None:
                if number == len(lanes):
                    lanes.append(lane)
                placed.append(Placed(span, number, len(lane.ends), *fitted))
                lane.add(*fitted, moment=span.seconds is None)
                break
    return sorted(placed, key=lambda each: (each.begin, each.begin - each.end))


class _Lane:
    """The spans that are open on a lane, while they are added in the order of their begins."""

    def __init__(self) -> None:
        self.ends: list[int] = []
        self._last = -(2**63)

    def fit(self, begin: int, end: int) -> tuple[int, int] | None:
        """Where a span would stand; None if it would cross one that is open.

        What reaches into another by no more than rounding does is moved or cut.
        """
        slack = min(_ROUNDING, (end - begin) // 2)
        while self.ends and self.ends[-1] <= begin:
            self.ends.pop()
        while self.ends and end > self.ends[-1] and self.ends[-1] - begin <= slack:
            begin = self.ends.pop()
        begin = max(begin, self._last)
        end = max(begin, end)
        if not self.ends or end <= self.ends[-1]:
            return begin, end
        return (begin, self.ends[-1]) if end - self.ends[-1] <= slack else None

    def add(self, begin: int, end: int, *, moment: bool) -> None:
        """Puts there what fits."""
        self._last = begin
        if not moment:
            self.ends.append(end)
