"""`jit`, `vmap` and `scan`: the transform inside and around JAX's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax.config import trace_context, trace_context_names
from jaxkit.testing._subject import Subject, is_array, stack
from jaxkit.testing.laws._law import Bench, Law, NotCheckedError, attempt, dynamic
from jaxkit.testing.laws.drawn import check_drawn

__all__ = ["LAWS"]


def _jit(bench: Bench) -> None:
    for subject in bench.subjects:
        wrapped = bench.wrap(subject.fun)
        want = bench.call(wrapped, subject)
        call, arrays = dynamic(wrapped, subject)
        with attempt("under jax.jit it"):
            got = jax.jit(call)(arrays(0))
        bench.same(got, want, "under jax.jit")
        if not bench.own_subjects:
            _around_jit(bench, subject, want)
    if bench.thorough() and not bench.own_subjects:
        _branches(bench)
    if bench.thorough("full") and not bench.own_subjects and "may_raise" not in bench.tags:
        check_drawn(bench, jit=True)


def _around_jit(bench: Bench, subject: Subject, want: Any) -> None:
    wrapped = bench.wrap(jax.jit(subject.fun))
    with attempt("around a jitted function it"):
        got = bench.call(wrapped, subject)
    bench.same(got, want, "around a jitted function")
    lower: Callable[..., Any] | None = getattr(wrapped, "lower", None)
    if bench.thorough() and lower is not None:
        args, kwargs = subject.inputs()
        with attempt("its .lower"):
            got = lower(*args, **kwargs).compile()(*args, **kwargs)
        bench.same(got, want, "what its .lower compiles is another function")


def _branches(bench: Bench) -> None:
    """JAX's control flow, with the wrapped function in a branch."""
    x = _x()
    wrapped = bench.wrap(lambda x: x * 2.0)
    with attempt("in a branch of jax.lax.cond it"):
        got = jax.jit(lambda x: jax.lax.cond(x[0] > 0, wrapped, wrapped, x))(x)
    bench.same(got, wrapped(x), "in a branch of jax.lax.cond")


def _vmap(bench: Bench) -> None:
    for subject in bench.subjects:
        call, arrays = dynamic(bench.wrap(subject.fun), subject)
        rows = [arrays(variant) for variant in range(3)]
        if not rows[0]:
            raise NotCheckedError("the subject has no array to map over; give subjects= with one")
        _mapped(bench, call, rows, [0] * len(rows[0]))
        if len(rows[0]) > 1:
            for only in range(len(rows[0])):
                _mapped(bench, call, rows, [0 if i == only else None for i in range(len(rows[0]))])
        if bench.thorough():
            axes = [-1 if np.ndim(x) else 0 for x in rows[0]]
            _mapped(bench, call, rows, axes)
            _mapped_twice(bench, call, rows)
    if not bench.own_subjects:
        _around_vmap(bench)
        if bench.keeps_values:
            for name in ("batch", *sorted(_own_axes(bench) - {"batch"})):
                _axis_name(bench, name)


def _mapped(
    bench: Bench,
    call: Callable[[list[Any]], Any],
    rows: list[list[Any]],
    axes: Sequence[int | None],
) -> None:
    what = "under jax.vmap" + ("" if set(axes) == {0} else f" with in_axes={tuple(axes)}")
    columns = [
        rows[0][i] if axis is None else stack([row[i] for row in rows], axis)
        for i, axis in enumerate(axes)
    ]
    singles = [
        call([rows[0][i] if axis is None else row[i] for i, axis in enumerate(axes)])
        for row in rows
    ]
    with attempt(f"{what} it"):
        got = jax.vmap(call, in_axes=(list(axes),))(columns)
    bench.same(got, _stacked(singles), what)


def _stacked(outs: list[Any]) -> Any:
    return jax.tree_util.tree_map(
        lambda *xs: stack([x if is_array(x) else jnp.asarray(x) for x in xs]), *outs
    )


def _mapped_twice(bench: Bench, call: Callable[[list[Any]], Any], rows: list[list[Any]]) -> None:
    column = stack(rows[:2])
    singles = _stacked([call(row) for row in rows[:2]])
    with attempt("under two nested jax.vmap it"):
        got = jax.vmap(jax.vmap(call))(stack([column, column]))
    bench.same(got, _stacked([singles, singles]), "under two nested jax.vmap")


def _around_vmap(bench: Bench) -> None:
    def row(x: Any) -> Any:
        return x * 2.0 + x.sum()

    def rows(xs: Any) -> Any:
        return xs * 2.0 + xs.sum(axis=1, keepdims=True)

    xs = jnp.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    want = bench.wrap(rows)(xs)
    with attempt("around a vmapped function it"):
        got = bench.wrap(jax.vmap(row))(xs)
    bench.same(got, want, "around a vmapped function")


def _own_axes(bench: Bench) -> set[str]:
    """Names of axes that the transform itself puts around the function."""
    found: set[str] = set()

    def noting(x: Any) -> Any:
        found.update(_axis_names())
        return x * 2.0

    wrapped = bench.wrap(noting)
    found.clear()
    wrapped(_x())
    # An underscore says that a name is nobody else's.
    return {name for name in found - _axis_names() if not name.startswith("_")}


def _axis_names() -> set[str]:
    context = dict(zip(trace_context_names(), trace_context(), strict=False))
    sizes = getattr(context.get("axis_env_state"), "axis_sizes", ())
    return {name for name in sizes if isinstance(name, str)}


def _axis_name(bench: Bench, name: str) -> None:
    """A collective over the user's axis means that axis, whatever the transform maps over."""

    def centred(x: Any) -> Any:
        return x - jax.lax.pmean(x, name)

    xs = jnp.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    what = f"under jax.vmap with a collective over the axis {name!r} in the function"
    with attempt(f"{what} it"):
        got = jax.vmap(bench.wrap(centred), axis_name=name)(xs)
    bench.same(got, jax.vmap(bench.adapt(centred), axis_name=name)(xs), what)


def _scan(bench: Bench) -> None:
    for subject in bench.subjects[: 1 if bench.level == "quick" else None]:
        _as_body(bench, subject)
    if bench.own_subjects:
        return
    if not bench.tags & {"changes_structure", "changes_dtype", "changes_signature"}:
        _as_carry(bench)
    _around_scan(bench)


def _as_body(bench: Bench, subject: Subject) -> None:
    call, arrays = dynamic(bench.wrap(subject.fun), subject)
    rows = [arrays(variant) for variant in range(3)]
    singles = _stacked([call(row) for row in rows])
    with attempt("in the body of jax.lax.scan it"):
        got = jax.lax.scan(lambda carry, row: (carry, call(row)), None, stack(rows))[1]
    bench.same(got, singles, "in the body of jax.lax.scan")


def _as_carry(bench: Bench) -> None:
    wrapped = bench.wrap(lambda x: x * 0.5 + 1.0)

    def step(x: Any) -> Any:
        out = wrapped(x)
        return out[1] if "of_value_and_grad" in bench.tags else out

    x = _x()
    want = step(step(x))
    with attempt("as the step of jax.lax.scan it"):
        got = jax.lax.scan(lambda c, _: (step(c), None), x, None, length=2)[0]
    bench.same(got, want, "as the step of jax.lax.scan")
    if bench.thorough():
        with attempt("as the step of jax.lax.while_loop it"):
            got = jax.lax.fori_loop(0, jnp.int32(2), lambda _, c: step(c), x)
        bench.same(got, want, "as the step of jax.lax.while_loop")


def _around_scan(bench: Bench) -> None:
    def looped(x: Any) -> Any:
        return jax.lax.scan(lambda c, _: (c * 0.5 + 1.0, None), x, None, length=2)[0]

    def plain(x: Any) -> Any:
        return (x * 0.5 + 1.0) * 0.5 + 1.0

    with attempt("around a function with jax.lax.scan in it it"):
        got = bench.wrap(looped)(_x())
    bench.same(got, bench.wrap(plain)(_x()), "around a function with jax.lax.scan in it")


def _x() -> jax.Array:
    return jnp.asarray(np.array([0.5, -1.25, 2.0], np.float32))


_STATE = ("pure", "isolation")

LAWS = (
    Law(
        "jit",
        "jax.jit of the wrapped function, and the wrapping of a jitted one, mean the same",
        _jit,
        free_by=frozenset({"no_jit"}),
        excused_by=_STATE,
    ),
    Law(
        "vmap",
        "jax.vmap of the wrapped function does for each row what it does for one",
        _vmap,
        free_by=frozenset({"no_vmap"}),
        excused_by=_STATE,
    ),
    Law(
        "scan",
        "the wrapped function works in the body of jax.lax.scan",
        _scan,
        free_by=frozenset({"no_scan", "no_jit"}),
        excused_by=(*_STATE, "dtype", "pytree", "jit"),
    ),
)
