"""`grad` and `jvp`: automatic differentiation against finite differences, and against itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.testing._compare import as_numpy, is_float
from jaxkit.testing.checks._case import Case, Check, UncheckedError, disagree
from jaxkit.testing.laws._law import said

__all__ = ["CHECKS"]

Loss = Callable[[list[Any]], Any]
_UNSUPPORTED = ("Reverse-mode differentiation does not work", "does not support reverse-mode")


def _problem(case: Case, *, x64: bool) -> tuple[Loss, list[Any]]:
    """A weighted sum of the real results, by the real arrays among the arguments."""
    leaves, treedef = jax.tree_util.tree_flatten(case.inputs())
    places = [i for i, x in enumerate(leaves) if _is_real(x)]
    weights = [_weights(x) for x in jax.tree_util.tree_leaves(case.want)]
    if not places or all(each is None for each in weights):
        raise UncheckedError("it maps no real array to one")
    dtype = jnp.float64 if x64 else None

    def loss(points: list[Any]) -> Any:
        filled = list(leaves)
        for place, point in zip(places, points, strict=True):
            filled[place] = point
        args, kwargs = jax.tree_util.tree_unflatten(treedef, filled)
        outs = jax.tree_util.tree_leaves(case.fun(*args, **kwargs))
        total: Any = 0.0
        for out, weight in zip(outs, weights, strict=True):
            if weight is not None:
                total = total + jnp.sum(jnp.asarray(out).astype(dtype or jnp.float32) * weight)
        return total

    return loss, [jnp.asarray(leaves[i], dtype) for i in places]


def _is_real(x: Any) -> bool:
    return (
        isinstance(x, (jax.Array, np.ndarray))
        and jnp.issubdtype(x.dtype, jnp.floating)
        and bool(np.all(np.isfinite(as_numpy(x))))
    )


def _weights(out: Any) -> Any:
    if isinstance(out, (str, bytes)) or not is_float(out):
        return None
    if jnp.issubdtype(jnp.result_type(out), jnp.complexfloating):
        return None
    values = as_numpy(out)
    if not np.isfinite(values).all():
        raise UncheckedError("its results are not finite")
    return np.cos(np.arange(values.size) + 0.5).reshape(values.shape)


def _gradient(loss: Loss, at: list[Any]) -> list[Any]:
    return _compiled(jax.grad(loss), at)


def _compiled(fun: Callable[..., Any], *args: Any) -> Any:
    """A call as one program, which compiles in less time than its operations one by one do."""
    try:
        return jax.jit(fun)(*args)
    except Exception:
        return fun(*args)  # it branches on values, or raises the user's own error again


def _grad(case: Case) -> None:
    loss, at = _problem(case, x64=False)
    try:
        found = _gradient(loss, at)
    except Exception as error:
        severity = "info" if any(each in str(error) for each in _UNSUPPORTED) else "error"
        disagree(f"jax.grad of it raises {said(error)}", severity)
        return
    with jax.enable_x64(True):
        try:
            wide, points = _problem(case, x64=True)
            exact = _gradient(wide, points)
            slopes = _Slopes(wide, points, case.epsilon)
        except (UncheckedError, TypeError, ValueError) as error:
            raise UncheckedError(f"it does not run in float64: {said(error)}") from error
        _no_nan(found, points, slopes)
        for seed in range(2):
            along = _direction(points, seed)
            slope = _dot(exact, along)
            slopes.compare(slope, along)


class _Slopes:
    """Finite differences of a function at a point, with what they are good for."""

    def __init__(self, loss: Loss, at: list[Any], epsilon: float) -> None:
        self.loss = jax.jit(loss)
        self.at = at
        text = str(jax.make_jaxpr(loss)(at))
        narrow = "f32[" in text or "f16[" in text
        self.epsilon = max(2.0**-52, epsilon if narrow else 0.0)
        self.middle = float(self.loss(at))

    def value(self, along: list[Any], step: float) -> float:
        return float(self.loss([x + step * v for x, v in zip(self.at, along, strict=True)]))

    def measured(self, along: list[Any]) -> tuple[float, float] | None:
        """The slope and how far it may be off; None at a kink, a jump or a pole."""
        largest = max(float(jnp.max(jnp.abs(x), initial=0.0)) for x in self.at)
        step = self.epsilon ** (1 / 3) * max(1.0, largest)
        ends = {k: self.value(along, k * step) for k in (-2, -1, 1, 2)}
        if not np.isfinite([self.middle, *ends.values()]).all():
            return None
        size = max(abs(self.middle), *(abs(each) for each in ends.values()))
        noise = 16 * self.epsilon * size / step
        left = (self.middle - ends[-1]) / step
        right = (ends[1] - self.middle) / step
        far_left = (self.middle - ends[-2]) / (2 * step)
        far_right = (ends[2] - self.middle) / (2 * step)
        # At a smooth point the two sides differ half as much at half the distance.
        bend, far = abs(right - left), abs(far_right - far_left)
        if bend > 0.75 * far + 4 * noise:
            return None
        near, wide = (ends[1] - ends[-1]) / (2 * step), (ends[2] - ends[-2]) / (4 * step)
        slope = (4 * near - wide) / 3
        return slope, 4 * abs(near - wide) + 4 * noise + 1e-6 * abs(slope) + self.epsilon**0.5

    def compare(self, slope: float, along: list[Any]) -> None:
        measured = self.measured(along)
        if measured is None or not np.isfinite(slope):
            return
        if abs(slope - measured[0]) > measured[1]:
            disagree(
                f"jax.grad gives the slope {slope:.8g} along one direction, finite differences in "
                f"float64 give {measured[0]:.8g}"
            )


def _no_nan(found: list[Any], points: list[Any], slopes: _Slopes) -> None:
    """Where the function is smooth its gradient is a number."""
    for i, gradient in enumerate(found):
        bad = np.argwhere(~np.isfinite(as_numpy(gradient)))
        for index in bad[:3]:
            along = [jnp.zeros_like(x) for x in points]
            along[i] = along[i].at[tuple(index)].set(1.0)
            measured = slopes.measured(along)
            limit = float(jnp.finfo(gradient.dtype).max) / 10
            if measured is not None and abs(measured[0]) < limit:
                value = float(as_numpy(gradient)[tuple(index)])
                disagree(
                    f"jax.grad gives {value} where the function is smooth: finite differences "
                    f"give the slope {measured[0]:.6g}"
                )


def _direction(at: list[Any], seed: int) -> list[Any]:
    generator = np.random.default_rng(seed)
    return [jnp.asarray(generator.choice([-1.0, 0.5, 1.0], x.shape), x.dtype) for x in at]


def _dot(left: list[Any], right: list[Any]) -> float:
    pairs = zip(left, right, strict=True)
    return sum(float(np.sum(as_numpy(a) * as_numpy(b))) for a, b in pairs)


def _jvp(case: Case) -> None:
    """In float64, where rounding explains nothing."""
    _problem(case, x64=False)
    with jax.enable_x64(True):
        try:
            loss, at = _problem(case, x64=True)
            found = _gradient(loss, at)
        except Exception as error:
            raise UncheckedError(f"there is nothing to compare with: {said(error)}") from error
        along = _direction(at, 0)
        try:
            slope = float(_compiled(lambda x, v: jax.jvp(loss, (x,), (v,))[1], at, along))
        except Exception as error:
            severity = "info" if "custom_vjp" in str(error) else "error"
            disagree(f"jax.jvp of it raises {said(error)}", severity)
            return
    want = _dot(found, along)
    size = sum(
        float(np.sum(np.abs(as_numpy(g) * as_numpy(v)))) for g, v in zip(found, along, strict=True)
    )
    narrow = max(1e-3, 64 * case.epsilon)
    allowed = narrow * (size + abs(slope)) + case.epsilon
    if np.isfinite([slope, want, size]).all() and abs(slope - want) > allowed:
        disagree(f"jax.jvp gives the slope {slope:.6g} along one direction, jax.grad {want:.6g}")


CHECKS = (
    Check("grad", "jax.grad gives the slope that the function has", _grad, examples=6),
    Check("jvp", "derivatives forward and backward agree", _jvp, examples=6),
)
