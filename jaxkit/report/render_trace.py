"""A report's timelines in the Trace Event Format, which Perfetto and Chrome show.

Open the file at https://ui.perfetto.dev or chrome://tracing: neither uploads it.

References:
    Duca and Sinclair, Trace Event Format, 2016:
    https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from jaxkit.errors import UsageError
from jaxkit.report.blocks import Block, Section, Timeline, TimeSpan
from jaxkit.report.escape import escape
from jaxkit.report.frozen import thaw
from jaxkit.report.lanes import Placed, place
from jaxkit.report.report import Report

__all__ = ["render_trace", "timelines"]


def render_trace(report: Report) -> str:
    """A report's timelines as JSON in the Trace Event Format.

    Example:
        >>> from jaxkit.report import Report, Timeline, TimeSpan
        >>> report = Report("timer", blocks=[Timeline([TimeSpan("step", 0.25, 0.5)])])
        >>> event = json.loads(render_trace(report))["traceEvents"][-1]
        >>> event["name"], event["ph"], event["ts"], event["dur"]
        ('step', 'X', 0.0, 500000.0)

    Args:
        report: A report with at least one `Timeline` among its blocks, also within sections.

    Returns:
        An object with `traceEvents`: processes and threads by name, then complete events
        (`ph: "X"`) and moments (`"i"`), `ts` and `dur` in microseconds from the first of all. On a
        thread they are ordered by time and properly nested; what ran across each other on one
        track, as the tasks of an event loop do, is on several threads of that name.

    Raises:
        UsageError: The report has no timeline.
    """
    found = list(timelines(report.blocks))
    if not found:
        raise UsageError(
            f"a report of {report.tool} has no timeline to be written as .trace.json: save it as "
            ".html, .json or .txt; those of jaxkit.watch and jaxkit.timer have one, until they "
            "are read back from JSON"
        )
    begins = [each.origin + span.start for each in found for span in each.spans]
    first = min(begins, default=min(each.origin for each in found))
    document = {
        "traceEvents": [event for each in _merged(found) for event in _events(each, first)],
        "displayTimeUnit": "ms",
        "otherData": {
            "tool": f"jaxkit {report.tool}",
            "versions": thaw(report.versions),
            "begin": first,
            "left_out": sum(each.left_out for each in found),
        },
    }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"


def timelines(blocks: Sequence[Block]) -> Iterator[Timeline]:
    """All timelines among blocks, also those in sections.

    Args:
        blocks: A report's.
    """
    for block in blocks:
        if isinstance(block, Timeline):
            yield block
        elif isinstance(block, Section):
            yield from timelines(block.whole)


def _merged(found: Sequence[Timeline]) -> Iterator[Timeline]:
    """One timeline for each process: what two of them tell of one thread belongs together."""
    for process in dict.fromkeys(each.process for each in found):
        own = [each for each in found if each.process == process]
        first = min(own, key=lambda each: each.origin if each.spans else math.inf)
        spans = [
            replace(span, start=span.start + (each.origin - first.origin))
            if each != first
            else span
            for each in own
            for span in each.spans
        ]
        yield replace(first, spans=spans)


def _events(timeline: Timeline, first: float) -> Iterator[dict[str, Any]]:
    process = timeline.process
    yield _about("process_name", process, 0, name=escape(timeline.title or "jaxkit"))
    tracks: dict[str, list[TimeSpan]] = {}
    for span in timeline.spans:
        tracks.setdefault(span.track, []).append(span)
    offset = round((timeline.origin - first) * 1e9)
    thread = 0
    for track, spans in sorted(tracks.items(), key=lambda item: item[0] != "MainThread"):
        placed = place(spans)
        for lane in range(1 + max(each.lane for each in placed)):
            thread += 1
            name = f"{track} ({lane + 1})" if lane else track
            yield _about("thread_name", process, thread, name=escape(name))
            yield _about("thread_sort_index", process, thread, sort_index=thread)
            for each in placed:
                if each.lane == lane:
                    yield _event(each, offset, process, thread)


def _about(what: str, process: int, thread: int, **args: str | int) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": args}


def _event(placed: Placed, offset: int, process: int, thread: int) -> dict[str, Any]:
    span = placed.span
    moment = span.seconds is None
    event: dict[str, Any] = {
        "ph": "i" if moment else "X",
        "name": escape(span.name),
        "cat": span.category or "span",
        "ts": max(placed.begin + offset, 0) / 1000,
        "pid": process,
        "tid": thread,
    }
    event.update({"s": "t"} if moment else {"dur": (placed.end - placed.begin) / 1000})
    if span.details:
        event["args"] = {name: _plain(value) for name, value in span.details.items()}
    return event


def _plain(value: str | int | float | None) -> str | int | float | None:
    """What JSON has: neither infinities nor half a character."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return escape(value) if isinstance(value, str) else value
