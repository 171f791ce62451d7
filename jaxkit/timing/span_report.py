"""The report on a recording of spans: a table, a timeline, and what was compiled again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from jaxkit.compiles.log import CompileLog
from jaxkit.compiles.timeline import timelines
from jaxkit.report import Finding, Report, Section, Table, Text, Timeline, TimeSpan
from jaxkit.report.blocks import Align, Block
from jaxkit.timing.spans import Spans, SpanStats
from jaxkit.timing.units import seconds_text

__all__ = ["from_recording", "of_spans", "recompiled", "report_of", "to_recording"]

_SHOWN = 100
_RECORDED = 5_000  # spans in the recording of a run, for its timeline


def report_of(spans: Spans) -> Report:
    """The report on all spans that have ended.

    Args:
        spans: The recording, open or closed.
    """
    found = list(spans)
    wall = spans.wall_seconds
    data: dict[str, Any] = {
        "wall_seconds": wall,
        "count": spans.count,
        "spans": [_as_data(stats) for stats in found],
        "traced": dict(spans.traced),
    }
    blocks: list[Block] = [Text(_headline(found, spans.count, wall), style="heading")]
    if found:
        blocks.append(_table(found[:_SHOWN]))
    if len(found) > _SHOWN:
        blocks.append(Text(f"and {len(found) - _SHOWN} more, in the report's data", style="dim"))
    blocks += _traced(spans.traced)
    blocks.append(Section("Timeline" if found else "", partial(_drawn, of_spans(spans)), brief=[]))
    return Report("timer", recompiled(spans), data, blocks)


def of_spans(spans: Spans, log: CompileLog | None = None) -> Timeline:
    """The last spans, and what was compiled meanwhile, on the threads on which they ran.

    Args:
        spans: The recording.
        log: Of what was compiled, if it is not the recording's.
    """
    recent, left_out, epoch = spans.kept()
    log = spans.log or log
    compiled = [] if log is None else timelines(log.events, left_out=log.dropped)
    first = min((begin for _, _, begin, _, _ in recent), default=0)
    origin = epoch + first / 1e9
    drawn = [
        TimeSpan(
            node.name,
            (begin - first) / 1e9,  # exact, as seconds since the epoch are not
            (end - begin) / 1e9,
            track.name,
            "span",
            {} if error is None else {"error": error},
        )
        for node, track, begin, end, error in recent
    ]
    for each in compiled:
        left_out += each.left_out
        shift = each.origin - origin
        drawn += [
            TimeSpan(
                s.name, s.start + shift, s.seconds, s.track, f"compile {s.category}", s.details
            )
            for s in each.spans
        ]
    return Timeline(drawn, "spans", origin, os.getpid(), left_out)


def to_recording(spans: Spans) -> dict[str, Any] | None:
    """The figures and the last spans as JSON values; None where there are none.

    Args:
        spans: The recording.
    """
    found = list(spans)
    if not found and not spans.traced:
        return None
    timeline = of_spans(spans)
    last = timeline.spans[-_RECORDED:]
    return {
        "wall_seconds": spans.wall_seconds,
        "count": spans.count,
        "traced": dict(spans.traced),
        "stats": [_as_data(stats) for stats in found],
        "origin": timeline.origin,
        "process": timeline.process,
        "left_out": timeline.left_out + len(timeline.spans) - len(last),
        "last": [[s.name, s.start, s.seconds, s.track, dict(s.details)] for s in last],
    }


def from_recording(data: Mapping[str, Any]) -> list[Block]:
    """What a person reads of what `to_recording` has written.

    Args:
        data: As read back.
    """
    found = [SpanStats(**{**each, "path": tuple(each["path"])}) for each in data["stats"]]
    spans = [
        TimeSpan(str(name), start, seconds, str(track), "span", details)
        for name, start, seconds, track, details in data["last"]
    ]
    timeline = Timeline(spans, "spans", data["origin"], data["process"], data["left_out"])
    drawn = partial(_drawn, timeline)
    return [
        Text(_headline(found, data["count"], data["wall_seconds"]), style="heading"),
        *([_table(found[:_SHOWN])] if found else []),
        *_traced(data["traced"]),
        Section("Spans" if found else "", drawn, brief=[]),
    ]


def _traced(traced: Mapping[str, int]) -> list[Block]:
    if not traced:
        return []
    times = ", ".join(f"{name} ({count:,}x)" for name, count in list(traced.items())[:_SHOWN])
    return [
        Text(
            f"called under a trace, where nothing runs that could be timed: {times}; time what "
            "calls the compiled function",
            style="dim",
        )
    ]


def recompiled(spans: Spans) -> list[Finding]:
    """A finding for each function that was compiled again within a span, and need not have been.

    Args:
        spans: The recording.
    """
    if spans.log is None:
        return []
    found: list[Finding] = []
    for each in spans.log.report().findings:
        data = each.data
        if each.severity == "info" or _key(data) not in spans.heard:
            continue
        took = f"{seconds_text(data['seconds'])} of compilation are in the times of spans"
        found.append(
            Finding("recompiled", "warning", f"{each.message}; {took}", each.where, each.fix, data)
        )
    return found


def _key(data: Any) -> tuple[str, str, int]:
    return data["function"], data["file"], data["line"]


def _drawn(timeline: Timeline) -> list[Timeline]:
    return [timeline]


def _as_data(stats: SpanStats) -> dict[str, Any]:
    return {
        "path": list(stats.path),
        "count": stats.count,
        "total": stats.total,
        "mean": stats.mean,
        "p50": stats.p50,
        "p95": stats.p95,
        "max": stats.max,
        "share": stats.share,
        "errors": stats.errors,
        "compile_seconds": stats.compile_seconds,
    }


def _headline(found: list[SpanStats], count: int, wall: float) -> str:
    if not found:
        return "jaxkit: no span has ended"
    names = len({stats.name for stats in found})
    spans = "1 span" if count == 1 else f"{count:,} spans"
    return f"jaxkit: {spans} of {names} {'name' if names == 1 else 'names'} in {seconds_text(wall)}"


def _table(found: list[SpanStats]) -> Table:
    """Columns that say nothing in any row are left out."""
    compiles = any(stats.compile_seconds for stats in found)
    errors = any(stats.errors for stats in found)
    columns = ["span", "times", "share", "mean", "p50", "p95", "max"]
    columns += ["compile"] * compiles + ["errors"] * errors
    rows: list[list[str | int]] = []
    for stats in found:
        row: list[str | int] = ["> " * (len(stats.path) - 1) + stats.name, f"{stats.count:,}"]
        row += [f"{stats.share:.1%}"]
        row += [seconds_text(each) for each in (stats.mean, stats.p50, stats.p95, stats.max)]
        row += [seconds_text(stats.compile_seconds) if stats.compile_seconds else ""] * compiles
        row += [stats.errors or ""] * errors
        rows.append(row)
    align: list[Align] = ["left", *("right" for _ in columns[1:])]
    return Table(columns, rows, align=align)
