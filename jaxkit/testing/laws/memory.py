"""`mutation` and `leak`: arguments are left as they are, and nothing is kept alive."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxkit.testing._compare import copied, difference, shape_of, show
from jaxkit.testing._subject import Subject
from jaxkit.testing.laws._law import Bench, Law, broken, dynamic

__all__ = ["LAWS"]


def _mutation(bench: Bench) -> None:
    for subject in bench.subjects:
        args, kwargs = subject.inputs()
        before = copied((args, kwargs))
        bench.wrap(subject.fun)(*args, **kwargs)
        _untouched((args, kwargs), before, "an argument")
    if bench.own_subjects:
        return
    _containers(bench)
    _numpy(bench)
    _the_functions_own(bench)
    _the_function_itself(bench)


def _untouched(now: Any, before: Any, what: str) -> None:
    if shape_of(now) != shape_of(before):
        broken(f"{what} {shape_of(before)} was changed to {shape_of(now)}")
    pairs = zip(jax.tree_util.tree_leaves(now), jax.tree_util.tree_leaves(before), strict=True)
    for new, old in pairs:
        if isinstance(new, jax.Array) and new.is_deleted():
            broken(f"{what} was deleted: its buffer was donated")
        if difference(new, old, ulps=0) is not None:
            broken(f"{what} was changed from {show(old)} to {show(new)}")


def _containers(bench: Bench) -> None:
    def doubled(tree: Any, *, scale: Any) -> Any:
        return {"z": tree["z"] * scale["s"], "a": [each * 2.0 for each in tree["a"]]}

    x, y, s = jnp.asarray([1.0, 2.0]), jnp.asarray([3.0]), jnp.float32(2.0)
    tree, scale = {"z": x, "a": [y, x]}, {"s": s}
    bench.wrap(doubled)(tree, scale=scale)
    _untouched(tree, {"z": jnp.asarray([1.0, 2.0]), "a": [jnp.asarray([3.0]), x]}, "a dict")
    host = {"z": np.ones(2, np.float32), "a": [np.zeros(1, np.float32)]}
    held = (host["z"], host["a"][0])
    bench.wrap(doubled)(host, scale={"s": np.float32(2.0)})
    if (host["z"] is not held[0]) or (host["a"][0] is not held[1]):
        broken("what a dict or list of NumPy arrays holds was replaced by something else")
    if tree["z"] is not x or tree["a"][0] is not y or scale.get("s") is not s or len(scale) != 1:
        broken("what a dict or list that was given holds was replaced by something else")


def _numpy(bench: Bench) -> None:
    def doubled(x: Any) -> Any:
        return x * 2.0

    for x in (np.array([1.0, -2.0, _odd(bench)], np.float32), np.zeros((2, 2), np.float32)):
        before = x.copy()
        bench.wrap(doubled)(x)
        if not x.flags.writeable:
            broken("a NumPy array that was given is read-only now")
        _untouched(x, before, "a NumPy array")


def _odd(bench: Bench) -> float:
    """What some like to repair; others rightly stop at it."""
    return 3.0 if "may_raise" in bench.tags else np.nan


def _the_functions_own(bench: Bench) -> None:
    """A function may return what it keeps: that is not the wrapper's to change."""
    if bench.tags & {"of_value_and_grad"}:
        return
    for own in (
        {"z": jnp.asarray([1.0, 200.0]), "a": [jnp.asarray([3.0])]},
        np.array([1.0, -200.0, _odd(bench)], np.float32),
    ):
        before = copied(own)

        def returning(x: Any, own: Any = own) -> Any:
            return own

        bench.wrap(returning)(before)
        _untouched(own, before, "what the function returned and keeps")


def _the_function_itself(bench: Bench) -> None:
    def plain(x: Any) -> Any:
        """Doubles."""
        return x * 2.0

    before = (dict(vars(plain)), plain.__name__, plain.__doc__, plain.__defaults__)
    bench.transform(bench.adapt(plain))(jnp.ones(2))
    after = (dict(vars(plain)), plain.__name__, plain.__doc__, plain.__defaults__)
    if after != before:
        broken(f"the function that was wrapped was changed: {before} became {after}")


def _leak(bench: Bench) -> None:
    """What remembers may keep arrays; tracers are of no use to anybody after their trace."""
    state = "keeps_state" in bench.tags
    for where, wrapped, refs in [] if state else _used(bench):
        kept = _alive(refs)
        if kept:
            broken(f"{where} {kept} is kept alive; {_TAG}")
        del wrapped
    if "no_jit" not in bench.tags:
        _tracers(bench)
        _called_after_a_trace(bench)
    if bench.thorough() and not state:
        _what_the_function_holds(bench)
    if not state:
        _after_an_error(bench)


_TAG = "if that is meant, give the tag keeps_state"


Refs = list[tuple[str, "weakref.ref[Any]"]]


def _used(bench: Bench) -> list[tuple[str, Any, Refs]]:
    found: list[tuple[str, Any, Refs]] = []
    subject = bench.subject
    wrapped = bench.wrap(subject.fun)
    refs: Refs = []
    for _ in range(2):
        args, kwargs = subject.inputs()
        out = wrapped(*args, **kwargs)
        refs += _refs("an argument", (args, kwargs)) + _refs("a result", out)
        del args, kwargs, out
    found.append(("after a call", wrapped, refs))
    return found


def _refs(what: str, tree: Any) -> Refs:
    return [
        (what, weakref.ref(leaf))
        for leaf in jax.tree_util.tree_leaves(tree)
        if isinstance(leaf, (jax.Array, np.ndarray))
    ]


def _alive(refs: Refs) -> str | None:
    for collect in (lambda: gc.collect(1), gc.collect, gc.collect, jax.clear_caches):
        if all(ref() is None for _, ref in refs):
            return None
        collect()
    gc.collect()
    return next((what for what, ref in refs if ref() is not None), None)


def _tracers(bench: Bench) -> None:
    """After a trace nothing of it is left."""
    refs: Refs = []
    subject = bench.subject

    def noting(*args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree_util.tree_leaves((args, kwargs))
        refs.extend(("a tracer", weakref.ref(x)) for x in leaves if isinstance(x, Tracer))
        out = subject.fun(*args, **kwargs)
        leaves = jax.tree_util.tree_leaves(out)
        refs.extend(("a tracer", weakref.ref(x)) for x in leaves if isinstance(x, Tracer))
        return out

    # What it keeps is kept as long as it is. A trace that raises is no measure: of one within
    # another JAX itself keeps some.
    wrapped = bench.wrap(subject.around(noting))
    _traced_only(wrapped, subject)
    if _alive(refs):
        broken("after a trace one of its tracers is kept alive")
    del wrapped


def _called_after_a_trace(bench: Bench) -> None:
    subject = bench.subject
    wrapped = bench.wrap(subject.around(subject.fun))
    call, arrays = dynamic(wrapped, subject)
    jax.eval_shape(call, arrays(0))
    try:
        bench.call(wrapped, subject)
    except jax.errors.UnexpectedTracerError:
        broken("a call after a trace met a tracer of that trace")


def _traced_only(wrapped: Callable[..., Any], subject: Subject) -> None:
    call, arrays = dynamic(wrapped, subject)
    jax.eval_shape(lambda leaves: (call(leaves), None)[1], arrays(0))


def _what_the_function_holds(bench: Bench) -> None:
    subject = bench.subject
    held = jnp.ones(1000)
    refs: Refs = [("an array that the function held", weakref.ref(held))]

    def holding(held: Any) -> Callable[..., Any]:
        return subject.around(lambda *a, **k: (held, subject.fun(*a, **k))[1])

    wrapped = bench.wrap(holding(held))
    bench.call(wrapped, subject)
    del held, wrapped
    kept = _alive(refs)
    if kept:
        broken(f"after the wrapped function is gone, {kept} is kept alive")


def _after_an_error(bench: Bench) -> None:
    subject = bench.subject

    def failing(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    wrapped = bench.wrap(subject.around(failing))
    refs: Refs = []

    def once() -> None:
        args, kwargs = subject.inputs()
        refs.extend(_refs("an argument", (args, kwargs)))
        try:
            wrapped(*args, **kwargs)
        except Exception:
            return

    once()
    kept = _alive(refs)
    if kept:
        broken(f"after a call that raised, {kept} is kept alive; {_TAG}")


LAWS = (
    Law(
        "mutation",
        "arguments are neither changed nor donated, nor is what the function returns",
        _mutation,
    ),
    Law(
        "leak",
        "neither arrays nor tracers are kept alive after a call",
        _leak,
        excused_by=("pure",),
    ),
)
