"""`retrace`, `pure`, `isolation`, `once`, `lazy`: when the function runs, what is remembered."""

from __future__ import annotations

import contextlib
import gc
import random
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxkit.compiles.watch import watch
from jaxkit.testing._compare import difference
from jaxkit.testing._subject import Subject
from jaxkit.testing.laws._law import Bench, Law, NotCheckedError, broken, dynamic
from jaxkit.testing.laws._remembered import remembered

__all__ = ["LAWS"]

_CALLS = 12


def _retrace(bench: Bench) -> None:
    subject = bench.subject
    _no_new_trace(bench, "on an equal call", bench.wrap(subject.fun), subject)
    if "no_jit" in bench.tags:
        return
    call, arrays = dynamic(bench.wrap(subject.fun), subject)
    flat = Subject(jax.jit(call), (arrays(0),), name=subject.name)
    _no_new_trace(bench, "on an equal call under jax.jit", flat.fun, flat)
    if bench.own_subjects:
        return
    inner = bench.wrap(jax.jit(subject.fun))
    _no_new_trace(bench, "on an equal call around a jitted function", inner, subject)


def _no_new_trace(bench: Bench, what: str, wrapped: Callable[..., Any], subject: Subject) -> None:
    bench.call(wrapped, subject)
    inputs = [subject.inputs(variant) for variant in (0, 1)]
    _watched(what, [lambda a=a, k=k: wrapped(*a, **k) for a, k in inputs])


def _watched(what: str, calls: list[Callable[[], Any]]) -> None:
    name = threading.current_thread().name
    with watch() as log:
        for call in calls:
            call()
    for event in log.events:
        new = event.outcome in ("compiled", "trace-only")
        if new and event.thread == name and event.via not in ("eager", "shard_map"):
            why = "" if event.kind == "first" else f" ({event.kind})"
            weak = event.outcome == "trace-only"
            broken(f"{what} {event.function.name} was traced again{why}", weak=weak)


def _pure(bench: Bench) -> None:
    for subject in bench.subjects[: None if bench.thorough() else 1]:
        _same_again(bench, subject)
    _nothing_kept(bench)
    if not bench.own_subjects and "no_jit" not in bench.tags:
        _after_a_trace(bench)


def _same_again(bench: Bench, subject: Subject) -> None:
    wrapped = bench.wrap(subject.fun)
    first = [bench.call(wrapped, subject, variant) for variant in (0, 1)]
    alone = bench.call(bench.wrap(subject.around(subject.fun)), subject, 1)
    bench.same(first[1], alone, "a call after one with other arguments")
    for n in range(2, _CALLS):
        again = bench.call(wrapped, subject, n % 2)
        bench.same(again, first[n % 2], f"call {n + 1} with the arguments of call {n % 2 + 1}")


def _nothing_kept(bench: Bench) -> None:
    subject = bench.subject
    wrapped = bench.wrap(subject.fun)
    for _ in range(2):  # what is kept from the first is a cache, which stays as it is
        bench.call(wrapped, subject)
    before = remembered(wrapped, without=subject.fun)
    for variant in (0, 1, 2):
        bench.call(wrapped, subject, variant)
    after = remembered(wrapped, without=subject.fun)
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            old, new = before.get(path, "nothing"), after.get(path, "nothing")
            broken(f"calls changed what the wrapper keeps in {path!r}: {old} became {new}")


def _after_a_trace(bench: Bench) -> None:
    def double(x: Any) -> Any:
        return x * 2.0

    x = jnp.asarray([1.0, 2.0, 3.0])
    want = bench.wrap(double)(x)
    wrapped = bench.wrap(lambda x: x * 2.0)
    wrapped(jnp.ones((2, 5)))
    bench.same(wrapped(x), want, "a call after one with another shape")
    wrapped = bench.wrap(lambda x: x * 2.0)
    jax.make_jaxpr(wrapped)(x)
    try:
        got = wrapped(x)
    except jax.errors.UnexpectedTracerError:
        return  # a leak, and said as one
    bench.same(got, want, "a call after a trace")
    wrapped = bench.wrap(_make_failing())
    want = wrapped(x)
    with contextlib.suppress(ZeroDivisionError):
        wrapped(jnp.float32(1.0))
    bench.same(wrapped(x), want, "a call after one that raised")


def _make_failing() -> Callable[[Any], Any]:
    """A new function each time: a transform may leave something on it."""

    def fails_for_scalars(x: Any) -> Any:
        if x.ndim == 0:
            raise ZeroDivisionError
        return x * 2.0

    return fails_for_scalars


def _isolation(bench: Bench) -> None:
    _no_chance(bench)
    _side_by_side(bench)
    if not bench.own_subjects:
        _functions_that_come_and_go(bench)


def _no_chance(bench: Bench) -> None:
    """With random numbers of the host's no two calls are alike, shared or not."""
    make, run = _makers(bench)
    kept = random.getstate(), np.random.get_state()
    try:
        outs = []
        for seed in (1, 2, 1):
            random.seed(seed)
            np.random.seed(seed)
            outs.append(run(bench.wrap(make(1.0))))
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
    if difference(outs[0], outs[1]) is not None and difference(outs[0], outs[2]) is None:
        raise NotCheckedError("the results depend on random numbers of the host, as pure says")


def _makers(bench: Bench) -> tuple[Callable[[float], Any], Callable[[Any], Any]]:
    if bench.own_subjects:
        subject = bench.subject
        return (
            lambda factor: subject.around(lambda *a, **k: _times(subject.fun(*a, **k), factor)),
            lambda fun: bench.call(fun, subject),
        )

    def make(factor: float) -> Callable[[Any], Any]:
        def scaled(x: Any) -> Any:
            return x * factor

        return scaled

    x = jnp.asarray(np.array([0.5, -1.25, 2.0], np.float32))
    return make, lambda fun: fun(jnp.array(x))


def _times(tree: Any, factor: float) -> Any:
    return jax.tree_util.tree_map(
        lambda x: x * factor if jnp.issubdtype(jnp.result_type(x), jnp.inexact) else x, tree
    )


def _side_by_side(bench: Bench) -> None:
    """Each of two uses gives what it would give alone, although they look the same."""
    make, run = _makers(bench)
    rounds = 3

    def fresh(factor: float) -> Callable[..., Any]:
        return bench.wrap(make(factor))

    first = fresh(1.0)
    alone_first = [run(first) for _ in range(rounds)]
    again = fresh(1.0)
    for n in range(rounds):
        bench.same(run(again), alone_first[n], f"call {n + 1} of a second use, after the first")
    one, two = fresh(1.0), fresh(-3.0)
    seen: list[tuple[Any, Any]] = [(run(one), run(two)) for _ in range(rounds)]
    for n, (left, right) in enumerate(seen):
        bench.same(left, alone_first[n], f"call {n + 1} in turns with another use")
        want = _reference(bench, run)
        if want is not None:
            bench.same(right, want, f"call {n + 1} of the other use")
        bench.same(right, seen[0][1], f"call {n + 1} of the other use") if n == 0 else None
    shared = make(2.0)
    left, right = bench.wrap(shared), bench.wrap(shared)
    outs = [run(left), run(right), run(left)]
    alone = run(fresh(2.0))
    bench.same(outs[1], alone, "a second use of one function")


def _reference(bench: Bench, run: Callable[[Any], Any]) -> Any:
    """The other use, of a function that no cache can take for the first."""
    if bench.own_subjects:
        return None

    def minus_three_times(y: Any) -> Any:
        return y * -3.0

    return run(bench.wrap(minus_three_times))


def _functions_that_come_and_go(bench: Bench) -> None:
    """What is kept by `id` is found again by another function at the same place."""
    make, run = _makers(bench)
    seen: dict[float, Any] = {}
    kept = []
    for factor in (1.0, 2.0, 3.0, 4.0):
        seen[factor] = run(bench.wrap(make(factor)))
        gc.collect(0)
    for factor, got in seen.items():
        fun = make(factor)
        kept.append(fun)
        wanted = bench.adapt(fun) if bench.keeps_values else bench.wrap(fun)
        bench.same(got, run(wanted), "a function made where another one was before")


def _once(bench: Bench) -> None:
    for subject in bench.subjects[: None if bench.thorough() else 1]:
        _counted(bench, subject)
    for error in _errors():
        _also_when_it_raises(bench, error)


def _counted(bench: Bench, subject: Subject) -> None:
    runs: list[bool] = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree_util.tree_leaves((args, kwargs))
        runs.append(any(isinstance(leaf, Tracer) for leaf in leaves))
        return subject.fun(*args, **kwargs)

    wrapped = bench.wrap(subject.around(counting))
    for n in (1, 2, 3):
        before = len(runs)
        bench.call(wrapped, subject, 1 if n == 3 else 0)
        count = len(runs) - before
        # What was traced once need not be run by Python again.
        if count != 1 and not (n > 1 and count == 0 and runs[0]):
            broken(f"in call {n} the function ran {_times_said(count)}")
    if "no_jit" not in bench.tags:
        call, arrays = dynamic(bench.wrap(subject.around(counting)), subject)
        before = len(runs)
        jax.eval_shape(call, arrays(0))
        if len(runs) - before != 1:
            broken(f"in one trace the function ran {_times_said(len(runs) - before)}")


def _errors() -> list[Exception]:
    """Errors that some take for a reason to call again, with less or otherwise."""
    return [
        ZeroDivisionError(),
        TypeError("f() got an unexpected keyword argument 'b'"),
        ValueError("of the function"),
        OSError("not there yet"),
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"),
    ]


def _also_when_it_raises(bench: Bench, error: Exception) -> None:
    runs: list[int] = []

    def failing(*args: Any, **kwargs: Any) -> Any:
        runs.append(1)
        raise error

    def named(a: Any, *, b: Any = None) -> Any:
        return failing(a, b)

    if bench.own_subjects or "changes_signature" in bench.tags:
        subject = bench.subject.with_fun(bench.subject.around(failing))
    else:
        subject = Subject(named, (jnp.ones(3),), {"b": jnp.ones(3)})
    wrapped = bench.wrap(subject.fun)
    runs.clear()
    with contextlib.suppress(Exception):
        bench.call(wrapped, subject)
    if len(runs) > 1:
        broken(f"a function that raises {type(error).__name__} ran {_times_said(len(runs))}")


def _times_said(count: int) -> str:
    return {0: "not at all", 2: "twice"}.get(count, f"{count} times")


def _lazy(bench: Bench) -> None:
    runs: list[int] = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        runs.append(1)
        return bench.subject.fun(*args, **kwargs)

    fun = bench.subject.around(counting)
    bench.wrap(fun)
    if runs:
        broken("the function ran while it was being wrapped")
    if bench.own_subjects or bench.tags & {"of_gradients", "of_value_and_grad"}:
        return

    def constant() -> Any:
        runs.append(1)
        return jnp.float32(1.0)

    bench.wrap(constant)
    if runs:
        broken("a function without arguments ran while it was being wrapped")


_MEANS_STATE = frozenset({"keeps_state"})

LAWS = (
    Law(
        "retrace",
        "a call like an earlier one traces and compiles nothing",
        _retrace,
        excused_by=("once", "pure", "jit"),
    ),
    Law("pure", "equal calls give equal results: nothing is remembered", _pure, _MEANS_STATE),
    Law("isolation", "two uses of a transform do not see each other", _isolation, _MEANS_STATE),
    Law(
        "once",
        "the function runs exactly once a call",
        _once,
        free_by=frozenset({"calls_many"}),
    ),
    Law("lazy", "nothing runs when a function is wrapped", _lazy),
)
