"""`threads`: who else is calling."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.testing._subject import Subject
from jaxkit.testing.laws._law import Bench, Law, NotCheckedError, broken
from jaxkit.testing.laws.surroundings import changed, here

__all__ = ["LAWS"]

_LONG = 30.0
_HANGS = 90.0
_WORKERS = 3


def _threads(bench: Bench) -> None:
    before = here()
    together = _at_once(bench)
    changed(before, "after calls on three threads at once")
    _seen_by_others(bench)
    _elsewhere(bench)
    if not bench.own_subjects:
        _recursive(bench)
    if not together:
        raise NotCheckedError(
            f"three calls did not come together within {_LONG:.0f} s; check it on a machine that "
            "is less busy"
        )


def _came(event: threading.Event, *, seconds: float, still: float) -> bool | None:
    """Whether it came: False once the whole process stands still, None when time is up.

    Who sleeps in a lock uses no processor, and neither does anybody else here if all wait.
    """
    end, window, quiet = time.monotonic() + seconds, still / 2, 0
    while time.monotonic() < end:
        cpu = time.process_time()
        if event.wait(window):
            return True
        quiet = quiet + 1 if time.process_time() - cpu < 0.05 * window else 0
        if quiet == 2:
            return event.is_set()
    return True if event.is_set() else None


class _Meeting:
    """Several threads inside a function at once, which leave it in the order in which they came.

    In that order, and not the last one first: that is how a stack of all threads is found out.
    A transform with a lock lets in one at a time, which is sound, and seen by all standing still.
    """

    def __init__(self, threads: int) -> None:
        self.lock = threading.Lock()
        self.came: list[int] = []
        self.all_in = threading.Event()
        self.left = [threading.Event() for _ in range(threads)]
        self.on = self.one_at_a_time = self.unclear = False

    def enter(self) -> None:
        """Waits until all are inside."""
        with self.lock:
            if threading.get_ident() in self.came:
                return
            self.came.append(threading.get_ident())
            if len(self.came) == len(self.left):
                self.all_in.set()
        if not self.one_at_a_time:
            came = _came(self.all_in, seconds=_LONG, still=0.5)
            self.one_at_a_time |= came is False
            self.unclear |= came is None

    def leave(self) -> None:
        """Waits until those who came before have returned to their callers."""
        place = self.came.index(threading.get_ident())
        if place:
            _came(self.left[place - 1], seconds=_LONG, still=0.5)

    def gone(self) -> None:
        """This thread has returned to its caller."""
        if threading.get_ident() in self.came:
            self.left[self.came.index(threading.get_ident())].set()


def _at_once(bench: Bench) -> bool:
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
    return not meeting.unclear


def _run(bodies: list[Callable[[], Any]], what: str) -> None:
    errors: list[BaseException] = []
    x64 = bool(jax.config.jax_enable_x64)

    def guarded(body: Callable[[], Any], ended: threading.Event) -> None:
        try:
            with jax.enable_x64(x64):
                body()
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    ends = [threading.Event() for _ in bodies]
    for body, end in zip(bodies, ends, strict=True):
        threading.Thread(target=guarded, args=(body, end), daemon=True).start()
    for end in ends:
        ended = _came(end, seconds=_HANGS, still=5.0)
        if ended is None:
            raise NotCheckedError(f"{what} took more than {_HANGS:.0f} s")
        if not ended:
            broken(f"{what} did not end: each waits for something that does not come")
    if errors:
        broken(f"{what} raised {type(errors[0]).__name__}: {errors[0]}")


def _seen_by_others(bench: Bench) -> None:
    """While the function runs on one thread, the configuration of the others is as it was."""
    subject = bench.subject
    inside, done, called = threading.Event(), threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        if called.is_set():
            inside.set()
            done.wait(_LONG)
        return subject.fun(*args, **kwargs)

    wrapped = bench.wrap(subject.around(slow))
    before = here()
    called.set()
    worker = threading.Thread(target=_quiet, args=(bench, wrapped), daemon=True)
    worker.start()
    try:
        while worker.is_alive() and not inside.wait(0.05):
            continue
        if inside.is_set():
            changed(before, "while the function runs on another thread,")
    finally:
        done.set()
        worker.join(_LONG)


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

    # By the shape, which is known also where numbers are traced.
    def total(x: Any) -> Any:
        return x[:1] * 2.0 if x.shape[0] == 1 else wrapped(x[1:]) + x[:1]

    wrapped = bench.wrap(total)
    try:
        wrapped(jnp.ones(1))
    except Exception:
        return  # another law
    got: list[Any] = []
    _run([lambda: got.append(wrapped(jnp.arange(3.0)))], "a wrapped function that calls itself")
    if bench.keeps_values:
        want = np.array([5.0], np.float32)
        bench.same(got[0], want, "a wrapped function that calls itself")


LAWS = (
    Law(
        "threads",
        "threads do not see each other's calls",
        _threads,
        excused_by=("pure", "isolation", "static", "config", "mutation"),
    ),
)
