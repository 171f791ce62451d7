"""`config` and `threads`: what lies around a call, and who else is there."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax.config import trace_context, trace_context_names
from jaxkit.testing._isolation import settings
from jaxkit.testing._subject import Subject
from jaxkit.testing.laws._law import Bench, Law, broken, dynamic

__all__ = ["LAWS"]

_WAIT = 1.5
_HANGS = 10.0
_WORKERS = 3
# What JAX counts in there by itself.
_INTERNAL = ("axis_env_state", "abstract_mesh_context_manager", "mesh_context_manager")


def _here() -> dict[str, Any]:
    """JAX's configuration as this thread sees it, the environment, and NumPy's settings."""
    names = zip(trace_context_names(), trace_context(), strict=False)
    found = {f"jax {name}": value for name, value in names}
    found |= {f"jax.config.{name}": value for name, value in settings().items()}
    found |= {f"os.environ[{name!r}]": value for name, value in os.environ.items()}
    found["numpy.geterr()"] = np.geterr()
    found["numpy.get_printoptions()"] = np.get_printoptions()
    found["os.getcwd()"] = os.getcwd()
    found["warnings.filters"] = list(warnings.filters)
    found["sys.getrecursionlimit()"] = sys.getrecursionlimit()
    for name in ("", "jax"):
        found[f"logging.getLogger({name!r}).level"] = logging.getLogger(name).level
    return found


def _changed(before: dict[str, Any], what: str) -> None:
    after = _here()
    for name in {**before, **after}:
        old, new = before.get(name, "unset"), after.get(name, "unset")
        if old is not new and not _equal(old, new):
            broken(f"{what} {name} is {new!r}, it was {old!r}")


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:
        return False


# What a user may have chosen, and a transform that puts back JAX's defaults takes away.
_CHOSEN = {
    "jax_default_matmul_precision": "float32",
    "jax_numpy_rank_promotion": "warn",
    "jax_enable_x64": True,
    "jax_default_prng_impl": "rbg",
}


def _config(bench: Bench) -> None:
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("default")
        _around_calls(bench)
    for name, value in _CHOSEN.items():
        jax.config.update(name, value)
    with _watched("a call, where the user had chosen otherwise than JAX's default,"):
        bench.call(bench.wrap(bench.subject.fun), bench.subject)


def _around_calls(bench: Bench) -> None:
    subject = bench.subject
    with _watched("wrapping a function"):
        wrapped = bench.wrap(subject.fun)
    with _watched("a call"):
        bench.call(wrapped, subject)

    def failing(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    wrapped = bench.wrap(subject.around(failing))
    with _watched("a call that raised"), contextlib.suppress(Exception):
        bench.call(wrapped, subject)
    if "no_jit" not in bench.tags:
        call, arrays = dynamic(bench.wrap(subject.fun), subject)
        with _watched("a trace"), contextlib.suppress(Exception):
            jax.eval_shape(call, arrays(0))
    _seeds(bench)


@contextlib.contextmanager
def _watched(what: str) -> Any:
    before = _here()
    yield
    _changed(before, f"after {what}")


def _seeds(bench: Bench) -> None:
    """Two different states of NumPy's generator must not become one."""
    wrapped = bench.wrap(bench.subject.fun)
    kept = np.random.get_state()
    try:
        ends = []
        for seed in (1, 2):
            np.random.seed(seed)
            bench.call(wrapped, bench.subject)
            ends.append(np.random.random())
    finally:
        np.random.set_state(kept)
    if ends[0] == ends[1]:
        broken("a call seeds NumPy's global random numbers")


def _threads(bench: Bench) -> None:
    before = _here()
    _at_once(bench)
    _changed(before, "after calls on three threads at once")
    _seen_by_others(bench)
    _elsewhere(bench)
    if not bench.own_subjects:
        _recursive(bench)


class _Meeting:
    """Several threads inside a function at once, which leave it in the order in which they came.

    In that order, and not the last one first: that is how a stack of all threads is found out.
    A transform with a lock lets in one at a time, which is sound: nobody is waited for long.
    """

    def __init__(self, threads: int) -> None:
        self.barrier = threading.Barrier(threads)
        self.came: list[int] = []
        self.left = {n: threading.Event() for n in range(threads)}
        self.on = False

    def enter(self) -> None:
        """Waits until all are inside."""
        self.came.append(threading.get_ident())
        with contextlib.suppress(threading.BrokenBarrierError):
            self.barrier.wait(_WAIT)

    def leave(self) -> None:
        """Waits until those who came before have returned to their callers."""
        place = self.came.index(threading.get_ident())
        if place:
            self.left[place - 1].wait(_WAIT)

    def gone(self) -> None:
        """This thread has returned to its caller."""
        if threading.get_ident() in self.came:
            self.left[self.came.index(threading.get_ident())].set()


def _at_once(bench: Bench) -> None:
    """Several threads inside the function at the same time, each with its own arguments."""
    subject = bench.subject
    meeting = _Meeting(_WORKERS)

    def met(*args: Any, **kwargs: Any) -> Any:
        if meeting.on:
            meeting.enter()
        out = subject.fun(*args, **kwargs)
        if meeting.on:
            meeting.leave()
        return out

    wrapped = bench.wrap(subject.around(met))
    want = [bench.call(wrapped, subject, variant) for variant in range(_WORKERS)]
    meeting.on = True
    got: list[Any] = [None] * _WORKERS

    def work(variant: int) -> None:
        try:
            got[variant] = bench.call(wrapped, subject, variant)
        finally:
            meeting.gone()

    _run([lambda v=v: work(v) for v in range(_WORKERS)], "calls on three threads at once")
    for variant in range(_WORKERS):
        bench.same(got[variant], want[variant], "one of three threads at once")


def _run(bodies: list[Callable[[], Any]], what: str) -> None:
    errors: list[BaseException] = []
    x64 = bool(jax.config.jax_enable_x64)

    def guarded(body: Callable[[], Any]) -> None:
        try:
            with jax.enable_x64(x64):
                body()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(body,), daemon=True) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_HANGS)
        if thread.is_alive():
            broken(f"{what} did not end within {_HANGS:.0f} s")
    if errors:
        broken(f"{what} raised {type(errors[0]).__name__}: {errors[0]}")


def _seen_by_others(bench: Bench) -> None:
    """While the function runs on one thread, the configuration of the others is as it was."""
    subject = bench.subject
    inside, done, called = threading.Event(), threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        if called.is_set():
            inside.set()
            done.wait(_HANGS)
        return subject.fun(*args, **kwargs)

    wrapped = bench.wrap(subject.around(slow))
    before = _here()
    called.set()
    worker = threading.Thread(target=_quiet, args=(bench, wrapped), daemon=True)
    worker.start()
    try:
        while worker.is_alive() and not inside.wait(0.05):
            continue
        if inside.is_set():
            _changed(before, "while the function runs on another thread,")
    finally:
        done.set()
        worker.join(_HANGS)


def _quiet(bench: Bench, wrapped: Callable[..., Any]) -> None:
    with contextlib.suppress(Exception):
        bench.call(wrapped, bench.subject)


def _elsewhere(bench: Bench) -> None:
    subject: Subject = bench.subject
    wrapped = bench.wrap(subject.fun)
    want = bench.call(bench.wrap(subject.fun), subject)
    got: list[Any] = []
    _run([lambda: got.append(bench.call(wrapped, subject))], "a call on another thread")
    bench.same(got[0], want, "a call on another thread than the one that wrapped it")


def _recursive(bench: Bench) -> None:
    """A wrapped function that calls itself: what is held during a call is needed in it."""
    if "changes_structure" in bench.tags or "of_value_and_grad" in bench.tags:
        return

    def countdown(x: Any, n: int) -> Any:
        return x * 2.0 if n == 0 else wrapped(x, n - 1) + 1.0

    wrapped = bench.wrap(countdown)
    plain: list[Any] = []
    _run([lambda: plain.append(wrapped(jnp.ones(2), 0))], "a call of a function")
    got: list[Any] = []
    _run([lambda: got.append(wrapped(jnp.ones(2), 2))], "a wrapped function that calls itself")
    if bench.keeps_values:
        bench.same(got[0], jnp.full(2, 4.0), "a wrapped function that calls itself")


LAWS = (
    Law(
        "config",
        "JAX's configuration and the environment are afterwards as they were, also after an error",
        _config,
    ),
    Law(
        "threads",
        "threads do not see each other's calls",
        _threads,
        excused_by=("pure", "isolation", "static", "config", "mutation"),
    ),
)
