"""Sums whose every partial sum is rounded, as an accumulator of that format would have it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

__all__ = ["SUMS"]

Round = Callable[[Any], Any]


def _added(terms: Any, rounded: Round) -> Any:
    """The sum along the first axis, one term after the other."""
    start = jnp.zeros_like(terms, shape=terms.shape[1:])
    return lax.scan(lambda total, term: (rounded(total + term), None), start, terms)[0]


def _reduce_sum(params: dict[str, Any], operands: Sequence[Any], rounded: Round) -> Any:
    (value,) = operands
    axes = tuple(params["axes"])
    others = [axis for axis in range(value.ndim) if axis not in axes]
    count = math.prod(value.shape[axis] for axis in axes)
    shape = (count, *(value.shape[axis] for axis in others))
    return _added(jnp.transpose(value, (*axes, *others)).reshape(shape), rounded)


def _cumsum(params: dict[str, Any], operands: Sequence[Any], rounded: Round) -> Any:
    axis, reverse = params["axis"], params["reverse"]
    terms = jnp.moveaxis(operands[0], axis, 0)
    start = jnp.zeros_like(terms, shape=terms.shape[1:])

    def step(total: Any, term: Any) -> Any:
        total = rounded(total + term)
        return total, total

    return jnp.moveaxis(lax.scan(step, start, terms, reverse=reverse)[1], 0, axis)


def _dot_general(params: dict[str, Any], operands: Sequence[Any], rounded: Round) -> Any:
    """Products are exact up to the result's dtype, as a fused multiply-add has them."""
    contracted, batch = params["dimension_numbers"]
    sides = [
        _terms_first(value, axes, batches)
        for value, axes, batches in zip(operands, contracted, batch, strict=True)
    ]
    dtype = params["preferred_element_type"] or jnp.result_type(*operands)
    count = len(batch[0])
    numbers = (((), ()), (tuple(range(count)), tuple(range(count))))
    left, right = (side.astype(dtype) for side in sides)

    def step(total: Any, pair: Any) -> Any:
        one, other = pair
        return rounded(total + lax.dot_general(one, other, numbers)), None

    shape = (*left.shape[1:], *right.shape[1 + count :])
    return lax.scan(step, jnp.zeros(shape, dtype), (left, right))[0]


def _terms_first(value: Any, contracted: Sequence[int], batch: Sequence[int]) -> Any:
    """With the axes [terms, batch..., others...]."""
    others = [axis for axis in range(value.ndim) if axis not in (*contracted, *batch)]
    count = math.prod(value.shape[axis] for axis in contracted)
    shape = (count, *(value.shape[axis] for axis in (*batch, *others)))
    return jnp.transpose(value, (*contracted, *batch, *others)).reshape(shape)


# Of a primitive: its value on operands, of the parameters of its equation.
SUMS: dict[str, Callable[[dict[str, Any], Sequence[Any], Round], Any]] = {
    "cumsum": _cumsum,
    "dot_general": _dot_general,
    "reduce_sum": _reduce_sum,
}
