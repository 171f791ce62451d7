"""Compilations on a timeline: each function's, with its stages inside. Never imports JAX."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxkit.compiles.event import CompileEvent
from jaxkit.report import Timeline, TimeSpan

__all__ = ["timelines"]

# Between two stages of one compilation passes less than this, unless it was made by hand.
_PAUSE = 0.1


def timelines(events: Sequence[CompileEvent], *, left_out: int = 0) -> list[Timeline]:
    """When was what compiled: a timeline for each process.

    A compilation is a span with the function's name, its stages are spans inside. Where a program
    lowers at one time and compiles at another, these are two spans of one name.

    Args:
      events: in any order; those of a recording from before there were ``spans`` stand where they
        began, one stage after the other.
      left_out: how many events were not kept.
    """
    found: list[Timeline] = []
    for process in dict.fromkeys(event.process for event in events):
        own = [event for event in events if event.process == process]
        stages = [stage for event in own for stage in _stages(event)]
        origin = min((stage.begin for stage in stages), default=0.0)
        begins: dict[str, list[float]] = {}
        for stage in sorted(stages, key=lambda each: each.begin):
            begins.setdefault(stage.thread, []).append(stage.begin)
        spans = [
            span for event in own for span in _spans(event, origin, begins.get(event.thread, []))
        ]
        found.append(Timeline(spans, "compilations", origin, process, left_out))
        left_out = 0
    return found or [Timeline([], "compilations", left_out=left_out)]


class _Stage(NamedTuple):
    thread: str
    name: str
    begin: float
    whole: float


def _stages(event: CompileEvent) -> list[_Stage]:
    """The stages of an event in their order; of an old recording as far as it tells."""
    if event.spans:
        given = [(name, *event.spans[name]) for name in event.stages if name in event.spans]
        found = [_Stage(event.thread, *each) for each in given]
        return sorted(found, key=lambda stage: stage.begin)
    found, begin = [], event.time
    for name in event.stages:
        whole = event.seconds.get(name, 0.0)
        found.append(_Stage(event.thread, name, begin, whole))
        begin += whole
    return found


def _spans(event: CompileEvent, origin: float, begins: Sequence[float]) -> Iterator[TimeSpan]:
    function = event.function
    name = f"{function.name} of {function.traced}" if function.traced else function.name
    for run in _runs(_stages(event), begins):
        begin, end = run[0].begin, run[-1].begin + run[-1].whole
        track = event.thread
        yield TimeSpan(name, begin - origin, end - begin, track, event.via, _details(event))
        for stage in run:
            yield TimeSpan(stage.name, stage.begin - origin, stage.whole, track, stage.name)


def _runs(stages: Sequence[_Stage], begins: Sequence[float]) -> Iterator[list[_Stage]]:
    """Stages with nothing between them; another compilation between two keeps them apart."""
    run: list[_Stage] = []
    for stage in stages:
        if run:
            last = run[-1].begin + run[-1].whole
            between = bisect_left(begins, last) < bisect_left(begins, stage.begin)
            if between or stage.begin - last > _PAUSE:
                yield run
                run = []
        run.append(stage)
    if run:
        yield run


def _details(event: CompileEvent) -> dict[str, str | int | float | None]:
    """What a click on a compilation shows."""
    function, site = event.function, event.call_site
    details: dict[str, str | int | float | None] = {"outcome": event.outcome}
    for number, cause in enumerate(event.causes[:3]):
        details["cause" if number == 0 else f"cause {number + 1}"] = cause.kind
        change = f"{cause.before} -> {cause.after}" if cause.before or cause.after else ""
        if cause.path or change:
            details["changed" if number == 0 else f"changed {number + 1}"] = (
                f"{cause.path or ''}: {change}".strip(": ")
            )
    if function.file:
        details["function"] = (
            f"{function.qualname or function.name} {function.file}:{function.line}"
        )
    if site is not None:
        details["called from"] = f"{site.file}:{site.line}"
    for key, value in (("role", event.role), ("recompile", event.recompile or None)):
        if value:
            details[key] = str(value)
    if event.persistent_cache != "off":
        details["persistent cache"] = event.persistent_cache
    details.update({f"{stage} seconds": value for stage, value in event.seconds.items()})
    return details
