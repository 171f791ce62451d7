"""From which elements of its operands each element of a result has its special value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxkit._jax import jaxprs
from jaxkit.numerics.nonfinite import operations
from jaxkit.numerics.nonfinite.codes import EXACT_ZERO, NONE, ZERO, full

__all__ = ["joined", "moved", "sources", "spread"]

# A code array for each operand; None for one that is no inexact array.
Codes = Sequence[Any]
Values = Sequence[Any]
_Join = Callable[[Any, Codes, Values, Any], Any]


def moved(at: Any, codes: Codes, values: Values) -> list[Any] | None:
    """The codes of the results of an equation that only moves elements; None for any other."""
    name = at.primitive
    if name == "sort":
        given = [code for code in codes if code is not None]
        fresh = iter(at.eqn.primitive.bind(*values, *given, **at.params)[len(values) :])
        return [None if code is None else next(fresh) for code in codes]
    if name not in operations.MOVES or all(code is None for code in codes):
        return None
    kept = [value if code is None else code for value, code in zip(values, codes, strict=True)]
    return jaxprs.bind(at.eqn, kept)


def sources(at: Any, codes: Codes, values: Values, out: Any) -> tuple[Any, Any]:
    """For each element of a result the smallest code of the operands that it can come from.

    Returns:
        That, and what it is where the result is zero, or None if that is the same.
    """
    name = at.primitive
    least = joined(at, codes, values, out)
    if name == "div":  # a zero numerator is no reason to be infinite
        above = lax.select(lax.lt(codes[0], full(ZERO, codes[0])), codes[0], full(NONE, codes[0]))
        return joined(at, [above, codes[1]], values, out), least
    if name == "mul":  # by an exact zero, whatever the other was
        zero = least
        for code in codes:
            exact = jnp.broadcast_to(lax.eq(code, full(EXACT_ZERO, code)), out.shape)
            zero = lax.select(exact, full(EXACT_ZERO, out), zero)
        return least, zero
    return least, _zero_of_product(at, values, least) if name == "dot_general" else None


def joined(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    """For each element of a result the smallest code of the operands that decide about it."""
    name = at.primitive
    each = name in operations.ELEMENTWISE or name in operations.LOGICAL
    join: _Join = _JOINS.get(name, _elementwise if each else _anything)
    return join(at, codes, values, out)


def spread(code: Any, out: Any) -> Any:
    """The codes of one operand for each element of a result, whatever their shapes."""
    return code if code.shape == out.shape else full(_smallest(code, range(code.ndim)), out)


def _zero_of_product(at: Any, values: Values, least: Any) -> Any:
    """Of a matrix product, which underflows where no term of a sum is what it should be."""
    numbers = at.params["dimension_numbers"]
    left, right = (jnp.abs(value) for value in values)
    some, others = ((value != 0).astype(jnp.float32) for value in values)
    tiny = (lax.dot_general(left, right, numbers) == 0) & (
        lax.dot_general(some, others, numbers) > 0
    )
    return jnp.where(tiny, NONE, jnp.minimum(least, EXACT_ZERO))


def _elementwise(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    given = [code for code in codes if code is not None]
    if not given:
        return full(NONE, out)
    # Operands can be wider in some axis than others, and those of `clamp` scalars.
    wide = [
        code if code.shape == out.shape else jnp.broadcast_to(code, out.shape) for code in given
    ]
    return functools.reduce(lax.min, wide)


def _anything(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    """Any element can have come from any other."""
    given = [_smallest(code, range(code.ndim)) for code in codes if code is not None]
    return full(functools.reduce(lax.min, given) if given else NONE, out)


def _reduction(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    [code] = codes
    return _smallest(code, at.params["axes"])


def _smallest(code: Any, axes: Iterable[int]) -> Any:
    return lax.reduce(code, np.int32(NONE), lax.min, tuple(axes))


def _cumulative(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    [code] = codes
    return lax.cummin(code, axis=at.params["axis"], reverse=at.params["reverse"])


def _product(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    """A matrix product: an element is of a row and of a column."""
    if any(code is None for code in codes):  # integers that are added up in another type
        return _anything(at, codes, values, out)
    (contract_left, contract_right), (batch_left, batch_right) = at.params["dimension_numbers"]
    left = _rows(codes[0], contract_left, batch_left)
    right = _rows(codes[1], contract_right, batch_right)
    batch = len(batch_left)
    lead, free = left.shape[:batch], left.shape[batch:]
    right = right.reshape(*lead, *(1,) * len(free), *right.shape[batch:])
    left = left.reshape(*lead, *free, *(1,) * (out.ndim - batch - len(free)))
    return lax.min(jnp.broadcast_to(left, out.shape), jnp.broadcast_to(right, out.shape))


def _rows(code: Any, contracted: Any, batch: Any) -> Any:
    free = [axis for axis in range(code.ndim) if axis not in {*contracted, *batch}]
    last = code.transpose([*batch, *free, *contracted])
    return _smallest(last, range(len(batch) + len(free), code.ndim))


def _window(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    params = at.params
    return lax.reduce_window(
        codes[0],
        jnp.int32(NONE),
        lax.min,
        params["window_dimensions"],
        params["window_strides"],
        params["padding"],
        base_dilation=params.get("base_dilation"),
        window_dilation=params.get("window_dilation"),
    )


def _across_devices(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    """A collective operation over named axes; its operands stand in the order of its results."""
    axes = tuple(axis for axis in at.params["axes"] if isinstance(axis, str))
    given = [code for code in codes if code is not None and code.shape == out.shape]
    return lax.pmin(given[0], axes) if axes and given else _anything(at, codes, values, out)


def _gathered(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    params = {**at.params, "fill_value": NONE}
    return at.eqn.primitive.bind(codes[0], *values[1:], **params)


def _scattered(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    params = at.params
    put = lax.scatter if at.primitive == "scatter" else lax.scatter_min
    return put(
        codes[0],
        values[1],
        codes[2],
        params["dimension_numbers"],
        indices_are_sorted=params["indices_are_sorted"],
        unique_indices=params["unique_indices"],
        mode=params["mode"],
    )


def _top(at: Any, codes: Codes, values: Values, out: Any) -> Any:
    axis = at.params.get("axis", -1)
    axis %= codes[0].ndim
    return jnp.broadcast_to(jnp.expand_dims(_smallest(codes[0], (axis,)), axis), out.shape)


_SCATTERS = ("scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max")
_DECIDING = ("argmax", "argmin", "reduce_and", "reduce_or", "reduce_xor")
_WINDOWS = ("reduce_window_max", "reduce_window_min", "reduce_window_sum")
_JOINS: dict[str, _Join] = {
    **dict.fromkeys((*operations.REDUCTIONS, *_DECIDING), _reduction),
    **dict.fromkeys(operations.CUMULATIVE, _cumulative),
    **dict.fromkeys(("psum", "psum_invariant", "pmax", "pmin"), _across_devices),
    **dict.fromkeys(_SCATTERS, _scattered),
    **dict.fromkeys(_WINDOWS, _window),
    "dot_general": _product,
    "gather": _gathered,
    "top_k": _top,
}
