"""`repeat`, `mutation` and `leak`: what a call leaves behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from jaxkit.testing._compare import copied, difference, shape_of, show
from jaxkit.testing.checks._case import Case, Check, UncheckedError, disagree

__all__ = ["CHECKS"]


def _repeat(case: Case) -> None:
    _ = case.want
    for n in (2, 3):
        found = difference(case.call(), case.want)
        if found is not None:
            disagree(f"call {n} with equal arguments: {found}")


def _mutation(case: Case) -> None:
    from jaxkit.testing.variants import _map_arrays

    for make in (lambda x: x, np.array):
        args, kwargs = _map_arrays(make, case.inputs())
        before = copied((args, kwargs))
        try:
            case.fun(*args, **kwargs)
        except Exception:
            continue  # that NumPy's arrays will not do is said elsewhere
        _unchanged((args, kwargs), before)


def _unchanged(now: Any, before: Any) -> None:
    if shape_of(now) != shape_of(before):
        disagree(f"the arguments were {shape_of(before)} and are {shape_of(now)} after the call")
    pairs = zip(jax.tree_util.tree_leaves(now), jax.tree_util.tree_leaves(before), strict=True)
    for new, old in pairs:
        if isinstance(new, jax.Array) and new.is_deleted():
            disagree(f"the argument {show(old)} was deleted: its buffer was donated")
        if isinstance(new, (jax.Array, np.ndarray)) and difference(new, old, ulps=0) is not None:
            disagree(f"the argument {show(old)} is {show(new)} after the call")


def _leak(case: Case) -> None:
    args, kwargs = case.inputs()
    call, leaves = _tracing(case.fun, args, kwargs)
    kept = [weakref.ref(each) for each in _tracers_of(lambda: jax.make_jaxpr(call)(leaves))]
    if kept:
        gc.collect()  # of all there is: what held them may be gone by now
    for each in (ref() for ref in kept):
        if each is not None:
            disagree(f"after a trace one of its tracers is kept alive, of type {each.aval}")


def _tracers_of(trace: Callable[[], Any]) -> list[Tracer]:
    """The tracers that a trace leaves behind.

    To go through all objects of a large process takes seconds. Those that were there are frozen, so
    that only new ones are collected and listed.
    """
    before: set[int] | None = None
    if gc.get_freeze_count():  # somebody else's, which must stay so
        gc.collect()
        before = {id(each) for each in gc.get_objects() if isinstance(each, Tracer)}
    else:
        gc.freeze()
    try:
        try:
            trace()
        except Exception as error:
            raise UncheckedError(f"it cannot be traced: {type(error).__name__}") from error
        gc.collect()
        found = [each for each in gc.get_objects() if isinstance(each, Tracer)]
        return [each for each in found if before is None or id(each) not in before]
    finally:
        if before is None:
            gc.unfreeze()


def _tracing(fun: Any, args: Any, kwargs: Any) -> tuple[Any, list[Any]]:
    import equinox as eqx

    arrays, rest = eqx.partition((args, kwargs), eqx.is_array)
    leaves, treedef = jax.tree_util.tree_flatten(arrays)

    def call(leaves: list[Any]) -> Any:
        inner = eqx.combine(jax.tree_util.tree_unflatten(treedef, leaves), rest)
        return eqx.filter(fun(*inner[0], **inner[1]), eqx.is_array)

    return call, leaves


CHECKS = (
    Check("repeat", "two equal calls give equal results", _repeat),
    Check("mutation", "a call leaves its arguments as they were", _mutation),
    Check("leak", "nothing of a trace is kept alive", _leak, examples=2),
)
