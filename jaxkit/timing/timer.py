"""`jaxkit.timer`: how long named parts of a program take, while it runs."""

from __future__ import annotations

import contextlib
import functools
import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

import jax
from jax.core import Tracer

from jaxkit._jax.tracing import computing as _computing
from jaxkit._jax.tracing import context as _context
from jaxkit._jax.tracing import trace_kind
from jaxkit.errors import UsageError
from jaxkit.timing.block import hidden
from jaxkit.timing.spans import Node, Spans

if TYPE_CHECKING:
    from jaxkit.report import Report
    from jaxkit.timing.steps import StepClock

__all__ = ["PROCESS", "check_name", "current_spans", "open_nodes", "timer"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_now = time.perf_counter_ns
_Annotation = jax.profiler.TraceAnnotation
# Whether a profile is being taken: asking costs less than an annotation that nobody reads.
_profiling: Callable[[], bool] = getattr(_Annotation, "is_enabled", lambda: True)


class timer:  # noqa: N801  # used like a function
    """How long a named part of a program takes: `with jaxkit.timer("step") as t`, or a decorator.

    JAX returns before a result is there: a span ends when Python gets to its end, so give
    `t.block` what is to be waited for. A span costs 2 microseconds, beside the waiting. Spans nest,
    on each thread and in each task by itself, and are added up by name and nesting: count, mean,
    p50, p95, max and share of wall time (`jaxkit.timer.report()`). Each stands under its name in a
    profile of `jax.profiler` too, and on a timeline (`report().save("x.trace.json")`).

    A span goes to the recording that is open where it begins, else to one for the whole process.
    New threads begin outside of any `with jaxkit.timer.recording()`: name it, as `into=spans`.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> with jaxkit.timer.recording() as spans:
        ...     for _ in range(3):
        ...         with jaxkit.timer("step") as t:
        ...             total = t.block(jnp.ones(3).sum())
        >>> spans["step"].count
        3

        >>> @jaxkit.timer("load")
        ... def load():
        ...     return 1

    Args:
        name: What the span is called. A few names: numbers of steps do not belong into them.
        into: The recording that it goes to.

    Raises:
        TypeError: A name that is no string.
        ValueError: An empty one.
        UsageError: It was entered while JAX traces: code under `jax.jit` runs once, when it is
            traced, and a clock in it measures that.

    References:
        `jax.profiler.TraceAnnotation` names a part in a profile, and sums nothing up. Waiting at
        each step keeps the device from running ahead (AI-Hypercomputer/maxtext#1956):
        `jaxkit.timer.steps`.
    """

    __slots__ = (
        "_annotation",
        "_begin",
        "_into",
        "_name",
        "_node",
        "_open",
        "_origin",
        "_parent",
        "_spans",
    )

    _annotation: Any
    _begin: int
    _node: Node
    _spans: Spans

    def __init__(self, name: str, *, into: Spans | None = None) -> None:
        if type(name) is not str or not name:
            check_name("jaxkit.timer", name)
        self._name = name
        self._into = into
        self._open = False
        self._parent: timer | None = None
        self._origin: timer | None = None

    def __enter__(self) -> Self:
        if _context.trace is not _computing and trace_kind() is not None:
            _refuse(self._name)
        if self._open:  # one object, entered within itself or on several threads
            again = type(self)(self._name, into=self._into)
            again._origin = self
            return again.__enter__()
        self._open = True
        parent = _CURRENT.get()
        self._parent = parent
        spans = self._into
        if spans is None:
            spans = _SPANS.get()
        self._spans = spans
        around = spans.root
        if parent is not None:
            around = parent._node if parent._spans is spans else _around(parent, spans)
        node = around.children.get(self._name)
        self._node = spans.child(around, self._name) if node is None else node
        _CURRENT.set(self)
        if spans.begin is None:
            spans.begin = _now()
        if _profiling():
            self._annotation = annotation = _Annotation(self._name)
            annotation.__enter__()
        else:
            self._annotation = None
        self._begin = _now()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        end = _now()
        innermost = _CURRENT.get()
        frame = self if innermost is self else _find(self, innermost)
        if frame._annotation is not None:
            frame._annotation.__exit__(None, None, None)
        frame._open = False
        parent, frame._parent = frame._parent, None
        if innermost is frame:
            while parent is not None and not parent._open:
                parent = parent._parent
            _CURRENT.set(parent)
        failed = None if kind is None or kind is GeneratorExit else kind.__name__
        frame._spans.add(frame._node, frame._begin, end, failed)

    def block(self, out: T) -> T:
        """Waits until what it is given has been computed, and returns it.

        Args:
            out: Any pytree; arrays in objects that are none are looked for.

        Raises:
            UsageError: It is a value of a trace, which cannot be waited for.
        """
        if trace_kind() is not None or isinstance(out, Tracer):
            _refuse(self._name)
        if isinstance(out, jax.Array):
            out.block_until_ready()
        elif out is not None:
            jax.block_until_ready(out)
            for array in hidden(out):
                jax.block_until_ready(array)
        return out

    def __call__(self, fun: Callable[P, R]) -> Callable[P, R]:
        """Times each call of a function, as a decorator; its result is not waited for.

        A coroutine function is timed from its first step to its last. The transform
        `jaxkit.timing.timed` waits for results.

        Args:
            fun: A function.

        Raises:
            TypeError: It is not callable, or a generator function, whose call does nothing yet.
        """
        if not callable(fun):
            raise TypeError(f"jaxkit.timer decorates a function, got {fun!r}")
        if inspect.isgeneratorfunction(fun) or inspect.isasyncgenfunction(fun):
            raise TypeError(
                f"jaxkit.timer cannot time the generator function {fun.__name__!r}, whose call "
                f"does nothing yet: write `with jaxkit.timer({self._name!r})` around what it does"
            )
        name, into = self._name, self._into
        if inspect.iscoroutinefunction(fun):

            @functools.wraps(fun)
            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
                with timer(name, into=into):
                    return await fun(*args, **kwargs)

            return timed_coroutine  # type: ignore[return-value]

        @functools.wraps(fun)
        def timed_call(*args: P.args, **kwargs: P.kwargs) -> R:
            with timer(name, into=into):
                return fun(*args, **kwargs)

        return timed_call

    def __repr__(self) -> str:
        return f"jaxkit.timer({self._name!r})"

    @staticmethod
    @contextlib.contextmanager
    def recording(*, compiles: bool = True) -> Iterator[Spans]:
        """Collects the spans that begin inside, on this thread and in the tasks it starts.

        Example:
            >>> import jaxkit
            >>> with jaxkit.timer.recording() as spans:
            ...     with jaxkit.timer("load"):
            ...         pass
            >>> [stats.name for stats in spans]
            ['load']

        Recordings nest; a span goes to the innermost one only. Those of other threads come with
        `jaxkit.timer(name, into=spans)`.

        Args:
            compiles: Whether to listen to JAX, so that compile time is told apart.

        Yields:
            The `Spans`, readable during the recording and after it.
        """
        spans = Spans()
        spans.start(compiles=compiles)
        token = _SPANS.set(spans)
        try:
            yield spans
        finally:
            with contextlib.suppress(ValueError):  # left in another context than it was entered
                _SPANS.reset(token)
            spans.stop()

    @staticmethod
    def steps(batches: Iterable[T], *, every: int = 50, name: str = "step") -> StepClock[T]:
        """The batches of a training loop, each step timed: see `jaxkit.timing.steps.StepClock`.

        Example:
            >>> import jax.numpy as jnp, jaxkit
            >>> clock = jaxkit.timer.steps(range(6), every=2)
            >>> for batch in clock:
            ...     loss = jnp.float32(batch) ** 2
            ...     _ = clock.step(loss)
            >>> clock.steps
            6

        Args:
            batches: What the loop goes through.
            every: After how many steps one is waited for; 0 for never.
            name: What the spans are called.
        """
        from jaxkit.timing.steps import StepClock

        return StepClock(batches, every=every, name=name)

    @staticmethod
    def report() -> Report:
        """The figures of the recording that is open here, else of the whole process."""
        return _SPANS.get().report()

    @staticmethod
    def spans() -> Spans:
        """The recording that is open here, else that of the whole process."""
        return _SPANS.get()


_CURRENT: ContextVar[timer | None] = ContextVar("jaxkit_timer", default=None)
# What begins outside of any recording; locked, as it is shared by all threads.
PROCESS = Spans()
_SPANS: ContextVar[Spans] = ContextVar("jaxkit_spans", default=PROCESS)


def current_spans() -> Spans:
    """The recording that a span which begins here goes to."""
    return _SPANS.get()


def open_nodes(spans: Spans) -> Iterator[Node]:
    """Those of the spans that are open here and go to a recording, innermost first."""
    frame = _CURRENT.get()
    while frame is not None:
        if frame._open and frame._spans is spans:
            yield frame._node
        frame = frame._parent


def check_name(tool: str, name: Any) -> None:
    """Raises for what cannot be the name of a span.

    Args:
        tool: What it was given to.
        name: What was given.
    """
    if callable(name):
        called = getattr(name, "__name__", type(name).__name__)
        raise TypeError(
            f"{tool} takes the name of a span, got the function {called}: write {tool}({called!r})"
        )
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, got name={name!r} of type {type(name).__name__}")
    if not name:
        raise ValueError(f"name must say what is timed, got name={name!r}")


def _around(frame: timer | None, spans: Spans) -> Node:
    """The node of the innermost open span of a recording, or its root."""
    while frame is not None and not (frame._open and frame._spans is spans):
        frame = frame._parent
    return spans.root if frame is None else frame._node


def _find(entered: timer, frame: timer | None) -> timer:
    """What a `with` on this object has opened last, in this thread and task."""
    while frame is not None:
        if frame._open and (frame._origin is entered or (frame is entered)):
            return frame
        frame = frame._parent
    if entered._open:  # left in another context, as an asynchronous generator may be
        return entered
    raise UsageError(f"{entered!r} was left, but it had not been entered")


def _refuse(name: str) -> None:
    raise UsageError(
        f"jaxkit.timer({name!r}) was used while {trace_kind() or 'a program'} is traced: this code "
        "runs once, when it is traced, and its time says nothing about the program's. Time the "
        f"call of the transformed function; inside, jax.named_scope({name!r}) names a part for "
        "jax.profiler"
    )
