"""The log of one `watch`: events explained against its own history, in bounded memory."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jaxkit.compiles.cause import explain
from jaxkit.compiles.event import CompileEvent, Function
from jaxkit.compiles.groups import Groups
from jaxkit.compiles.history import History

if TYPE_CHECKING:
    from jaxkit.report import Finding, Report

_MAX_EVENTS = 4_000
_MAX_LEAVES = 150_000


class CompileLog:
    """What was compiled while a `watch` was open.

    The log keeps the last 4,000 events (fewer when their signatures are large); what is older
    is folded into the sums that `report` is made of, so that a run of any length fits.

    Example:
      >>> import jax, jax.numpy as jnp, numpy as np, jaxkit
      >>> double = jax.jit(lambda x: 2 * x)
      >>> with jaxkit.watch() as log:
      ...     for n in (3, 4):
      ...         _ = double(np.ones(n, np.float32))
      >>> [event.kind for event in log.events]
      ['first', 'shape-change']
      >>> log.recompiles[0].causes[0].path
      'x'
    """

    def __init__(
        self,
        *,
        jsonl: str | os.PathLike[str] | None = None,
        on_compile: Callable[[CompileEvent], None] | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._kept: deque[CompileEvent] = deque()
        self._kept_leaves = 0
        self._history = History()
        self._functions: dict[Any, Function] = {}
        self._index = 0
        self._notes: Counter[str] = Counter()
        self._found: list[Finding] = []
        self._on_compile = on_compile
        self._started = time.perf_counter()
        self._start = time.time()
        self._wall: float | None = None
        self._stream: Any = None
        self.groups = Groups()
        # Whether the function object of a token still exists; a watch knows, a recording does not.
        self.is_alive: Callable[[str], bool] = lambda token: False
        self.path = os.path.abspath(os.fspath(jsonl)) if jsonl is not None else None
        if self.path is not None:
            self._stream = open(self.path, "w", encoding="utf-8")  # noqa: SIM115  closed in close()

    @property
    def events(self) -> list[CompileEvent]:
        """The events kept, oldest first: traces alone and failed ones included."""
        with self._lock:
            return list(self._kept)

    @property
    def recompiles(self) -> list[CompileEvent]:
        """The events that compiled a function which had been compiled before."""
        return [event for event in self.events if event.recompile and event.compiled]

    @property
    def dropped(self) -> int:
        """How many old events were folded into the sums and are no longer in `events`."""
        with self._lock:
            return self.groups.events - len(self._kept)

    @property
    def wall_seconds(self) -> float:
        """Seconds since the log was opened, or between its opening and closing."""
        return self._wall if self._wall is not None else time.perf_counter() - self._started

    @property
    def notes(self) -> dict[str, int]:
        """Counts of what went by unread or unusual, by name; empty when all was well."""
        return dict(self._notes)

    def record(self, event: CompileEvent) -> None:
        """Takes an event: gives it its index and causes, writes it, adds it up."""
        with self._lock:
            event = self._explained(event)
            self._index += 1
            self.groups.add(event)
            self._keep(event)
            if self._stream is not None:
                self._write(event.to_json())
        if self._on_compile is not None:
            try:
                self._on_compile(event)
            except Exception:
                self.note("callback_errors")

    def asked(self, event: CompileEvent) -> CompileEvent:
        """A compilation that has not happened, with its causes; ``compiled`` says whether it would.

        An equal call that did compile would be explained by the caches' having been cleared, or by
        two threads at once.
        """
        with self._lock:
            causes = explain(event, self._history.of(event), self.is_alive)
        kind = causes[0].kind
        if kind == "cache-cleared" or "race" in causes[0].detail:  # equal to an earlier one
            return dataclasses.replace(event, outcome="cached")
        return event.explained(-1, causes, recompile=kind != "first")

    def begun(self, function: Function, thread: str) -> None:
        """Writes that a backend compilation has begun: it may be what the program dies in."""
        if self._stream is not None:
            what = {"function": function.name, "file": function.file, "line": function.line}
            about = {**what, "thread": thread, "since": time.time()}
            with self._lock:
                self._write(json.dumps({"schema": "jaxkit.run/1", "compiling": about}))

    def note(self, name: str, count: int = 1) -> None:
        """Counts something that the report should say."""
        with self._lock:
            self._notes[name] += count

    def found(self, finding: Finding) -> None:
        """Takes what a transform found in the program that is watched."""
        with self._lock:
            self._found.append(finding)
            line = {"schema": "jaxkit.run/1", "finding": finding.to_dict()}
            self._write(json.dumps(line, default=str))

    def report(self) -> Report:
        """What was compiled, why, what it cost and how to stop it, as a `jaxkit.report.Report`."""
        from jaxkit.compiles.found import settle, with_findings
        from jaxkit.compiles.summary import report_of

        settle()
        with self._lock:
            made = report_of(
                self.groups, wall_seconds=self.wall_seconds, notes=self.notes, events=self.events
            )
            return with_findings(made, self._found) if self._found else made

    def save_snapshot(self, path: str | os.PathLike[str]) -> None:
        """Writes the signatures that were compiled to a file, to be committed.

        Operations outside jit are left out, and of a function all but the first 64 signatures.

        Args:
          path: a JSON file, replaced if it exists.

        Raises:
          ReportPathError: it cannot be written.
        """
        from jaxkit.compiles import snapshot

        with self._lock:
            snapshot.save(self.groups, path)

    def check_snapshot(self, path: str | os.PathLike[str]) -> Report:
        """Compares what was compiled with a snapshot.

        Example:
          >>> import pathlib, tempfile, jax, numpy as np, jaxkit
          >>> double = jax.jit(lambda x: 2 * x)
          >>> with tempfile.TemporaryDirectory() as folder:
          ...     path = pathlib.Path(folder, "compiles.json")
          ...     with jaxkit.watch() as log:
          ...         _ = double(np.ones(3, np.float32))
          ...         log.save_snapshot(path)
          ...         _ = double(np.ones(4, np.float32))
          ...         log.check_snapshot(path).findings[0].message
          '<lambda> was compiled for x f32[3] -> f32[4]'

        Args:
          path: what `save_snapshot` wrote, in an earlier run or by an earlier version.

        Returns:
          a `Report`, whose warnings (``new-function``, ``new-signature``) are compilations that
          the snapshot does not have: ``report.raise_if_found("warning")`` in a test of CI.

        Raises:
          UsageError: there is no such file, or it is no snapshot.
        """
        from jaxkit.compiles import snapshot

        with self._lock:
            return snapshot.check(self.groups, path)

    def header(self, **fields: Any) -> None:
        """Writes a line about the run itself into the recording."""
        with self._lock:
            self._write(json.dumps({"schema": "jaxkit.run/1", **fields}, default=str))

    def close(self) -> None:
        """Stops the clock and closes the file. The log stays readable."""
        with self._lock:
            if self._wall is None:
                self._wall = time.perf_counter() - self._started
            stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.close()
            except OSError:
                self.note("write_errors")

    def _explained(self, event: CompileEvent) -> CompileEvent:
        function = event.function
        key = (function.name, function.file, function.line)
        if function.code:
            self._functions[key] = function
        elif key in self._functions:  # a backward program: JAX tells where it comes from, no more
            event = dataclasses.replace(event, function=self._functions[key])
        causes = explain(event, self._history.of(event), self.is_alive)
        recompile = event.compiled and causes[0].kind != "first"
        event = event.explained(self._index, causes, recompile=recompile)
        if event.compiled:
            self._history.add(event)
        return event

    def _keep(self, event: CompileEvent) -> None:
        self._kept.append(event)
        self._kept_leaves += len(event.signature.leaves)
        while len(self._kept) > _MAX_EVENTS or self._kept_leaves > _MAX_LEAVES:
            if len(self._kept) == 1:
                break
            old = self._kept.popleft()
            self._kept_leaves -= len(old.signature.leaves)

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._notes["write_errors"] += 1
