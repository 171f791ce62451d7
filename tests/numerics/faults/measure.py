"""How far a case's result is from double precision, without a look at jaxkit's numerics."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.jaxpr import walk
from tests.numerics.faults.case import Case


class Measured(NamedTuple):
    """Worst output leaf: its relative error, and the limit for its dtype."""

    error: float
    rtol: float
    finite: bool


def measured(case: Case) -> Measured:
    """The case's jitted result against its truth.

    The error of a leaf is that of its norm or, where greater, the tail statistic: the largest
    sup_k e_(k) k / n, with e_(1) >= e_(2) >= ... the relative errors of its elements.
    """
    args = case.args()
    result = _floats(jax.jit(case.function)(*args))
    if not all(np.isfinite(each).all() for each, _ in result):
        return Measured(float("inf"), max(rtol for _, rtol in result), finite=False)
    pairs = zip(result, truth_of(case, args), strict=True)
    errors = [(error_of(value, true, case.scale), rtol) for (value, rtol), true in pairs]
    error, rtol = max(errors, key=lambda each: each[0] / each[1], default=(0.0, 1.0))
    return Measured(error, rtol, finite=True)


def truth_of(case: Case, args: tuple[Any, ...]) -> list[Any]:
    with jax.enable_x64(True):
        wide = jax.tree.map(_widened, args)
        out = (case.truth or jax.jit(case.function))(*wide)
        return [each for each, _ in _floats(out)]


def error_of(value: Any, true: Any, scale: float | None) -> float:
    if value.shape != true.shape:
        raise ValueError(f"the truth has shape {true.shape}, the result {value.shape}")
    if scale is not None:
        return float(np.abs(value - true).max() / scale)
    if not value.size or np.array_equal(value, true):
        return 0.0
    norm = np.linalg.norm(value - true) / max(np.linalg.norm(true), 1e-300)
    each = np.abs(value - true) / np.maximum(np.abs(true), 1e-300)
    ranked = np.sort(each.ravel())[::-1] * np.arange(1, value.size + 1) / value.size
    return float(max(norm, ranked.max()))


def _widened(x: Any) -> Any:
    return np.asarray(x, np.float64) if _is_float(x) else x


def _is_float(x: Any) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.floating)


def _floats(tree: Any) -> list[tuple[Any, float]]:
    """The floating leaves in float64, each with the limit for its dtype."""
    leaves = [each for each in jax.tree.leaves(tree) if _is_float(each)]
    return [
        (np.asarray(each).astype(np.float64), float(jnp.finfo(each.dtype).eps) ** (2 / 3))
        for each in leaves
    ]


def lines_in_program(case: Case) -> set[int]:
    """The lines of the case's file that the equations of its program stand on."""
    sites = walk(jax.make_jaxpr(case.function)(*case.args()))
    return {each.where.line for each in sites if each.where and each.where.file == case.file}
