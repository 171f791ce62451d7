"""From JAX's begin and end signals to events, on whatever thread they come.

One recorder serves every log of the process. It is registered with JAX while at least one log is
open and not a moment longer. A call that hits JAX's cache sends no signal, so a watched loop runs
at the speed of an unwatched one.

Per thread there is a stack of open stages: stages nest (an eager operation compiles while an
outer function is traced), and what runs nested is counted there and not twice. The stages of one
compilation share an anchor, the frame of the call they happen in, and are joined by it.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
import weakref
from types import FrameType
from typing import Any, Protocol

from jaxkit._jax import config as jax_config
from jaxkit._jax import readers, tracing
from jaxkit._jax.call import Anchor, Call
from jaxkit._jax.monitoring import CACHE_HIT, STAGES, Listeners
from jaxkit._jax.read_jit import find_anchor, plain_name, source_of
from jaxkit._jax.stack import Site, failed, read_stack
from jaxkit.compiles.event import CompileEvent, Function, Place, Signature
from jaxkit.compiles.function import combine_bodies, describe_function
from jaxkit.compiles.signature import build

_ORDER = {"trace": 0, "lower": 1, "compile": 2}
_MAX_AOT = 256


class Sink(Protocol):
    """What takes the events: a log."""

    def record(self, event: CompileEvent) -> None: ...

    def note(self, name: str, count: int = 1) -> None: ...


@dataclasses.dataclass(slots=True)
class _Pending:
    """A compilation whose last stage may still come."""

    key: tuple[Any, ...] | None
    name: str
    time: float
    thread: str
    function: Function
    call_site: Site | None
    via: str
    signature: Signature
    options: Any
    config: Any
    role: str
    aot_key: int | None
    stages: dict[str, float] = dataclasses.field(default_factory=dict)
    seen: int = -1
    cached_trace: bool = False
    cache_hit: bool = False
    error: str | None = None


@dataclasses.dataclass(slots=True)
class _Open:
    """A stage between its begin and its end."""

    stage: str
    name: str
    pending: _Pending
    holder: int
    misses: int | None
    started: float = 0.0
    nested: float = 0.0


class _Waiting(dict[int, _Pending]):
    """Compilations that wait for their next stage, by depth; ends with its thread."""


class _Thread(threading.local):
    """This thread's open stages, and the compilation that waits for its next stage, by depth."""

    def __init__(self) -> None:
        self.open: list[_Open] = []
        self.pending = _Waiting()
        self.busy = False
        RECORDER.threads.append(weakref.ref(self.pending))


class Recorder:
    """Listens to JAX and hands whole events to the open logs."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sinks: tuple[Sink, ...] = ()
        self._listeners = Listeners(begin=self._begin, end=self._end, event=self._event)
        self._aot: dict[int, _Pending] = {}
        self._baseline: dict[str, Any] | None = None
        self._configs: dict[Any, dict[str, Any]] = {}
        self.threads: list[weakref.ref[_Waiting]] = []
        self._local: _Thread | None = None
        self._process = os.getpid()

    def add(self, sink: Sink) -> None:
        """Opens a log."""
        with self._lock:
            if self._local is None:
                self._local = _Thread()
            if not self._sinks:
                self._process = os.getpid()
                self._baseline = None
                self._config()
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
                self._configs.clear()

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
            self._open(stage, str(kwargs.get("fun_name", "")), sys._getframe(1))
        except Exception:  # noqa: BLE001  said in the report as unread
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
            self._close(stage, str(kwargs.get("fun_name", "")), now, sys._getframe(1))
        except Exception:  # noqa: BLE001
            self._notes("unread_frames")
        finally:
            local.busy = False

    def _event(self, event: str, **kwargs: Any) -> None:
        if event == CACHE_HIT and self._local is not None and self._local.open:
            self._local.open[-1].pending.cache_hit = True

    # One begin, one end.

    def _open(self, stage: str, fun_name: str, frame: FrameType) -> None:
        local = self._local
        assert local is not None
        stack = read_stack(frame, {item.holder for item in local.open})
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
                pending = self._read(fun_name, anchor, key, stack.site)
            else:
                pending.key = key
                pending.call_site = stack.site or pending.call_site
        pending.seen = _ORDER[stage]
        if anchor is not None and anchor.aot_key is not None:
            pending.aot_key = anchor.aot_key
        if self._listeners.restore():
            self._notes("listeners_cleared")
        misses = tracing.trace_misses() if stage == "trace" else None
        item = _Open(stage, fun_name, pending, stack.holder, misses)
        local.open.append(item)
        item.started = time.perf_counter()

    def _close(self, stage: str, fun_name: str, now: float, frame: FrameType) -> None:
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
        if stage == "trace" and item.misses is not None:
            pending.cached_trace = tracing.trace_misses() == item.misses
        pending.error = failed(frame)
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

    def _aot_match(self, anchor: Anchor | None, stage: str) -> _Pending | None:
        """The lowering that ``.compile()`` continues."""
        if anchor is None or anchor.aot_key is None or stage != "compile":
            return None
        return self._aot.pop(anchor.aot_key, None)

    def _read(
        self, fun_name: str, anchor: Anchor | None, key: tuple[Any, ...] | None, site: Site | None
    ) -> _Pending:
        """Everything that is read while the arguments are on the stack."""
        name = plain_name(fun_name)
        call: Call | None = None
        if anchor is None:
            self._notes("unread_frames")
        else:
            call, failures = readers.read(anchor)
            if failures:
                self._notes("unread_frames", failures)
        function, signature = Function(name), Signature(complete=False)
        if call is not None and anchor is not None:
            try:
                function = _function(call, name, site)
                signature = build(call, anchor)
            except Exception:  # noqa: BLE001  an argument of a kind that no one has foreseen
                self._notes("unread_frames")
        elif anchor is not None:
            source = source_of(anchor.debug, name)
            if source is not None:
                function = Function(source[0], file=source[1], line=source[2])
            self._notes("unread_frames")
        return _Pending(
            key=key,
            name=name,
            time=time.time(),
            thread=_thread_name(),
            function=function,
            call_site=site,
            via=call.via if call is not None else "jit",
            signature=signature,
            options=call.options if call is not None else {},
            config=self._config(),
            role=(call.role if call else None) or (anchor.role if anchor else ""),
            aot_key=anchor.aot_key if anchor is not None else None,
        )

    def _config(self) -> dict[str, Any]:
        """The configuration in JAX's keys that is not as it was when watching began."""
        context = jax_config.trace_context()
        key = tuple(value if isinstance(value, (str, int)) else id(value) for _, value in context)
        entry = self._configs.get(key)
        if entry is None or entry["held"] is None:
            readable = (jax_config.readable(name, value) for name, value in context)
            values = dict(item for item in readable if item is not None)
            if self._baseline is None:
                self._baseline = values
            changed = {n: v for n, v in values.items() if self._baseline.get(n) != v}
            changed["jax_enable_x64"] = jax_config.x64_enabled()
            if len(self._configs) > 500:
                self._configs.clear()
            # The context's values are held with their entry, so that no id is given twice.
            entry = self._configs[key] = {"held": context, "changed": changed}
        return entry["changed"]

    # Handing over.

    def _finish(self, pending: _Pending, *, final: bool = False) -> None:
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

    def _emit(self, pending: _Pending) -> None:
        if not pending.stages:
            return
        stages = tuple(
            stage for stage in pending.stages if not (stage == "trace" and pending.cached_trace)
        )
        if pending.error is not None:
            outcome = "failed"
        elif "compile" in pending.stages:
            outcome = "compiled"
        else:
            outcome = "trace-only" if stages else "trace-cache-hit"
        persistent = (
            "hit" if pending.cache_hit else "miss" if jax_config.persistent_cache_on() else "off"
        )
        event = CompileEvent(
            index=-1,
            process=self._process,
            thread=pending.thread,
            time=pending.time,
            outcome=outcome,
            function=pending.function,
            call_site=Place(*pending.call_site) if pending.call_site else None,
            via=pending.via,
            stages=stages,
            seconds=dict(pending.stages),
            persistent_cache=persistent if "compile" in pending.stages else "off",
            options=pending.options,
            config=pending.config,
            signature=pending.signature,
            role=pending.role,
        )
        for sink in self._sinks:
            sink.record(event)

    def _notes(self, name: str, count: int = 1) -> None:
        for sink in self._sinks:
            sink.note(name, count)


def _thread_name() -> str:
    """This thread's name; `threading.current_thread` would invent a thread for a foreign one."""
    ident = threading.get_ident()
    for thread in threading.enumerate():
        if thread.ident == ident:
            return thread.name
    return f"thread {ident}"


def _function(call: Call, name: str, site: Site | None) -> Function:
    if call.eager:
        place = (site.file, site.line) if site is not None else ("", 0)
        operation = Function(name, name, "jax", place[0], place[1], id=name, inner_id=name)
        if call.bodies:
            return combine_bodies(dict(call.bodies), operation, call.rewraps)
        return operation
    if call.fun is None and call.source is not None:
        return Function(call.source[0], file=call.source[1], line=call.source[2])
    return describe_function(call.fun, name)


RECORDER = Recorder()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=RECORDER.forget_after_fork)
