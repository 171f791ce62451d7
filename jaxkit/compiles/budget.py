"""`jaxkit.max_compiles`: an error, with its explanation, at the first compilation too many."""

from __future__ import annotations

import contextlib
import inspect
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jaxkit._jax.call import Anchor, Call
from jaxkit._jax.stack import read_stack
from jaxkit._jax.staged import is_staged
from jaxkit.compiles.event import CompileEvent, Function, Place
from jaxkit.compiles.function import innermost_function
from jaxkit.compiles.groups import Groups
from jaxkit.compiles.log import CompileLog
from jaxkit.compiles.reading import function_of, thread_name
from jaxkit.compiles.recorder import RECORDER
from jaxkit.compiles.signature import build
from jaxkit.compiles.summary import finding_of, place
from jaxkit.errors import RecompilationError
from jaxkit.report import Report
from jaxkit.transforms import transform
from jaxkit.transforms._enclosing import current

__all__ = ["max_compiles"]

_MOST = 1000


def _check(*, n: int) -> None:
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"n must be an int, got n={n!r} of type {type(n).__name__}")
    if n < 0:
        raise ValueError(f"n must be 0 or more, got n={n!r}; 1 allows the first compilation")


@transform(tags=("keeps_state", "may_raise"), validate=_check)
def max_compiles(fun: Callable[..., Any], *, n: int = 1) -> Callable[..., Any]:
    """Stops at the first compilation of a function beyond `n`, and says why it was compiled again.

    What is counted is what is compiled while `fun` runs, function by function: `fun` itself where
    it is jitted, the jitted functions that it calls where it is not. Operations outside of jit do
    not count; a derivative counts apart from its function. Inside of a function that is being
    traced, as `jax.jit(max_compiles(f))`, each trace of `f` with other arguments counts: that is
    what would be compiled. Calls in other threads do not count, nor does what was compiled before
    `fun` was wrapped.

    JAX is listened to during the call only, which costs some 0.1 ms.

    Example:
        >>> import jax, numpy as np, jaxkit
        >>> @jaxkit.max_compiles(n=1)
        ... @jax.jit
        ... def total(batch):
        ...     return batch.sum()
        >>> for rows in (32, 32, 17):
        ...     try:
        ...         _ = total(np.ones(rows, np.float32))
        ...     except jaxkit.RecompilationError as error:
        ...         print(str(error).splitlines()[1])
          batch changed shape: axis 0 took 2 sizes (32, 17)

    Args:
        fun: A function, usually a jitted one.
        n: How many compilations of one function are allowed.

    Returns:
        The function, which raises after the call that has compiled too often.

    Raises:
        RecompilationError: With what changed, before and after, and how to stop it;
            `.report` has that as a finding.
        TypeError: `n` is no int.
        ValueError: `n` is below 0.

    References:
        `chex.assert_max_traces` and `equinox.debug.assert_max_traces` count the traces of the
        Python function and do not say what changed.
    """
    budget = _Budget.of(fun, n)

    def limited(*args: Any, **kwargs: Any) -> Any:
        if any(map(is_staged, jax.tree.leaves((args, kwargs)))):
            budget.traced(_traced(fun, args, kwargs))
            return fun(*args, **kwargs)
        with budget.listening():
            out = fun(*args, **kwargs)
        budget.settle()
        return out

    return limited


class _Budget:
    """What was compiled in the calls of one wrapped function."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._log = CompileLog(on_compile=self._count)
        self._counts: Counter[tuple[str, str, int, str]] = Counter()
        self._beyond: list[tuple[CompileEvent, int]] = []
        self._run = current()
        self._threads: list[str] = []

    @classmethod
    def of(cls, fun: Any, n: int) -> _Budget:
        """One for each wrapping, except of a pytree, which is wrapped again at each call."""
        if not _is_pytree(fun):
            return cls(n)
        inner = innermost_function(getattr(fun, "__wrapped__", None) or type(fun).__call__)
        key = (type(fun), None if inner is None else inner.__code__, n)
        if key not in _shared and len(_shared) >= _MOST:
            _shared.pop(next(iter(_shared)))
        return _shared.setdefault(key, cls(n))

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Counts what this thread compiles meanwhile."""
        thread = thread_name()
        self._threads.append(thread)
        RECORDER.add(self)
        try:
            yield
        finally:
            RECORDER.remove(self)
            self._threads.remove(thread)

    def traced(self, event: CompileEvent) -> None:
        """Counts a trace, unless it is one of many for one program, as `scan` makes them."""
        self._log.record(event)
        self.settle()

    def record(self, event: CompileEvent) -> None:
        """Takes an event, as a log does."""
        if event.thread in self._threads:
            self._log.record(event)

    def begun(self, function: Function, thread: str) -> None:
        """A compilation has begun; nothing is written down."""

    def note(self, name: str, count: int = 1) -> None:
        """What could not be read is counted by the log."""
        self._log.note(name, count)

    def _count(self, event: CompileEvent) -> None:
        function = event.function
        if not event.compiled or (event.via == "eager" and function.traced is None):
            return
        if event.stages == ("trace",) and event.kind == "cache-cleared":
            return
        # A derivative, or a part of an eager shard_map, is a program of its own by design.
        key = (function.name, function.file, function.line, event.role)
        self._counts[key] += 1
        if self._counts[key] > self._n:
            self._beyond.append((event, self._counts[key]))

    def settle(self) -> None:
        """Raises if something has been compiled too often since the last time."""
        beyond, self._beyond = self._beyond, []
        if not beyond:
            return
        error = _error(*beyond[0], n=self._n)
        if self._run is not None:
            self._run.found(error)
        raise error


_shared: dict[Any, _Budget] = {}


def _is_pytree(fun: Any) -> bool:
    """Whether JAX takes a callable apart, so that there is no one object to remember with."""
    return jax.tree.structure(fun) != jax.tree.structure(0)


def _traced(fun: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CompileEvent:
    """A trace of a function as the compilation that it is part of."""
    name = getattr(fun, "__name__", type(fun).__name__)
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        signature = None
    call = Call(via="jit", fun=fun, args=args, kwargs=kwargs, signature=signature)
    anchor = Anchor(key=(0, ""), name=name, fun=fun, args=args, kwargs=kwargs)
    site = read_stack().site
    return CompileEvent(
        index=-1,
        process=os.getpid(),
        thread=thread_name(),
        time=time.time(),
        outcome="compiled",
        function=function_of(call, name, None, by_library=False),
        call_site=None if site is None else Place(*site),
        via="jit",
        stages=("trace",),
        seconds={},
        config=RECORDER.config(),
        signature=build(call, anchor),
    )


def _error(event: CompileEvent, count: int, *, n: int) -> RecompilationError:
    function = event.function
    times = "time" if count == 1 else "times"
    where = place(function.file, function.line)
    lines = [f"{function.name} ({where}) was compiled {count} {times}, max_compiles allows {n}"]
    findings = []
    if event.recompile:
        groups = Groups()
        groups.add(event)
        findings = [finding_of(groups)]
        lines.append(findings[0].message.removeprefix(f"{function.name}: "))
        if findings[0].fix:
            lines.append(f"fix: {findings[0].fix}")
    if event.call_site is not None:
        lines.append(f"called from {place(event.call_site.file, event.call_site.line)}")
    data = {"function": function.name, "compiles": count, "allowed": n}
    return RecompilationError(Report("max_compiles", findings, data), "\n  ".join(lines))
