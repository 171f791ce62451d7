"""Where the bars of a `Timeline` go: a strip for each lane, a row for each depth."""

from __future__ import annotations

from typing import NamedTuple

from jaxkit.report.blocks import Timeline, TimeSpan
from jaxkit.report.lanes import Placed, place

__all__ = ["Bar", "Strip", "strips"]

# A page with more bars is slow, and shows no more: the longest are drawn.
_MOST = 2_000


class Bar(NamedTuple):
    """A span as it is drawn: from where and how far, in percent, in which row."""

    left: float
    width: float
    row: int
    name: str
    title: str


class Strip(NamedTuple):
    """A lane of a track with its bars."""

    track: str
    rows: int
    bars: list[Bar]


def strips(timeline: Timeline) -> tuple[list[Strip], int]:
    """The strips of a timeline, and how many spans are not drawn.

    Args:
        timeline: What ran when.
    """
    shown = sorted(timeline.spans, key=lambda span: -(span.seconds or 0.0))[:_MOST]
    tracks: dict[str, list[TimeSpan]] = {}
    for span in shown:
        tracks.setdefault(span.track, []).append(span)
    first = min((span.start for span in shown), default=0.0)
    scale = 100 / (timeline.seconds or 1.0)
    drawn: list[Strip] = []
    for track, spans in tracks.items():
        lanes: dict[int, list[Placed]] = {}
        for each in place(spans):
            lanes.setdefault(each.lane, []).append(each)
        for lane, placed in sorted(lanes.items()):
            name = f"{track} ({lane + 1})" if lane else track
            bars = [_bar(each, first, scale) for each in placed]
            drawn.append(Strip(name, 1 + max(bar.row for bar in bars), bars))
    return drawn, len(timeline.spans) - len(shown)


def _bar(placed: Placed, first: float, scale: float) -> Bar:
    span = placed.span
    length = (placed.end - placed.begin) / 1e9
    said = [f"{span.name}: {length:.3g} s" if span.seconds is not None else span.name]
    said += [f"{name}: {value}" for name, value in span.details.items()]
    left = round((placed.begin / 1e9 - first) * scale, 3)
    return Bar(left, round(length * scale, 3), placed.depth, span.name, ", ".join(said))
