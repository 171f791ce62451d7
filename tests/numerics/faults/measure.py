"""How far a case's result is from double precision, without a look at jaxkit's numerics."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.jaxpr import walk
from tests.numerics.faults.case import Case

# Float64 has digits to spare, so that the truth needs no optimiser, only a quick one.
UNOPTIMISED = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class Measured(NamedTuple):
    """Worst output leaf: its relative error, the limit for its dtype, and whether all is finite."""

    error: float
    rtol: float
    finite: bool


def measured(case: Case) -> Measured:
    """The case's jitted result against its truth.

    The error of a leaf is that of its norm or, where greater, the tail statistic: the largest
    sup_k e_(k) k / n, with e_(1) >= e_(2) >= ... the relative errors of its elements, where what
    is below the smallest normal number counts as that. (A whole leaf that underflows is an error.)
    """
    result = _floats(_program(case).lower().compile()(*case.args()))
    if not all(np.isfinite(_values(each)).all() for each in result):
        return Measured(float("inf"), max(_rtol(each) for each in result), finite=False)
    pairs = zip(result, truth_of(case), strict=True)
    errors = [(_error(each, true, case.scale), _rtol(each)) for each, true in pairs]
    error, rtol = max(errors, key=lambda each: each[0] / each[1], default=(0.0, 1.0))
    return Measured(error, rtol, finite=True)


def truth_of(case: Case) -> list[Any]:
    """The floating leaves of the result in float64."""
    with jax.enable_x64(True):
        wide = jax.tree.map(_widened, case.args())
        function = case.truth or jax.jit(case.function, compiler_options=UNOPTIMISED)
        return [_values(each) for each in _floats(function(*wide))]


def _error(found: Any, true: Any, scale: float | None) -> float:
    value, tiny = _values(found), float(jnp.finfo(found.dtype).tiny)
    if value.shape != true.shape:
        raise ValueError(f"the truth has shape {true.shape}, the result {value.shape}")
    if scale is not None:
        return float(np.abs(value - true).max() / scale)
    if np.array_equal(value, true):
        return 0.0
    norm = np.linalg.norm(value - true) / np.linalg.norm(true)
    each = np.abs(value - true) / np.maximum(np.abs(true), tiny)
    ranked = np.sort(each.ravel())[::-1] * np.arange(1, value.size + 1) / value.size
    return float(max(norm, ranked.max()))


def _values(x: Any) -> Any:
    return np.asarray(x).astype(np.float64)


def _widened(x: Any) -> Any:
    return np.asarray(x, np.float64) if _is_float(x) else x


def _is_float(x: Any) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.floating)


def _floats(tree: Any) -> list[Any]:
    return [each for each in jax.tree.leaves(tree) if _is_float(each)]


def lines_in_program(case: Case) -> set[int]:
    """The lines of the case's file that the equations of its program stand on."""
    return {each.where.line for each in _sites(case) if each.where and each.where.file == case.file}


def coarsest_rtol(case: Case) -> float:
    """The limit for the coarsest dtype that the case's program computes in."""
    atoms = [atom for site in _sites(case) for atom in (*site.eqn.invars, *site.eqn.outvars)]
    return max(_rtol(atom.aval) for atom in atoms if _is_float(atom.aval))


def _sites(case: Case) -> list[Any]:
    return list(walk(_program(case).jaxpr))


@cache
def _program(case: Case) -> Any:
    return jax.jit(case.function).trace(*case.args())


def _rtol(x: Any) -> float:
    return float(jnp.finfo(x.dtype).eps) ** (2 / 3)
