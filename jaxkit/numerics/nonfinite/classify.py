"""What kind of event it is, by the values at the element where it happened. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxkit.numerics.nonfinite import operations

__all__ = ["At", "Kind", "kind_of", "looked_at"]

Kind = Literal["overflow", "underflow", "division-by-zero", "log-of-zero", "invalid"]


@dataclass(frozen=True)
class At:
    """What was computed of what, at one element.

    Args:
        operands: For each operand the values that the element was made of, in its own dtype.
        result: The element.
    """

    operands: tuple[np.ndarray, ...]
    result: Any


def looked_at(
    primitive: str,
    params: Mapping[str, Any],
    operands: Sequence[np.ndarray | None],
    result: np.ndarray,
    index: tuple[int, ...],
) -> At:
    """The values that one element of a result was made of."""
    found: list[np.ndarray] = []
    for place, operand in enumerate(operands):
        if operand is None:
            continue
        found.append(_part(primitive, params, place, operand, result.shape, index))
    return At(tuple(found), result[index])


def _part(
    primitive: str,
    params: Mapping[str, Any],
    place: int,
    operand: np.ndarray,
    shape: tuple[int, ...],
    index: tuple[int, ...],
) -> np.ndarray:
    if primitive in operations.ELEMENTWISE:
        if operand.ndim != len(shape):
            return operand[()]
        own = zip(index, operand.shape, strict=True)
        return operand[tuple(0 if size == 1 else i for i, size in own)]
    if primitive in operations.REDUCTIONS:
        rest = iter(index)
        axes = params["axes"]
        return operand[tuple(slice(None) if i in axes else next(rest) for i in range(operand.ndim))]
    if primitive in operations.CUMULATIVE:
        axis = params["axis"]
        until = slice(index[axis], None) if params["reverse"] else slice(0, index[axis] + 1)
        return operand[(*index[:axis], until, *index[axis + 1 :])]
    if primitive == "dot_general":
        return _line(params, place, operand, shape, index)
    return operand


def _line(
    params: Mapping[str, Any],
    place: int,
    operand: np.ndarray,
    shape: tuple[int, ...],
    index: tuple[int, ...],
) -> np.ndarray:
    """The row or the column of a matrix product."""
    contracted, batch = (pair[place] for pair in params["dimension_numbers"])
    free = [axis for axis in range(operand.ndim) if axis not in {*contracted, *batch}]
    own = index[len(batch) :][: len(free)] if place == 0 else index[len(shape) - len(free) :]
    where = dict(zip([*batch, *free], [*index[: len(batch)], *own], strict=True))
    return operand[tuple(where.get(axis, slice(None)) for axis in range(operand.ndim))]


def kind_of(primitive: str, at: At) -> Kind:
    """What kind of event has made the result at an element.

    Args:
        primitive: The name of the operation.
        at: What it was made of.
    """
    result = _wide(at.result)
    operands = [_wide(operand) for operand in at.operands]
    if np.all(result == 0):
        return "underflow"
    found = _BY_NAME.get(primitive)
    if found is not None and operands:
        kind = found(operands, result)
        if kind is not None:
            return kind
    return "invalid" if np.any(np.isnan(result)) else "overflow"


def _wide(value: Any) -> np.ndarray:
    """In double precision; what XLA takes for zero is zero, as subnormal numbers of most types."""
    array = np.asarray(value)
    wide = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    tiny = _TINY.get(array.dtype.name)
    return wide if tiny is None else np.where(np.abs(wide) < tiny, 0.0, wide)


_TINY = {
    "bfloat16": float(np.finfo(np.float32).tiny),
    "complex64": float(np.finfo(np.float32).tiny),
    "float32": float(np.finfo(np.float32).tiny),
    "float64": float(np.finfo(np.float64).tiny),
}


def _log(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    return "log-of-zero" if np.any(operands[0] == 0) else None


def _log1p(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    return "log-of-zero" if np.any(operands[0] == -1) else None


def _div(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    return "division-by-zero" if np.any(operands[-1] == 0) else None


def _root(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    return "division-by-zero" if np.any(operands[0] == 0) else None


def _power(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    return "division-by-zero" if np.any(operands[0] == 0) else None


def _pole(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    return None if np.any(np.isnan(result)) else "division-by-zero"


def _at_pole(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    [value, *_] = operands
    return "division-by-zero" if np.any((value <= 0) & (value == np.floor(value))) else None


def _triangle(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    diagonal = np.diagonal(operands[0], axis1=-2, axis2=-1)
    return "division-by-zero" if np.any(diagonal == 0) else None


def _product(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    """Of finite factors only products that are too large, of both signs, add up to a NaN."""
    finite = all(np.all(np.isfinite(operand)) for operand in operands)
    return "overflow" if finite else None


def _cast(operands: list[np.ndarray], result: np.ndarray) -> Kind | None:
    """A type without infinities has a NaN for what is too large."""
    return "overflow" if np.all(np.isfinite(operands[0])) else None


_BY_NAME: dict[str, Any] = {
    "atanh": _pole,
    "convert_element_type": _cast,
    "digamma": _at_pole,
    "div": _div,
    "dot_general": _product,
    "erf_inv": _pole,
    "integer_pow": _power,
    "lgamma": _at_pole,
    "log": _log,
    "log1p": _log1p,
    "polygamma": lambda operands, result: _at_pole(operands[1:], result),
    "pow": _power,
    "rem": _div,
    "rsqrt": _root,
    "triangular_solve": _triangle,
}
