"""From JAX's begin and end signals to events, on whatever thread they come.

One recorder serves every log of the process. It is registered with JAX while at least one log is
open and not a moment longer. A call that hits JAX's cache sends no signal, so a watched loop runs
at the speed of an unwatched one.

Per thread there is a stack of open stages: stages nest (an eager operation compiles while an
outer function is traced), and what runs nested is counted there and not twice. The stages of one
compilation share an anchor, the frame of the call they happen in, and are joined by it.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any, Protocol

from jaxkit._jax import tracing
from jaxkit._jax.call import Anchor
from jaxkit._jax.monitoring import CACHE_HIT, STAGES, Listeners
from jaxkit._jax.read_jit import find_anchor
from jaxkit._jax.stack import failed, read_stack
from jaxkit.compiles.context import Contexts
from jaxkit.compiles.event import CompileEvent, Function
from jaxkit.compiles.pending import Open, Pending, Waiting
from jaxkit.compiles.reading import read_call

_ORDER = {"trace": 0, "lower": 1, "compile": 2}
_MAX_AOT = 256


class Sink(Protocol):
    """What takes the events: a log."""

    def record(self, event: CompileEvent) -> None:
        """Takes a whole event."""

    def begun(self, function: Function, thread: str) -> None:
        """Is told that a backend compilation has begun."""

    def note(self, name: str, count: int = 1) -> None:
        """Counts something that the report should say."""


class _Thread(threading.local):
    """This thread's open stages, and the compilation that waits for its next stage, by depth."""

    def __init__(self) -> None:
        self.open: list[Open] = []
        self.pending = Waiting()
        self.busy = False
        RECORDER.threads.append(weakref.ref(self.pending))


class Recorder:
    """Listens to JAX and hands whole events to the open logs."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sinks: tuple[Sink, ...] = ()
        self._listeners = Listeners(begin=self._begin, end=self._end, event=self._event)
        self._aot: dict[int, Pending] = {}
        self._contexts = Contexts()
        self.threads: list[weakref.ref[Waiting]] = []
        self._local: _Thread | None = None
        self._process = os.getpid()
        self.epoch = time.time() - time.perf_counter()

    def add(self, sink: Sink) -> None:
        """Opens a log."""
        with self._lock:
            if self._local is None:
                self._local = _Thread()
            if not self._sinks:
                self._process = os.getpid()
                self.epoch = time.time() - time.perf_counter()
                self._contexts.clear()
                self._contexts.now()
                self._listeners.register()
            self._sinks = (*self._sinks, sink)

    def remove(self, sink: Sink) -> None:
        """Closes a log; the last one takes the listeners with it."""
        with self._lock:
            if sink not in self._sinks:
                return
            if self._listeners.on and self._listeners.restore():
                self._notes("listeners_cleared")
            self.flush()
            self._sinks = tuple(other for other in self._sinks if other is not sink)
            if not self._sinks:
                self._listeners.unregister()
                self._aot.clear()
                self._contexts.clear()

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """The logs that are open."""
        return self._sinks

    def innermost(self) -> Sink | None:
        """The log that was opened last."""
        return self._sinks[-1] if self._sinks else None

    def config(self) -> dict[str, Any]:
        """The configuration in JAX's keys, as events have it."""
        return self._contexts.now()

    def forget_after_fork(self) -> None:
        """In a forked child: no listener, no log, nothing written."""
        self._lock = threading.RLock()
        self._sinks = ()
        self._aot.clear()
        if self._listeners.on:
            self._listeners.unregister()

    def flush(self) -> None:
        """Hands over what still waits for a stage that will not come."""
        with self._lock:
            alive = [waiting for ref in self.threads if (waiting := ref()) is not None]
            self.threads = [weakref.ref(waiting) for waiting in alive]
            for waiting in alive:
                for depth in sorted(waiting):
                    pending = waiting.pop(depth, None)
                    if pending is not None:
                        self._finish(pending, final=True)
            for pending in list(self._aot.values()):
                self._emit(pending)
            self._aot.clear()

    # The listeners. Nothing that goes wrong in here may reach the user's program.

    def _begin(self, event: str, value: float, **kwargs: Any) -> None:
        stage = STAGES.get(event)
        if stage is None or not self._sinks or self._local is None:
            return
        local = self._local
        if local.busy:
            return
        local.busy = True
        try:
            self._open(stage, str(kwargs.get("fun_name", "")))
        except Exception:
            self._notes("unread_frames")
        finally:
            local.busy = False

    def _end(self, event: str, duration: float, **kwargs: Any) -> None:
        stage = STAGES.get(event)
        if stage is None or not self._sinks or self._local is None:
            return
        now = time.perf_counter()
        local = self._local
        if local.busy:
            return
        local.busy = True
        try:
            self._close(stage, str(kwargs.get("fun_name", "")), now)
        except Exception:
            self._notes("unread_frames")
        finally:
            local.busy = False

    def _event(self, event: str, **kwargs: Any) -> None:
        if event == CACHE_HIT and self._local is not None and self._local.open:
            self._local.open[-1].pending.cache_hit = True

    # One begin, one end.

    def _open(self, stage: str, fun_name: str) -> None:
        local = self._local
        assert local is not None
        stack = read_stack({item.holder for item in local.open})
        while local.open and local.open[-1].holder not in stack.open_holders:
            self._abandon(local)
        anchor = find_anchor(stage, fun_name, stack)
        depth = len(local.open)
        pending = local.pending.get(depth)
        # A frame's id may be given to the next call's frame: the line of the call tells them apart.
        key = (*anchor.key, stack.site) if anchor is not None else None
        if pending is None or key is None or pending.key != key or pending.seen >= _ORDER[stage]:
            if pending is not None:
                del local.pending[depth]
                self._finish(pending)
            pending = self._aot_match(anchor, stage)
            if pending is None:
                pending, unread = read_call(
                    fun_name,
                    anchor,
                    key=key,
                    site=stack.site,
                    by_library=stack.by_library,
                    layouts=stage != "trace",
                    config=self._contexts.now(),
                )
                if unread:
                    self._notes("unread_frames", unread)
            else:
                pending.key = key
                pending.call_site = stack.site or pending.call_site
        pending.seen = _ORDER[stage]
        if anchor is not None and anchor.aot_key is not None:
            pending.aot_key = anchor.aot_key
        if self._listeners.restore():
            self._notes("listeners_cleared")
        if stage == "compile":
            for sink in self._sinks:
                sink.begun(pending.function, pending.thread)
        misses = tracing.trace_misses() if stage == "trace" else None
        item = Open(stage, fun_name, pending, stack.holder, misses)
        local.open.append(item)
        item.started = time.perf_counter()

    def _close(self, stage: str, fun_name: str, now: float) -> None:
        local = self._local
        assert local is not None
        while local.open and (local.open[-1].stage, local.open[-1].name) != (stage, fun_name):
            if not any((item.stage, item.name) == (stage, fun_name) for item in local.open):
                return
            self._abandon(local)
        if not local.open:
            return
        item = local.open.pop()
        depth = len(local.open)
        whole = max(now - item.started, 0.0)
        if local.open:
            local.open[-1].nested += whole
        pending = item.pending
        pending.stages[stage] = max(whole - item.nested, 0.0)
        pending.spans[stage] = (self.epoch + item.started, whole)
        if stage == "trace" and item.misses is not None:
            pending.cached_trace = tracing.trace_misses() == item.misses
        pending.error = failed()
        for deeper in [d for d in local.pending if d > depth]:
            self._finish(local.pending.pop(deeper))
        if stage == "compile" or pending.error is not None:
            local.pending.pop(depth, None)
            self._finish(pending)
        else:
            local.pending[depth] = pending

    def _abandon(self, local: _Thread) -> None:
        """A stage whose end never came: someone else's listener raised, or a thread died in it."""
        item = local.open.pop()
        depth = len(local.open)
        for deeper in [d for d in local.pending if d >= depth]:
            self._finish(local.pending.pop(deeper))
        item.pending.stages.setdefault(item.stage, 0.0)
        item.pending.error = "abandoned"
        self._finish(item.pending)

    def _aot_match(self, anchor: Anchor | None, stage: str) -> Pending | None:
        """The lowering that ``.compile()`` continues."""
        if anchor is None or anchor.aot_key is None or stage != "compile":
            return None
        return self._aot.pop(anchor.aot_key, None)

    # Handing over.

    def _finish(self, pending: Pending, *, final: bool = False) -> None:
        lowered_ahead = (
            pending.aot_key is not None
            and "lower" in pending.stages
            and "compile" not in pending.stages
            and pending.error is None
        )
        if lowered_ahead and not final:
            if len(self._aot) >= _MAX_AOT:
                self._emit(self._aot.pop(next(iter(self._aot))))
            assert pending.aot_key is not None
            replaced = self._aot.pop(pending.aot_key, None)
            if replaced is not None:
                self._emit(replaced)
            self._aot[pending.aot_key] = pending
            return
        self._emit(pending)

    def _emit(self, pending: Pending) -> None:
        if not pending.stages or pending.thread.startswith("jaxkit "):  # a thread of our own
            return
        event = pending.event(self._process)
        for sink in self._sinks:
            sink.record(event)

    def _notes(self, name: str, count: int = 1) -> None:
        for sink in self._sinks:
            sink.note(name, count)


RECORDER = Recorder()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=RECORDER.forget_after_fork)
