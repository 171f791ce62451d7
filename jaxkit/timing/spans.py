"""What `jaxkit.timer` measures, added up by name and nesting, in bounded memory."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxkit.compiles.event import CompileEvent
from jaxkit.compiles.watch import Watch
from jaxkit.timing.durations import Durations

if TYPE_CHECKING:
    from jaxkit.report import Report

__all__ = ["Node", "SpanStats", "Spans", "Track"]

_KEPT = 20_000  # of the last spans, for a timeline
_MOST = 5_000  # different names and nestings
_BATCH = 100  # ended spans that are added up together
_OTHERS = "(other spans)"


@dataclass(frozen=True)
class SpanStats:
    """The figures of all spans of one name, or of one name within others.

    Args:
        path: The names of the spans around it, outermost first, then its own.
        count: How often it ran to its end.
        total: Seconds, those of spans inside included.
        mean: Seconds.
        p50: The median, to 0.4 percent.
        p95: What 95 of 100 did not exceed, to 0.4 percent.
        max: The longest.
        share: `total` of the recording's wall time; above 1 where several threads ran at once.
        errors: How many ended with an exception; these are counted and timed as the others.
        compile_seconds: How much of `total` JAX traced, lowered and compiled, as far as that was
            recorded.
    """

    path: tuple[str, ...]
    count: int
    total: float
    mean: float
    p50: float
    p95: float
    max: float
    share: float
    errors: int
    compile_seconds: float

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path[-1]


class Node:
    """The spans of one name within those of another node."""

    __slots__ = ("children", "compile_seconds", "durations", "errors", "fresh", "name", "path")

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        self.name = path[-1] if path else ""
        self.children: dict[str, Node] = {}
        self.durations = Durations()
        self.fresh: deque[int] = deque()  # not added up yet; other threads may append to it
        self.errors = 0
        self.compile_seconds = 0.0

    def settle(self) -> None:
        """Adds up what has ended; the caller holds the recording's lock."""
        take = self.fresh.popleft
        self.durations.add([take() for _ in range(len(self.fresh))])


class Track:
    """A thread, as long as anything of it is remembered."""

    __slots__ = ("name",)

    def __init__(self) -> None:
        ident = threading.get_ident()
        names = [thread.name for thread in threading.enumerate() if thread.ident == ident]
        self.name = names[0] if names else f"thread {ident}"


# A span that has ended: begin and end from `time.perf_counter_ns`, the name of its error.
Ended = tuple[Node, Track, int, int, str | None]


class _Local(threading.local):
    def __init__(self) -> None:
        self.track = Track()


_LOCAL = _Local()


class Spans:
    """A recording of spans, readable while it grows.

    Example:
        >>> import jaxkit
        >>> with jaxkit.timer.recording() as spans:
        ...     for _ in range(3):
        ...         with jaxkit.timer("step"), jaxkit.timer("load"):
        ...             pass
        >>> spans["step"].count, [stats.path for stats in spans]
        (3, [('step',), ('step', 'load')])

    All sums are of all spans; of single ones the last 20,000 are kept for the timeline. Names
    beyond 5,000 are added up as `(other spans)`.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.root = Node(())
        self._nodes = 0
        self.recent: deque[Ended] = deque(maxlen=_KEPT)  # the last that have ended
        self._epoch = time.time() - time.perf_counter()
        self.begin: int | None = None  # when the recording began, or the first span of all
        self._end: int | None = None
        self._watch: Watch | None = None
        self.heard: set[tuple[str, str, int]] = set()
        self.traced: Counter[str] = Counter()  # calls of timed functions under a trace
        _ALIVE.add(self)

    def child(self, parent: Node, name: str) -> Node:
        """The node of a name below another, made if need be."""
        with self._lock:
            node = parent.children.get(name)
            if node is None and self._nodes >= _MOST:
                parent, name = self.root, _OTHERS
                node = parent.children.get(name)
            if node is None:
                self._nodes += 1
                node = parent.children[name] = Node((*parent.path, name))
            return node

    def add(self, node: Node, begin: int, end: int, error: str | None = None) -> None:
        """Adds a span that has ended, with its times from `time.perf_counter_ns`."""
        fresh = node.fresh
        fresh.append(end - begin)
        self.recent.append((node, _LOCAL.track, begin, end, error))
        if error is not None or self.begin is None or len(fresh) > _BATCH:
            self._add(node, begin, error)

    def _add(self, node: Node, begin: int, error: str | None) -> None:
        """Adds up what has ended of a node: many at a time, which costs less than each alone."""
        with self._lock:
            node.settle()
            if error is not None:
                node.errors += 1
            if self.begin is None:
                self.begin = begin

    def _settle(self) -> None:
        with self._lock:
            for node in self._every():
                node.settle()

    @property
    def wall_seconds(self) -> float:
        """From its begin to its end or, while it is open, until now.

        Of spans outside of any `recording` from the first begin to the last end.
        """
        self._settle()
        if self.begin is None:
            return 0.0
        end = self._end
        if end is None:
            recording = self._watch is not None or not self.recent
            end = time.perf_counter_ns() if recording else self.recent[-1][3]
        return max(end - self.begin, 0) / 1e9

    def __iter__(self) -> Iterator[SpanStats]:
        wall = self.wall_seconds
        with self._lock:
            found: list[SpanStats] = []
            stack = list(reversed(self.root.children.values()))
            while stack:
                node = stack.pop()
                if _has_any(node):
                    found.append(_stats(node.path, [node], wall))
                    stack.extend(reversed(node.children.values()))
        return iter(found)

    def __getitem__(self, name: str | tuple[str, ...]) -> SpanStats:
        """The figures of a name, wherever it nests; of a tuple of names, of that nesting only.

        Raises:
            KeyError: There was no such span; the message has the names that there were.
        """
        wall = self.wall_seconds
        with self._lock:
            every = list(self._every())
            path = name if isinstance(name, tuple) else (name,)
            if isinstance(name, tuple):
                nodes = [node for node in every if node.path == name]
            else:
                nodes = [node for node in every if node.name == name]
            if not nodes:
                names = ", ".join(sorted({repr(node.name) for node in every})) or "none yet"
                raise KeyError(f"there is no span {name!r}; there are {names}")
            return _stats(path, nodes, wall)

    @property
    def count(self) -> int:
        """How many spans have ended."""
        self._settle()
        with self._lock:
            return sum(node.durations.count for node in self._every())

    def report(self) -> Report:
        """The figures so far, with a timeline of the last spans and of what was compiled.

        Returns:
            A `jaxkit.Report`: `.data["spans"]` has the figures in seconds, saving it as
            `.trace.json` a timeline for https://ui.perfetto.dev, and a span in which a function was
            compiled again for a reason that can be mended is a finding.
        """
        from jaxkit.timing.span_report import report_of

        return report_of(self)

    def note_trace(self, name: str) -> None:
        """Counts a call that could not be timed, because JAX traced it."""
        with self._lock:
            if name in self.traced or len(self.traced) < _MOST:
                self.traced[name] += 1

    def clear(self) -> None:
        """Forgets what has ended; spans that are open are counted when they end."""
        self._settle()
        with self._lock:
            for node in self._every():
                node.durations = Durations()
                node.errors, node.compile_seconds = 0, 0.0
            self.recent.clear()
            self.traced.clear()
            self.begin = None
            if self._watch is not None:
                self.begin = time.perf_counter_ns()

    def __repr__(self) -> str:
        names = len({stats.name for stats in self})
        return f"<jaxkit spans: {self.count} of {names} names in {self.wall_seconds:.3g} s>"

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    # For a recording, and for the report on it.

    def start(self, *, compiles: bool) -> None:
        """Begins a recording; with `compiles` JAX is listened to."""
        self._watch = Watch(on_compile=self._hear)
        if compiles:
            from jaxkit.compiles.recorder import RECORDER

            self._watch.start()
            self._epoch = RECORDER.epoch
        self.begin = time.perf_counter_ns()

    def stop(self) -> None:
        """Ends a recording; spans that are still open are counted all the same."""
        self._end = time.perf_counter_ns()
        if self._watch is not None:
            self._watch.stop()

    @property
    def log(self) -> Any:
        """The log of compilations; None where JAX is not listened to."""
        return None if self._watch is None else self._watch.log

    def kept(self) -> tuple[list[Ended], int, float]:
        """The last spans, how many are not there, and what makes seconds since the epoch."""
        kept = self.recent.copy()
        return list(kept), max(self.count - len(kept), 0), self._epoch

    def _hear(self, event: CompileEvent) -> None:
        """Runs on the thread that compiles, within the span that waits for it."""
        from jaxkit.timing.timer import open_nodes

        self.compiled(list(open_nodes(self)), event)

    def compiled(self, nodes: list[Node], event: CompileEvent) -> None:
        """Adds a compilation to the spans in which it was."""
        function = event.function
        with self._lock:
            for node in nodes:
                node.compile_seconds += event.total_seconds
                self.heard.add((function.name, function.file, function.line))

    def _every(self) -> Iterator[Node]:
        stack = list(self.root.children.values())
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.children.values())

    def _after_fork(self) -> None:
        self._lock = threading.RLock()


_ALIVE: weakref.WeakSet[Spans] = weakref.WeakSet()


def _renew_locks() -> None:
    """In a forked child: another thread of the parent's may have held one."""
    for spans in list(_ALIVE):
        spans._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


def _has_any(node: Node) -> bool:
    stack = [node]
    while stack:
        node = stack.pop()
        if node.durations.count:
            return True
        stack.extend(node.children.values())
    return False


def _stats(path: tuple[str, ...], nodes: list[Node], wall: float) -> SpanStats:
    every = nodes[0].durations
    if len(nodes) > 1:
        every = Durations()
        for node in nodes:
            every.merge(node.durations)
    total = every.total / 1e9
    return SpanStats(
        path=path,
        count=every.count,
        total=total,
        mean=every.mean / 1e9,
        p50=every.quantile(0.5) / 1e9,
        p95=every.quantile(0.95) / 1e9,
        max=every.most / 1e9,
        share=total / wall if wall else 0.0,
        errors=sum(node.errors for node in nodes),
        compile_seconds=sum(node.compile_seconds for node in nodes),
    )
