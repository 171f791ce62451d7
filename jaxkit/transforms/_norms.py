"""Norms that neither overflow nor underflow, at the cost of one pass over the data.

The plain sum of squares tells by its own size whether it can be trusted: between two bounds no
square has overflowed and those that underflowed are below a rounding error. Only otherwise the
data is read again, twice, scaled by a power of two near its largest entry.

Subnormal numbers of float32, bfloat16 and float64 count as zero wherever XLA treats them so, as it
does on CPUs: a norm is then too small by at most the root of their count times the smallest normal
number.
"""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["Group", "Norm", "across_devices", "measure", "merge", "norm_value"]


class Norm(NamedTuple):
    """A norm in two parts, because the product may be out of range.

    Args:
        mantissa: The norm in units of `unit`; all that is differentiated.
        unit: A power of two, from the smallest normal number to its inverse.
    """

    mantissa: jax.Array
    unit: jax.Array


class Group(NamedTuple):
    """What one norm, or one array of them, is computed of; all but the leaves is static.

    Args:
        axes: For each leaf, the axes that are summed over; what is left must have one shape.
        keepdims: Whether those axes stay, with length 1.
        dtype: The dtype of the norm, float32 or float64.
    """

    axes: tuple[tuple[int, ...], ...]
    keepdims: bool
    dtype: np.dtype[Any]

    @classmethod
    def whole(cls, leaves: Sequence[jax.Array], dtype: np.dtype[Any]) -> Group:
        """One norm of all entries."""
        return cls(tuple(tuple(range(leaf.ndim)) for leaf in leaves), False, dtype)

    @property
    def smallest(self) -> float:
        """The smallest normal number, a power of two."""
        return float(jnp.finfo(self.dtype).tiny)

    def bounds(self, entries: int) -> tuple[float, float]:
        """Between which sums of so many squares are right to rounding."""
        info = jnp.finfo(self.dtype)
        return max(entries, 1) * self.smallest * 2.0 ** (info.nmant + 2), 2.0 ** (info.maxexp - 28)


Leaves = tuple[jax.Array, ...]


def measure(leaves: Sequence[Sequence[jax.Array]], groups: Sequence[Group]) -> list[Norm]:
    """The norm of each group of leaves.

    Its derivative at zero is zero, which is what makes a clip the identity there; otherwise it is
    that of the norm, in units that fit.
    """
    return _measure(tuple(map(tuple, leaves)), tuple(groups))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _measure(leaves: tuple[Leaves, ...], groups: tuple[Group, ...]) -> list[Norm]:
    squares = [_sum_of_squares(*each) for each in zip(leaves, groups, strict=True)]
    if not squares:
        return []
    trusted = [_is_trusted(*each) for each in zip(squares, leaves, groups, strict=True)]
    # Under vmap both branches run, and each example takes its own.
    return lax.cond(
        functools.reduce(jnp.logical_and, trusted),
        lambda leaves, squares: [_plain(square) for square in squares],
        lambda leaves, squares: [_scaled(*each) for each in zip(leaves, groups, strict=True)],
        leaves,
        squares,
    )


@_measure.defjvp
def _measure_jvp(groups: tuple[Group, ...], primals: Any, tangents: Any) -> Any:
    (leaves,), (directions,) = primals, tangents
    norms = _measure(leaves, groups)
    slopes = [
        Norm(_slope(*each), jnp.zeros_like(each[2].unit))
        for each in zip(leaves, directions, norms, groups, strict=True)
    ]
    return norms, slopes


def _slope(leaves: Leaves, directions: Leaves, norm: Norm, group: Group) -> jax.Array:
    """How a mantissa changes along a direction: the inner product with the unit vector."""
    inverse = lax.stop_gradient(1 / norm.unit)
    is_zero = norm.mantissa == 0
    products = [
        _reduce(_inner(x, direction, _for(inverse, x, axes, group)), axes, group)
        for x, direction, axes in zip(leaves, directions, group.axes, strict=True)
    ]
    return jnp.where(is_zero, 0, _add(products) / jnp.where(is_zero, 1, norm.mantissa))


def _inner(x: jax.Array, y: jax.Array, inverse: jax.Array) -> jax.Array:
    pairs = zip(_parts(x, inverse.dtype), _parts(y, inverse.dtype), strict=True)
    return _add([(a * inverse) * (b * inverse) for a, b in pairs])


def _parts(x: jax.Array, dtype: np.dtype[Any]) -> list[jax.Array]:
    """Real and imaginary part, wide enough to be squared."""
    parts = [jnp.real(x), jnp.imag(x)] if jnp.iscomplexobj(x) else [x]
    return [lax.convert_element_type(part, dtype) for part in parts]


def _reduce(x: jax.Array, axes: tuple[int, ...], group: Group) -> jax.Array:
    return jnp.sum(x, axis=axes, keepdims=group.keepdims)


def _for(value: jax.Array, x: jax.Array, axes: tuple[int, ...], group: Group) -> jax.Array:
    """A value of each norm, laid against the leaf that it was computed of."""
    if group.keepdims or not value.ndim:
        return value
    return lax.expand_dims(value, [axis for axis in range(x.ndim) if axis in axes])


def _sum_of_squares(leaves: Leaves, group: Group) -> jax.Array:
    return _add(
        [
            _reduce(_add([part * part for part in _parts(x, group.dtype)]), axes, group)
            for x, axes in zip(leaves, group.axes, strict=True)
        ]
    )


def _is_trusted(square: jax.Array, leaves: Leaves, group: Group) -> jax.Array:
    entries = sum(leaf.size for leaf in leaves) // max(square.size, 1)
    low, high = group.bounds(entries)
    return jnp.all((square >= low) & (square <= high))


def _plain(square: jax.Array) -> Norm:
    return Norm(jnp.sqrt(square), lax.full_like(square, 1))


def _scaled(leaves: Leaves, group: Group) -> Norm:
    largest = functools.reduce(
        jnp.maximum,
        [
            jnp.max(jnp.abs(part), axis=axes, keepdims=group.keepdims, initial=0)
            for x, axes in zip(leaves, group.axes, strict=True)
            for part in _parts(x, group.dtype)
        ],
    )
    # Without its mantissa a number is a power of two: multiplying by its inverse rounds nothing.
    unit = lax.reduce_precision(largest, jnp.finfo(group.dtype).nexp, 0)
    unit = jnp.clip(unit, group.smallest, 1 / group.smallest)
    inverse = 1 / unit
    squares = [
        _reduce(jnp.square(part * _for(inverse, x, axes, group)), axes, group)
        for x, axes in zip(leaves, group.axes, strict=True)
        for part in _parts(x, group.dtype)
    ]
    return Norm(jnp.sqrt(_add(squares)), unit)


def _add(terms: Sequence[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, terms)


def merge(norms: Sequence[Norm]) -> Norm:
    """The norm of several things together, from the norm of each."""
    if len(norms) == 1:
        return norms[0]
    unit = functools.reduce(jnp.maximum, [norm.unit for norm in norms])
    unit = lax.stop_gradient(unit)
    squares = [jnp.square(norm.mantissa * (norm.unit / unit)) for norm in norms]
    return Norm(_root(_add(squares)), unit)


def across_devices(norm: Norm, axis_names: tuple[Hashable, ...]) -> Norm:
    """The norm of what all devices along these axes hold together."""
    if not axis_names:
        return norm
    unit = lax.pmax(lax.stop_gradient(norm.unit), axis_names)
    square = jnp.square(norm.mantissa * (norm.unit / unit))
    return Norm(_root(lax.psum(square, axis_names)), unit)


def _root(square: jax.Array) -> jax.Array:
    """The square root, with the derivative 0 at 0."""
    is_zero = square == 0
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, square)))


def norm_value(norm: Norm) -> jax.Array:
    """The norm as one number: infinite only where an entry is.

    The norm of finite entries that exceeds the range of its dtype is the largest number of it.
    """
    value = norm.mantissa * norm.unit
    largest = float(jnp.finfo(value.dtype).max)
    return jnp.where(jnp.isinf(value) & jnp.isfinite(norm.mantissa), largest, value)
