"""Norms that neither overflow nor underflow, at the cost of one pass over the data.

The plain sum of squares tells by its own size whether it can be trusted: between two bounds no
square has overflowed, and those that underflowed are below a rounding error. Only otherwise the
data is read once more, scaled by one of two powers of two: a dtype's exponents, doubled by
squaring, fit into three ranges (Blue 1978).

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
        unit: A power of two: 1 unless squares would leave the range of the dtype.
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

    def unit(self, square: jax.Array, entries: int) -> jax.Array:
        """The power of two by which entries are divided before they are squared.

        Args:
            square: The plain sum of squares.
            entries: How many squares were added up.

        Returns:
            1 where that sum is right to rounding, or NaN.
        """
        info = jnp.finfo(self.dtype)
        low = max(entries, 1) * float(info.tiny) * 2.0 ** (info.nmant + 2)
        high = 2.0 ** (info.maxexp - 28)
        large, small = 2.0 ** (info.maxexp * 2 // 3), 2.0 ** -(info.maxexp * 5 // 8)
        one = lax.full_like(square, 1)
        return jnp.where(square > high, large, jnp.where(square < low, small, one))


Leaves = tuple[jax.Array, ...]


def measure(leaves: Sequence[Sequence[jax.Array]], groups: Sequence[Group]) -> list[Norm]:
    """The norm of each group of leaves.

    Its derivative at zero is zero, which is what makes a clip the identity there; otherwise it is
    that of the norm, in units that fit.
    """
    return _measure(tuple(map(tuple, leaves)), tuple(groups))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _measure(leaves: tuple[Leaves, ...], groups: tuple[Group, ...]) -> list[Norm]:
    if not groups:
        return []
    pairs = list(zip(leaves, groups, strict=True))
    plain = [_sum_of_squares(*pair) for pair in pairs]
    units = [_unit(*pair, square) for pair, square in zip(pairs, plain, strict=True)]
    # Under vmap both branches run, and each example takes its own.
    squares = lax.cond(
        functools.reduce(jnp.logical_and, [jnp.all(unit == 1) for unit in units]),
        lambda leaves, units, plain: plain,
        lambda leaves, units, plain: [
            _sum_of_squares(*each) for each in zip(leaves, groups, units, strict=True)
        ],
        leaves,
        units,
        plain,
    )
    return [Norm(jnp.sqrt(square), unit) for square, unit in zip(squares, units, strict=True)]


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
    divisor = jnp.where(norm.mantissa == 0, 1, norm.mantissa)
    products: list[jax.Array] = []
    for x, direction, axes in zip(leaves, directions, group.axes, strict=True):
        scales = [_for(value, x, axes, group) for value in (inverse, divisor)]
        pairs = zip(_parts(x, group.dtype), _parts(direction, group.dtype), strict=True)
        terms = [(part * scales[0]) / scales[1] * along for part, along in pairs]
        products.append(_reduce(_add(terms), axes, group))
    return _add(products) * inverse


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


def _sum_of_squares(leaves: Leaves, group: Group, unit: jax.Array | None = None) -> jax.Array:
    """The sum of the squares of all entries, in units of `unit`."""
    sums: list[jax.Array] = []
    for x, axes in zip(leaves, group.axes, strict=True):
        parts = _parts(x, group.dtype)
        if unit is not None:
            inverse = _for(1 / unit, x, axes, group)
            parts = [part * inverse for part in parts]
        sums.append(_reduce(_add([part * part for part in parts]), axes, group))
    return _add(sums)


def _unit(leaves: Leaves, group: Group, square: jax.Array) -> jax.Array:
    entries = sum(leaf.size for leaf in leaves) // max(square.size, 1)
    return group.unit(square, entries)


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
    value = norm.mantissa * lax.stop_gradient(norm.unit)
    largest = float(jnp.finfo(value.dtype).max)
    return jnp.where(jnp.isinf(value) & jnp.isfinite(norm.mantissa), largest, value)
