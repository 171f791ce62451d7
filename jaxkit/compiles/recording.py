"""Reading back what `watch(jsonl=...)` and ``jaxkit run`` wrote. Never imports JAX."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from jaxkit.compiles.event import SCHEMA, CompileEvent
from jaxkit.report import Finding, SourceLine

RUN_SCHEMA = "jaxkit.run/1"


@dataclasses.dataclass(frozen=True)
class Recording:
    """A recording read back.

    Attributes:
      events: the events, in the order they were written.
      start: when the recording began, seconds since the epoch; None if the line is missing.
      wall_seconds: from begin to end; None when the program did not end by itself.
      meta: the header's and the closing line's other fields.
      problems: one sentence a line that could not be read.
      findings: what the transforms found that the run had applied to the program.
      unfinished: compilations that had begun and did not end, one sentence each: what a program
        was doing when it was killed.
    """

    events: tuple[CompileEvent, ...]
    start: float | None
    wall_seconds: float | None
    meta: Mapping[str, Any]
    problems: tuple[str, ...]
    unfinished: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the program ended by itself, so that the recording is whole."""
        return self.wall_seconds is not None


def read_events(path: str | os.PathLike[str]) -> Recording:
    """Reads a ``.jsonl`` recording, a cut last line included.

    Args:
      path: file written by ``watch(jsonl=path)`` or ``jaxkit run --report path``.

    Returns:
      The `Recording`; lines that cannot be read are named in its ``problems``.

    Raises:
      OSError: the file cannot be read.
      ValueError: no line of the file is one of a recording.
    """
    with open(path, encoding="utf-8", errors="replace") as stream:
        recording = parse_lines(stream)
    if not recording.events and not recording.meta:
        raise ValueError(
            f"path must be a recording of jaxkit (.jsonl), got path={os.fspath(path)!r}, in which "
            "no line is one; `jaxkit run --report x.jsonl SCRIPT` writes one"
        )
    return recording


def parse_lines(lines: Iterable[str]) -> Recording:
    """`read_events` for lines already at hand."""
    events: list[CompileEvent] = []
    problems: list[str] = []
    meta: dict[str, Any] = {}
    begun: dict[str, Mapping[str, Any]] = {}
    findings: list[Finding] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            if not isinstance(data, dict):
                raise ValueError("not a JSON object")
            if data.get("schema") == RUN_SCHEMA and "compiling" in data:
                begun[str(data["compiling"].get("thread"))] = data["compiling"]
            elif data.get("schema") == RUN_SCHEMA and "finding" in data:
                findings.append(_finding(data["finding"]))
            elif data.get("schema") == RUN_SCHEMA:
                meta.update(data)
            elif data.get("schema") == SCHEMA:
                event = CompileEvent.from_dict(data)
                begun.pop(event.thread, None)
                events.append(event)
            else:
                raise ValueError(f"schema {data.get('schema')!r} is not known")
        except (ValueError, AttributeError, TypeError) as error:
            cut = "" if line.endswith("\n") else " (the last line is cut)"
            problems.append(f"line {number} could not be read{cut}: {str(error)[:160]}")
    meta.pop("schema", None)
    start, wall = meta.get("start"), meta.get("wall_seconds")
    unfinished = tuple(_unfinished(what) for what in begun.values())
    found = tuple(findings)
    return Recording(tuple(events), start, wall, meta, tuple(problems), unfinished, found)


def _finding(data: Mapping[str, Any]) -> Finding:
    where = data.get("where")
    place = None if where is None else SourceLine(**where)
    return Finding(**{**data, "where": place})


def _unfinished(what: Mapping[str, Any]) -> str:
    since = time.strftime("%H:%M:%S", time.localtime(float(what.get("since") or 0)))
    place = f"{what.get('file')}:{what.get('line')}"
    return f"it was compiling {what.get('function')} ({place}) since {since}"
