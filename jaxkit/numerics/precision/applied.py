"""`shadow` as a transform: calls are sampled, and looked at beside the program."""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit._jax.effects import settle as settle_effects
from jaxkit._jax.values import kind_of
from jaxkit._jax.x64 import with_x64
from jaxkit.compiles.found import before_the_end, hand_over
from jaxkit.numerics._calls import Calls
from jaxkit.numerics.nonfinite.programs import program_with_fixed
from jaxkit.numerics.precision.analysis import Analysis
from jaxkit.numerics.precision.report import report_of
from jaxkit.numerics.shadow import PrecisionReport
from jaxkit.report import Finding
from jaxkit.transforms import transform

__all__ = ["sampling", "wait"]

# Calls that wait to be looked at, each with its inputs: more are not kept.
_WAITING = 16
_LOGGER = logging.getLogger("jaxkit.shadow")


def _validate(*, rtol: float | None, every: int) -> None:
    if rtol is not None and not rtol >= 0:
        raise ValueError(f"rtol must be 0 or more, or None, got rtol={rtol!r}")
    if isinstance(every, bool) or not isinstance(every, int) or every < 0:
        raise ValueError(f"every must be a number of calls, or 0 for the first only, got {every!r}")


@transform(name="shadow", tags=("keeps_state", "calls_many"), validate=_validate)
def sampling(
    fun: Callable[..., Any], *, rtol: float | None = None, every: int = 0
) -> Callable[..., Any]:
    """Looks at some calls beside the program: which line loses the digits.

    The function returns what it does. The inputs of its first call, and of each `every`th, go to a
    thread of ours, which evaluates the call as `jaxkit.shadow` does; the findings are handed to the
    enclosing `jaxkit.watch` or `jaxkit run`, or else logged. Where 16 calls wait already, one more
    is not looked at; of a first call that is logged. What is looked at is the function, not its
    derivatives: put it on the function that takes the gradient to look at those. To know its
    equations it is traced once more, without being run.

    Args:
        fun: A function of any pytrees.
        rtol: As of `jaxkit.shadow`.
        every: How many calls from one that is looked at to the next; 0 for the first only.

    Returns:
        The function.
    """
    sampler = _Sampler(fun, rtol, every)

    def sampled(*args: Any, **kwargs: Any) -> Any:
        return sampler.call(args, kwargs)

    return sampled


class _Sampler:
    """Looks at one wrapped function."""

    def __init__(self, fun: Callable[..., Any], rtol: float | None, every: int) -> None:
        self._fun = fun
        self._rtol = rtol
        self._every = every
        self._calls = Calls.of(fun)
        self._lock = threading.Lock()
        self._said: set[Any] = set()

    def call(self, args: Any, kwargs: Any) -> Any:
        """Runs the function and has its inputs looked at, now or whenever the program runs."""
        leaves = jax.tree.leaves((args, kwargs))
        traced = any(kind_of(type(leaf)) == "tracer" for leaf in leaves)
        if not traced and not self._is_sampled():
            return self._fun(*args, **kwargs)
        try:
            program = program_with_fixed(self._fun, args, kwargs)
        except (jax.errors.ConcretizationTypeError, jax.errors.UnexpectedTracerError):
            return self._fun(*args, **kwargs)  # its branches depend on values: not looked at
        if not all(jaxprs.is_array_type(jax.typeof(value)) for value in program.inputs):
            return self._fun(*args, **kwargs)  # references to what changes while it runs
        look = _Look(self, program, self._rtol)
        if any(kind_of(type(value)) == "tracer" for value in program.inputs):
            kept = [_plain(lax.stop_gradient(value)) for value in program.inputs]
            jax.debug.callback(lambda *values: self._told(look, values), *kept)
        else:
            self._add(look, [_own(value) for value in program.inputs])
        return self._fun(*args, **kwargs)

    def _told(self, look: _Look, values: Sequence[Any]) -> None:
        if self._is_sampled():
            self._add(look, [np.array(value) for value in values])

    def _add(self, look: _Look, values: Sequence[Any]) -> None:
        if not _WORKER.add(look, values) and not self._every:
            _LOGGER.warning(
                "%s: its call was not looked at, as %d others wait; every=%d looks at later ones",
                look.name,
                _WAITING,
                100,
            )

    def _is_sampled(self) -> bool:
        number = self._calls.next()
        return number == 1 or (self._every > 0 and (number - 1) % self._every == 0)

    def found(self, finding: Finding) -> None:
        """Hands on what was not said before."""
        place = finding.kind, finding.where
        with self._lock:
            if place in self._said:
                return
            self._said.add(place)
        if not hand_over(finding) and finding.severity != "info":
            where = "" if finding.where is None else f"{finding.where}: "
            _LOGGER.warning("%s%s: %s", where, finding.kind, finding.message)


class _Look:
    """A program whose inputs are to be looked at."""

    def __init__(self, sampler: _Sampler, program: jaxprs.Program, rtol: float | None) -> None:
        self._sampler = sampler
        self._rtol = rtol
        self._keys = [_key_of(value) for value in program.inputs]
        self.name = jaxprs.name_of(sampler._fun)
        self._program = program._replace(inputs=())
        self._analysis: Analysis | None = None
        self._x64 = bool(jax.config.jax_enable_x64)

    def at(self, values: Sequence[Any]) -> None:
        """Evaluates a call with these inputs and hands on what is found."""
        with with_x64() if self._x64 else contextlib.nullcontext():
            if self._analysis is None:
                self._analysis = Analysis(self._program, self.name, self._rtol)
            both = zip(values, self._keys, strict=True)
            inputs = [x if key is None else _as_key(x, key) for x, key in both]
            report = report_of(self._analysis, self._analysis.inputs(inputs), PrecisionReport)
        for finding in report.findings:
            self._sampler.found(finding)


class _Worker:
    """A thread that looks at calls, one after the other."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[_Look, Sequence[Any]]] = queue.Queue(_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, look: _Look, values: Sequence[Any]) -> bool:
        """Whether there is room for it."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="jaxkit shadow", daemon=True)
                self._thread.start()
                before_the_end(wait)
                atexit.register(wait)
        try:
            self._queue.put_nowait((look, values))
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while True:
            look, values = self._queue.get()
            try:
                look.at(values)
            except Exception as error:  # whatever it is, the program goes on
                _LOGGER.warning(
                    "a call could not be looked at: %s: %s", type(error).__name__, error
                )
            finally:
                self._queue.task_done()

    def join(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            self._queue.join()


_WORKER = _Worker()


def wait() -> None:
    """Waits until every call that was to be looked at has been."""
    settle_effects()
    _WORKER.join()


def _key_of(value: Any) -> Any:
    """Of which kind the keys are that a value holds; None for other values."""
    return jax.random.key_impl(value) if jaxprs.is_key(jax.typeof(value)) else None


def _as_key(value: Any, kind: Any) -> Any:
    return value if kind_of(type(value)) == "jax" else jax.random.wrap_key_data(value, impl=kind)


def _own(value: Any) -> Any:
    """What the program may change in place before it is looked at is copied."""
    return np.array(value) if kind_of(type(value)) == "numpy" else value


def _plain(value: Any) -> Any:
    """As an array that a callback can take."""
    return jax.random.key_data(value) if jaxprs.is_key(jax.typeof(value)) else value
