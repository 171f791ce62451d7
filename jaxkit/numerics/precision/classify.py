"""What an equation does to the digits of its operands, by its numbers: which kind of loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxkit.numerics.precision.capture import Values
from jaxkit.numerics.precision.wide import SUMS

__all__ = ["AMPLIFIES", "Diagnosis", "classify", "is_of_many"]

_ADDS = frozenset(("add", "sub", "add_any"))
_STEPS = frozenset(("floor", "ceil", "round", "sign", "rem"))
_CASTS = frozenset(("convert_element_type", "reduce_precision"))
_SOLVERS = frozenset(
    "triangular_solve cholesky lu qr geqrf householder_product eigh eig svd schur hessenberg "
    "tridiagonal_solve tridiagonal".split()
)
_STEADY = frozenset(("mul", "div", "sqrt", "rsqrt", "cbrt", "square", "integer_pow"))

# What has operands that are integers, and numbers as the others are.
_OF_INTEGERS = frozenset(("convert_element_type", "pow"))

# An error that grows by no more than this is passed on, not made larger.
AMPLIFIES = 16.0
_CANCELS = 4.0


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What is wrong with an equation.

    Args:
        kind: The kind of the finding.
        index: The element that is looked at.
        operands: What the operands are there, or their largest magnitudes.
        shadows: What they should be.
        value: What the result is.
        shadow: What it should be.
        total: Its relative error.
        introduced: Of that, what the equation makes itself.
        inherited: The largest relative error of the operands.
        amplification: How much larger the inherited error is in the result.
        condition: How much larger what is added up is than the sum; 1 where nothing cancels.
        over: Whether that is so over the turns of a loop.
        rate: By how much the error grows from turn to turn of a loop.
    """

    kind: str
    index: tuple[int, ...]
    operands: Sequence[float]
    shadows: Sequence[float]
    value: float
    shadow: float
    total: float
    introduced: float
    inherited: float
    amplification: float
    condition: float
    over: bool = False
    rate: float = 1.0

    @property
    def digits_lost(self) -> float:
        """Decimal digits that the result has less than its operands had."""
        before = min(max(self.inherited, 1e-17), 1.0)
        return float(max(0.0, np.log10(min(max(self.total, 1e-17), 1.0) / before)))


def classify(
    name: str,
    values: Values,
    *,
    rtol: float,
    eps: float,
    tiny: float,
    absolute: Callable[[], np.ndarray] | None = None,
    by_element: bool = False,
    turned: bool = False,
) -> Diagnosis:
    """Says what an equation does.

    Args:
        name: Its primitive.
        values: Its numbers.
        rtol: The relative error that is allowed.
        eps: The spacing of the result's dtype at 1.
        tiny: The least magnitude that it has in full.
        absolute: Of a sum, the sum of the magnitudes.
        by_element: Whether a small element counts as much as a large one.
        turned: Whether a loop has turned before.
    """
    index = _worst(values, rtol, tiny, by_element=by_element)
    with np.errstate(all="ignore"):  # where double precision has zero, a ratio may be infinite
        facts = _facts(name, values, index, eps, tiny, absolute)
        kind = _kind(name, facts, values, rtol, eps, tiny, turned)
    return dataclasses.replace(facts, kind=kind)


def _worst(values: Values, rtol: float, tiny: float, *, by_element: bool) -> tuple[int, ...]:
    with np.errstate(all="ignore"):
        error = abs(values.out - values.shadow)
        relative = error / np.maximum(abs(values.shadow), np.finfo(float).tiny)
    error = np.nan_to_num(error, nan=np.inf)
    if by_element:
        floored = error / np.maximum(abs(values.shadow), tiny)
        found = np.argmax(floored)
    else:
        found = np.argmax(np.where(relative > rtol, error, 0))
        if not relative.ravel()[found] > rtol:
            found = np.argmax(error)
    return tuple(int(i) for i in np.unravel_index(found, error.shape))


def _facts(
    name: str, values: Values, index: Any, eps: float, tiny: float, absolute: Any
) -> Diagnosis:
    out, exact, shadow = (_number(x[index]) for x in (values.out, values.exact, values.shadow))
    size = max(abs(shadow), np.finfo(float).tiny)
    pairs = [
        (_at(x, index, values.out.shape), _at(s, index, values.out.shape))
        for x, s in zip(values.primals, values.shadows, strict=True)
        if np.issubdtype(x.dtype, np.inexact)
    ]
    shown = [
        (x, s)
        if is_of_many(name)
        else (_at(x, index, values.out.shape), _at(s, index, values.out.shape))
        for x, s in zip(values.primals, values.shadows, strict=True)
        if name in _OF_INTEGERS or np.issubdtype(x.dtype, np.inexact)
    ]
    inherited = max((_error(x, s) for x, s in pairs), default=0.0)
    passed = abs(exact - shadow) / size
    if absolute is not None:
        total = np.asarray(absolute())[index]
        condition = float(abs(total) / max(abs(exact), np.finfo(float).tiny))
    elif name in _ADDS:
        condition = max(abs(_size(x)) for x, _ in pairs) / max(abs(exact), np.finfo(float).tiny)
    else:
        condition = 1.0
    return Diagnosis(
        "error-accumulation",
        index,
        [_size(x) for x, _ in shown],
        [_size(s) for _, s in shown],
        abs(out) if isinstance(out, complex) else out,
        abs(shadow) if isinstance(shadow, complex) else shadow,
        abs(out - shadow) / size,
        abs(out - exact) / size,
        inherited,
        passed / max(inherited, 1e-300) if inherited else 0.0,
        condition,
    )


def is_of_many(name: str) -> bool:
    """Whether each element of a primitive's result is made of many of an operand's.

    Args:
        name: The primitive.
    """
    return name in SUMS or name in _SOLVERS


def _number(value: Any) -> Any:
    return complex(value) if np.iscomplexobj(value) else float(value)


def _at(array: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The element that becomes a result, or all of them where they have another shape."""
    return array[index] if array.shape == shape else array


def _size(value: np.ndarray) -> float:
    value = np.asarray(value)
    if value.size == 1:
        first = value.ravel()[0]
        if np.issubdtype(value.dtype, np.integer):
            return int(first)
        return abs(first) if np.iscomplexobj(value) else float(first)
    return float(np.max(abs(value), initial=0))


def _norm(value: np.ndarray) -> float:
    # np.linalg.norm asks a library whose threads wait for those of XLA.
    return float(np.sqrt(np.sum(abs(value) ** 2)))


def _error(value: np.ndarray, shadow: np.ndarray) -> float:
    """The relative error of an operand, in norm."""
    with np.errstate(all="ignore"):
        off, size = _norm(value - shadow), _norm(shadow)
    if not off:
        return 0.0
    return float(off / size) if size else float("inf")


def _kind(
    name: str, facts: Diagnosis, values: Values, rtol: float, eps: float, tiny: float, turned: bool
) -> str:
    out = values.out[facts.index]
    exact = abs(values.exact[facts.index])
    if not np.isfinite(out):
        return "overflow" if np.isfinite(exact) else "invalid"
    makes = facts.introduced >= facts.amplification * facts.inherited
    if makes and exact < tiny and abs(out) < tiny and facts.introduced > rtol:
        return "underflow"
    if name in _STEPS:
        return "branch-divergence"
    if name in _CASTS:
        return "low-precision-cast" if makes else "error-accumulation"
    slowly = turned and not makes and _grows_slowly(facts, eps)
    if name in _ADDS:
        return _of_addition(facts, rtol, eps, slowly=slowly)
    if name in SUMS:
        if facts.condition > AMPLIFIES:
            return "cancellation"
        return "reduction-low-precision" if makes else "error-accumulation"
    if name in _SOLVERS:
        return "ill-conditioned"
    if makes:
        return "ill-conditioned" if facts.introduced > rtol else "error-accumulation"
    if name not in _STEADY and facts.amplification > _CANCELS and not slowly:
        return "ill-conditioned"
    return "error-accumulation"


def _grows_slowly(facts: Diagnosis, eps: float) -> bool:
    """Whether the loop before has made more of the error, in digits, than this equation."""
    whole = np.log(max(facts.total, eps) / eps)
    return bool(np.log(max(facts.inherited, eps) / eps) > whole / 2)


def _of_addition(facts: Diagnosis, rtol: float, eps: float, *, slowly: bool) -> str:
    # A rounded sum is off by half of eps; more than that is a product that was not rounded.
    if facts.condition > _CANCELS and facts.total > _CANCELS * eps:
        return "error-accumulation" if slowly else "cancellation"
    least = min((abs(x) for x in facts.operands if x), default=0.0)
    if least and facts.introduced * abs(facts.shadow) > rtol * least:
        return "absorption"
    return "error-accumulation"
