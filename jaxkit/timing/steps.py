"""A clock for training loops, which lets the device run ahead."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import jax
from jax.core import Tracer

from jaxkit._jax.tracing import trace_kind
from jaxkit.compiles.event import CompileEvent
from jaxkit.compiles.watch import Watch
from jaxkit.errors import UsageError
from jaxkit.report import Report, Timeline
from jaxkit.timing.block import hidden
from jaxkit.timing.durations import Durations
from jaxkit.timing.spans import Spans, Track
from jaxkit.timing.timer import check_name, current_spans

__all__ = ["Phase", "StepClock"]

T = TypeVar("T")
M = TypeVar("M")

_now = time.perf_counter_ns
_PHASES: tuple[str, ...] = ("data", "dispatch", "blocked", "rest")
_WARMING = 2  # steps that may compile: with the first state, and with what the first step returns
_MOST_WARNINGS = 5
_MOST_RECOMPILED = 1_000


@dataclass(frozen=True)
class Phase:
    """What one part of a loop takes, in seconds a step; compile time is not in it.

    Args:
        name: `data`, `dispatch`, `blocked`, `rest` or `compile`.
        total: Of all steps.
        mean: Of a step.
        share: Of the loop's wall time.
    """

    name: str
    total: float
    mean: float
    share: float


class StepClock(Generic[T]):
    """Where the time of a training loop goes, without waiting at each step.

    JAX computes while Python goes on to prepare the next step; who waits for each step takes that
    away and measures another program. The clock waits only once in `every` steps, and then for the
    step before the one that has just been dispatched, so that the device always has work. From one
    wait to the next it knows the true time of `every` steps.

    Each step is split into `data` (waiting for the next batch), `dispatch` (from the batch to
    `step()`: Python, and JAX where its queue is full), `blocked` (waiting for the metric) and
    `rest` (from `step()` to the next batch: logging, checkpoints). What JAX compiled meanwhile is
    taken out and counted apart. The same parts are spans, `data` and so on in `step`, of the
    recording that is open where the clock is made.

    Example:
        >>> import jax, jax.numpy as jnp, jaxkit
        >>> update = jax.jit(lambda w, x: (w - 0.1 * x, (w * x).sum()))
        >>> w, clock = jnp.ones(3), jaxkit.timer.steps([jnp.ones(3)] * 6, every=2)
        >>> for batch in clock:
        ...     w, loss = update(w, batch)
        ...     _ = clock.step(loss)
        >>> [phase.name for phase in clock.phases]
        ['data', 'dispatch', 'blocked', 'rest', 'compile']

    Args:
        batches: What the loop goes through.
        every: After how many steps one is waited for; 0 for never.
        name: What the spans are called.

    Raises:
        TypeError: Batches that cannot be gone through, or `every` that is no int.
        ValueError: `every` is negative.

    References:
        AI-Hypercomputer/maxtext#1956: waiting at each step starved the queue.
    """

    def __init__(self, batches: Iterable[T], *, every: int = 50, name: str = "step") -> None:
        if not isinstance(batches, Iterable):
            raise TypeError(
                "batches must be what a loop goes through, got "
                f"batches={batches!r} of type {type(batches).__name__}"
            )
        if isinstance(every, bool) or not isinstance(every, int):
            raise TypeError(f"every must be an int, got every={every!r}")
        if every < 0:
            raise ValueError(f"every must be 0 (never) or more, got every={every!r}")
        if type(name) is not str or not name:
            check_name("jaxkit.timer.steps", name)
        self._batches = batches
        self._every = every
        self._name = name
        self._spans: Spans = current_spans()
        self._around = self._spans.child(self._spans.root, name)
        self._nodes = {each: self._spans.child(self._around, each) for each in _PHASES}
        self._totals = dict.fromkeys(_PHASES, 0)
        self._windows = Durations()
        self._compiling = dict.fromkeys(_PHASES, 0.0)
        self._phase = "data"
        self._thread = ""
        self._unblocked = 0.0  # seconds compiled since the last wait
        self._watch = Watch(on_compile=self._hear)
        self._running = False
        self._stepped = self._given = False
        self._begin = self._mark = self._window = self._wall = 0
        self._before: Any = None
        self._last: Any = None
        self._in_window = 0
        self._short = (0, 0, 0.0)  # steps, windows and seconds of compiling before this loop
        self._warned: set[tuple[str, str, int, str]] = set()
        self._recompiled: list[tuple[int, CompileEvent]] = []
        self.steps = self.wholes = 0

    # The loop.

    def __iter__(self) -> Iterator[T]:
        """Goes through the batches; one loop at a time."""
        if self._running:
            raise UsageError("this clock is in a loop already: make one for each loop")
        self._running = True
        self._thread = Track().name
        self._watch.start()
        try:
            yield from self._loop()
        finally:
            self._finish()

    def _loop(self) -> Iterator[T]:
        self._begin = self._mark = _now()
        self._short = (self.steps, self._windows.count, sum(self._compiling.values()))
        batches = iter(self._batches)
        while True:
            begin, self._phase = self._mark, "data"
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._add("data", begin)
            self._stepped, self._phase = False, "dispatch"
            try:
                yield batch
            finally:  # the loop may have been left in its middle
                self._add("rest" if self._stepped else "dispatch", self._mark)
                self.steps += 1
                self._spans.add(self._around, begin, self._mark)
            self._warn()

    def step(self, metric: M) -> M:
        """Says that a step has been dispatched, and what to wait for; returns that.

        Args:
            metric: A small result of the step, such as its loss. Not the state, which the next step
                may overwrite (`donate_argnums`) while it is still to be waited for.

        Raises:
            UsageError: It was called outside of the clock's loop, twice in a step or under a trace;
                or the metric was donated to a later step.
        """
        if not self._running or self._stepped:
            where = "twice in one step" if self._stepped else "outside of the clock's loop"
            raise UsageError(
                f"step() was called {where}: call it once, after the step, in its loop"
            )
        if trace_kind() is not None or isinstance(metric, Tracer):
            raise UsageError(
                f"step() was called while {trace_kind() or 'a program'} is traced, where nothing "
                "runs: call it in the loop, with a result of the compiled step"
            )
        self._stepped = self._given = True
        self._add("dispatch", self._mark)
        self._phase = "blocked"
        self._in_window += 1
        # What is waited for is the step before: this one is in the queue meanwhile.
        self._before, self._last = self._last, metric
        if self._every and self._in_window > self._every:
            self._wait(self._before)
            self._in_window = 1
        self._phase = "rest"
        return metric

    def _wait(self, metric: Any) -> None:
        for leaf in (*jax.tree.leaves(metric), *hidden(metric)):
            if isinstance(leaf, jax.Array) and leaf.is_deleted():
                raise UsageError(
                    "the metric given to step() was donated to a later step, so that it cannot be "
                    "waited for: give it the loss, or another small result that is kept"
                )
            jax.block_until_ready(leaf)
        self._add("blocked", self._mark)
        if self._window and not self._unblocked:
            self._windows.add([(self._mark - self._window) // self._every])
        self._window, self._unblocked = self._mark, 0.0

    def _finish(self) -> None:
        """Waits for the last step, so that what was dispatched is in the time."""
        last, self._last, self._before = self._last, None, None
        try:
            if self._every and last is not None:
                # A metric that was donated meanwhile, or whose step failed, is the loop's to tell.
                self._settle(last)
                self._whole()
        finally:
            self._wall += self._mark - self._begin
            self._running = False
            self._watch.stop()
            self._window = self._in_window = 0

    def _whole(self) -> None:
        """A loop too short for a window, such as an epoch of few batches, is one as a whole."""
        steps, windows, compiling = self._short
        steps = self.steps - steps
        alone = windows == self._windows.count and compiling == sum(self._compiling.values())
        if alone and steps > 1:
            self._windows.add([(self._mark - self._begin) // steps])
            self.wholes += 1

    def _settle(self, last: Any) -> None:
        begin = _now()
        for leaf in jax.tree.leaves(last):
            if isinstance(leaf, jax.Array) and not leaf.is_deleted():
                try:
                    leaf.block_until_ready()
                except Exception:
                    return
        self._mark = begin
        self._add("blocked", begin)

    def _add(self, phase: str, begin: int) -> None:
        self._mark = end = _now()
        self._totals[phase] += end - begin
        self._spans.add(self._nodes[phase], begin, end)

    # What was compiled.

    def _hear(self, event: CompileEvent) -> None:
        if event.thread != self._thread:
            return
        self._compiling[self._phase] += event.total_seconds
        self._unblocked += event.total_seconds
        self._spans.compiled([self._around, self._nodes[self._phase]], event)
        late = event.compiled and event.recompile and self.steps >= _WARMING
        if late and len(self._recompiled) < _MOST_RECOMPILED:
            self._recompiled.append((self.steps, event))

    def _warn(self) -> None:
        """At the first recompilation of each function for each cause; not where it was compiled."""
        for step, event in self._recompiled:
            function = event.function
            key = (function.name, function.file, function.line, event.kind)
            if key in self._warned or len(self._warned) >= _MOST_WARNINGS:
                continue
            self._warned.add(key)
            cause = event.causes[0]
            change = f" ({cause.before} -> {cause.after})" if cause.before or cause.after else ""
            path = f" of {cause.path}{change}" if cause.path else ""
            warnings.warn(
                f"step {step} compiled {function.name} again: {event.kind}{path}, "
                f"{event.total_seconds:.2g} s; clock.report() says how to stop it",
                RuntimeWarning,
                stacklevel=4,
            )

    # What came of it.

    @property
    def wall_seconds(self) -> float:
        """Of the loop, with the wait for its last step."""
        running = _now() - self._begin if self._running and self._begin else 0
        return (self._wall + running) / 1e9

    @property
    def seconds_per_step(self) -> float | None:
        """The median of the times a step between two waits; None before there were two.

        A loop that is too short for that counts as a whole, its last step waited for. Where
        something was compiled the time is left out.
        """
        return self._windows.quantile(0.5) / 1e9 if self._windows.count else None

    @property
    def phases(self) -> list[Phase]:
        """What each part took, with `compile` taken out of that in which it was."""
        wall = self.wall_seconds
        totals = {
            name: max(nanoseconds / 1e9 - self._compiling[name], 0.0)
            for name, nanoseconds in self._totals.items()
        }
        totals["compile"] = sum(self._compiling.values())
        return [
            Phase(name, total, total / max(self.steps, 1), total / wall if wall else 0.0)
            for name, total in totals.items()
        ]

    def report(self) -> Report:
        """The phases, the time of a step, and what was compiled after the loop had begun.

        Returns:
            A `jaxkit.Report`. Findings: `recompiled` (warning) for each function that was compiled
            again after the second step, `unblocked-output` (warning) where `step()` was never given
            anything to wait for, `input-bound` (info) where more than a third of the time is spent
            on waiting for batches.
        """
        from jaxkit.timing.step_report import report_of

        return report_of(self)

    @property
    def windows(self) -> Durations:
        """The times a step between two waits."""
        return self._windows

    @property
    def recompilations(self) -> list[tuple[int, CompileEvent]]:
        """In which steps what was compiled again, the first two left out."""
        return list(self._recompiled)

    @property
    def log(self) -> Any:
        """The log of what JAX compiled during the loop."""
        return self._watch.log

    def timeline(self) -> list[Timeline]:
        """The last spans of the recording that the clock's go to, and what was compiled."""
        from jaxkit.timing.span_report import of_spans

        return [of_spans(self._spans, self.log)]

    @property
    def given(self) -> bool:
        """Whether `step()` was called at all."""
        return self._given

    @property
    def every(self) -> int:
        """After how many steps one is waited for."""
        return self._every

    def __len__(self) -> int:
        """How many batches there are, where they tell."""
        return len(self._batches)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<jaxkit step clock: {self.steps} steps in {self.wall_seconds:.3g} s>"

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()
