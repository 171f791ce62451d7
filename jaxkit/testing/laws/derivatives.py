"""`grad`: derivatives go through the transform, forward and backward, and are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.testing._compare import as_numpy, difference
from jaxkit.testing._subject import Subject
from jaxkit.testing.laws._law import Bench, Law, NotCheckedError, attempt, broken, dynamic

__all__ = ["LAWS"]

_RTOL = 1e-4
Loss = Callable[[list[Any]], Any]


def _grad(bench: Bench) -> None:
    for subject in bench.subjects:
        _one_subject(bench, subject)
    if bench.own_subjects or not bench.keeps_grad or not bench.keeps_values:
        return
    _at_zero(bench)
    _in_half_precision(bench)
    _in_double_precision(bench)
    _around_grad(bench)
    if bench.thorough():
        _closed_over(bench)
        _with_aux_and_integers(bench)


def _one_subject(bench: Bench, subject: Subject) -> None:
    loss, at = _loss(bench.wrap(subject.fun), subject)
    with attempt("jax.grad of it"):
        found = jax.grad(loss)(at)
    for value, point in zip(found, at, strict=True):
        if value.dtype != point.dtype or value.shape != point.shape:
            broken(f"the gradient of {jax.typeof(point)} is a {jax.typeof(value)}")
    if bench.keeps_grad and bench.keeps_values:
        plain, _ = _loss(bench.adapt(subject.fun), subject)
        want = jax.grad(plain)(at)
        bench.same(found, want, "jax.grad of it", rtol=_RTOL)
        if bench.thorough() or not bench.own_subjects:
            _second_order(bench, loss, plain, at)
            _compiled_and_mapped(bench, loss, plain, at)
    elif bench.keeps_grad and bench.repeats:
        _finite_differences(loss, at, found)
        if not bench.own_subjects:
            _second_by_differences(bench)
    if "no_jvp" not in bench.tags and bench.repeats:
        _forward(bench, loss, at, found)


def _loss(wrapped: Callable[..., Any], subject: Subject) -> tuple[Loss, list[Any]]:
    """A weighted sum of the real results, as a function of the real arrays."""
    call, arrays = dynamic(wrapped, subject)
    everything = arrays(0)
    real = [i for i, x in enumerate(everything) if jnp.issubdtype(x.dtype, jnp.floating)]
    if not real:
        raise NotCheckedError("the subject has no real array; give subjects= with one")

    def loss(points: list[Any]) -> Any:
        filled = list(everything)
        for i, point in zip(real, points, strict=True):
            filled[i] = point
        leaves = jax.tree_util.tree_leaves(call(filled))
        total: Any = jnp.float32(0.0)
        for leaf in leaves:
            if jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
                array = jnp.asarray(leaf, jnp.float32)
                weights = np.cos(np.arange(array.size, dtype=np.float32) + 0.5)
                total = total + jnp.sum(array.reshape(-1) * weights)
        return total

    return loss, [jnp.asarray(everything[i]) for i in real]


def _forward(bench: Bench, loss: Loss, at: list[Any], found: list[Any]) -> None:
    along = _direction(at)
    with attempt("jax.jvp of it"):
        _, slope = jax.jvp(loss, (at,), (along,))
    want = sum(float(np.sum(as_numpy(g) * as_numpy(v))) for g, v in zip(found, along, strict=True))
    scale = sum(
        float(np.sum(np.abs(as_numpy(g) * as_numpy(v)))) for g, v in zip(found, along, strict=True)
    )
    if abs(float(slope) - want) > 1e-2 * scale and bench.keeps_grad:
        broken(f"jax.jvp of it gives the slope {float(slope):.6g}, jax.grad {want:.6g}")


def _direction(at: list[Any]) -> list[Any]:
    return [
        jnp.asarray(np.sin(np.arange(x.size) + 1.0 + i).reshape(x.shape), x.dtype)
        for i, x in enumerate(at)
    ]


def _second_order(bench: Bench, loss: Loss, plain: Loss, at: list[Any]) -> None:
    along = _direction(at)

    def slope(fun: Loss) -> Loss:
        return lambda points: sum(
            jnp.vdot(g, v) for g, v in zip(jax.grad(fun)(points), along, strict=True)
        )

    with attempt("the second derivative of it"):
        got = jax.grad(slope(loss))(at)
    want = jax.grad(slope(plain))(at)
    bench.same(got, want, "the second derivative of it, jax.grad of jax.grad,", rtol=_RTOL * 10)
    if "no_jvp" in bench.tags:
        return
    with attempt("jax.jvp of jax.grad of it"):
        got = jax.jvp(jax.grad(loss), (at,), (along,))[1]
    want = jax.jvp(jax.grad(plain), (at,), (along,))[1]
    bench.same(got, want, "the second derivative of it, jax.jvp of jax.grad,", rtol=_RTOL * 10)


def _compiled_and_mapped(bench: Bench, loss: Loss, plain: Loss, at: list[Any]) -> None:
    """A rule that looks at numbers or at the batch is right for one call and wrong for many."""
    if bench.tags & {"no_jit", "no_vmap"}:
        return
    points = [jnp.stack([x, x * x.dtype.type(1.25)]) for x in at]
    try:
        got = jax.jit(jax.vmap(jax.grad(loss)))(points)
    except Exception:
        return  # jit and vmap say so
    want = jax.vmap(jax.grad(plain))(points)
    bench.same(got, want, "jax.jit of jax.vmap of jax.grad of it", rtol=_RTOL)


def _second_by_differences(bench: Bench) -> None:
    """Of a function that has no second derivative, what the transform makes of it."""
    for size in (1.0, 6.0) if bench.thorough() else (2.0,):
        x = jnp.asarray([0.5 * size, -1.25 * size, 2.0 * size])
        loss, at = _loss(bench.wrap(lambda x: x * 2.0), Subject(abs, (x,)))
        along = _direction(at)

        def slope(points: list[Any], loss: Any = loss, along: Any = along) -> Any:
            return jnp.vdot(jax.grad(loss)(points)[0], along[0])

        with attempt("the second derivative of it"):
            second = float(jnp.vdot(jax.grad(slope)(at)[0], along[0]))
        moved = lambda step, at=at, along=along: [at[0] + jnp.float32(step) * along[0]]  # noqa: E731
        differ = _differences(lambda step, moved=moved: float(slope(moved(step))))
        noise = 1e-3 * abs(float(slope(at)))
        if differ is None or max(map(abs, differ)) <= noise:
            continue  # a gradient in steps is flat between them
        if not np.isfinite(second) or abs(second - differ[1]) > 0.1 * max(map(abs, differ)) + noise:
            broken(
                f"its second derivative is {second:.4g}, but its gradient changes by "
                f"{differ[1]:.4g}"
            )


def _finite_differences(loss: Loss, at: list[Any], grads: list[Any]) -> None:
    """Where values change there is nothing to compare with but the values themselves."""
    along = _direction(at)
    slope = sum(float(np.sum(as_numpy(g) * as_numpy(v))) for g, v in zip(grads, along, strict=True))

    def value(step: float) -> float:
        moved = [x + jnp.asarray(step, x.dtype) * v for x, v in zip(at, along, strict=True)]
        return float(loss(moved))

    found = _differences(value)
    if found is None:
        return
    size = max(map(abs, found))
    if not np.isfinite(slope) or abs(slope - found[1]) > 0.1 * size + 1e-3:
        broken(
            f"jax.grad of it gives the slope {slope:.4g}, but its values change by {found[1]:.4g}"
        )


def _differences(value: Callable[[float], float]) -> list[float] | None:
    """Differences over two steps; None at a kink, a step or in rounding."""
    h = 1e-2
    at = {n: value(n * h) for n in (-2, -1, 0, 1, 2)}
    steps = [(at[2] - at[-2]) / (4 * h), (at[1] - at[-1]) / (2 * h)]
    sides = [(at[1] - at[0]) / h, (at[0] - at[-1]) / h]
    size = max(abs(each) for each in (*steps, *sides))
    steady = abs(steps[0] - steps[1]) <= 0.03 * size and abs(sides[0] - sides[1]) <= 0.1 * size
    return steps if np.isfinite(size) and steady else None


def _at_zero(bench: Bench) -> None:
    """Where squares, norms and divisions of a wrapper's own have no derivative."""

    def total(wrapped: Callable[..., Any], x: Any) -> Any:
        return sum(jnp.sum(leaf) for leaf in jax.tree_util.tree_leaves(wrapped(x)))

    x = jnp.zeros(3)
    got = jax.grad(lambda x: total(bench.wrap(lambda x: _square(x)), x))(x)
    want = jax.grad(lambda x: total(bench.adapt(_square), x))(x)
    bench.same(got, want, "jax.grad of it at 0")


def _in_half_precision(bench: Bench) -> None:
    if bench.tags & {"of_gradients", "of_value_and_grad", "changes_dtype"}:
        return
    for dtype in (jnp.float16, jnp.bfloat16):
        x = jnp.asarray([0.5, -1.0], dtype)
        with attempt(f"jax.grad of it in {x.dtype}"):
            got = jax.grad(lambda x: bench.wrap(lambda x: _square(x))(x))(x)
        bench.same(got, jax.grad(_square)(x), f"jax.grad of it in {x.dtype}")


def _in_double_precision(bench: Bench) -> None:
    if bench.tags & {"of_gradients", "of_value_and_grad", "changes_dtype"}:
        return
    with jax.enable_x64(True):
        x = jnp.asarray([1 / 3, -0.7], jnp.float64)
        value = bench.wrap(lambda x: _square(x))(x)
        if value.dtype != x.dtype or difference(value, _square(x)) is not None:
            return  # not a matter of derivatives
        got = jax.grad(lambda x: bench.wrap(lambda x: _square(x))(x))(x)
        bench.same(got, jax.grad(_square)(x), "jax.grad of it in float64")


def _square(x: Any) -> Any:
    return (x * x + x).sum()


def _around_grad(bench: Bench) -> None:
    def cube(x: Any) -> Any:
        return (x**3).sum()

    x = jnp.asarray([0.5, -1.25, 2.0])
    with attempt("around jax.grad of a function it"):
        got = bench.wrap(jax.grad(cube))(x)
    bench.same(got, bench.adapt(jax.grad(cube))(x), "around jax.grad of a function")
    if "no_jvp" in bench.tags or not bench.thorough():
        return
    with attempt("around jax.jacfwd of a function it"):
        got = bench.wrap(jax.jacfwd(cube))(x)
    bench.same(got, bench.adapt(jax.jacfwd(cube))(x), "around jax.jacfwd of a function")


def _closed_over(bench: Bench) -> None:
    x = jnp.asarray([0.5, -1.25, 2.0])

    def loss(w: Any) -> Any:
        out = bench.wrap(lambda x: jnp.tanh(w * x))(x)
        return sum(jnp.sum(leaf) for leaf in jax.tree_util.tree_leaves(out))

    def plain(w: Any) -> Any:
        out = bench.adapt(lambda x: jnp.tanh(w * x))(x)
        return sum(jnp.sum(leaf) for leaf in jax.tree_util.tree_leaves(out))

    with attempt("jax.grad with respect to what the function closes over"):
        got = jax.grad(loss)(jnp.float32(1.5))
    want = jax.grad(plain)(jnp.float32(1.5))
    bench.same(got, want, "jax.grad with respect to what the function closes over", rtol=_RTOL)


def _with_aux_and_integers(bench: Bench) -> None:
    if bench.tags & {"of_gradients", "of_value_and_grad"}:
        return

    def loss(x: Any, n: Any) -> tuple[Any, dict[str, Any]]:
        return jnp.sum(x**2) * n, {"count": n, "half": x / 2}

    x, n = jnp.asarray([0.5, -1.25]), jnp.int32(3)
    with attempt("jax.grad of it with has_aux and an integer argument"):
        got = jax.grad(bench.wrap(loss), has_aux=True)(x, n)
    want = jax.grad(loss, has_aux=True)(x, n)
    bench.same(got, want, "jax.grad of it with has_aux and an integer argument", rtol=_RTOL)


LAWS = (
    Law(
        "grad",
        "derivatives of the wrapped function exist, forward and backward, and are right",
        _grad,
        free_by=frozenset({"no_grad"}),
        excused_by=("pure", "isolation", "values"),
    ),
)
