"""Arithmetic of matrix products and convolutions: (all of it, that with zeros of padding)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxkit.jaxpr.sizes import elements, is_complex, product


def _factor(eqn: Any) -> int:
    """A multiplication and an addition; of complex numbers, four of each."""
    return 8 if any(is_complex(var.aval) for var in (*eqn.invars[:2], *eqn.outvars)) else 2


def _dot_general(eqn: Any) -> tuple[int, int]:
    """2 M N K for each batch: each element of the result is a sum of K products."""
    (contracted, _), _ = eqn.params["dimension_numbers"]
    shape = eqn.invars[0].aval.shape
    inner = product([shape[axis] for axis in contracted])
    return _factor(eqn) * elements(eqn.outvars[0].aval) * inner, 0


def _ragged_dot(eqn: Any) -> tuple[int, int]:
    """Each row of the left side meets the one matrix of its group."""
    numbers = eqn.params["ragged_dot_dimension_numbers"]
    (_, contracted), (_, batch) = numbers.dot_dimension_numbers
    held = {*contracted, *batch, *numbers.rhs_group_dimensions}
    columns = [n for axis, n in enumerate(eqn.invars[1].aval.shape) if axis not in held]
    return _factor(eqn) * elements(eqn.invars[0].aval) * product(columns), 0


def _scaled_dot(eqn: Any) -> tuple[int, int]:
    """As `jax.nn.scaled_matmul`: (batch, M, K) by (batch, N, K)."""
    shape = eqn.invars[0].aval.shape
    return 2 * elements(eqn.outvars[0].aval) * product(shape[-1:]), 0


def _convolution(eqn: Any) -> tuple[int, int]:
    """2 x output x kernel window x input channels of a group.

    The kernel has one input channel for each of a group, so that groups of features and of
    batches alike are in its shape.
    """
    numbers = eqn.params["dimension_numbers"]
    out, kernel = eqn.outvars[0].aval, eqn.invars[1].aval
    window = product(n for axis, n in enumerate(kernel.shape) if axis != numbers.rhs_spec[0])
    flops = _factor(eqn) * elements(out) * window
    if not flops or not _has_zeros(eqn.params):
        return flops, 0
    places = math.prod(
        out.shape[o] * kernel.shape[k]
        for o, k in zip(numbers.out_spec[2:], numbers.rhs_spec[2:], strict=True)
    )
    return flops, flops - flops // places * _met(eqn)


def _has_zeros(params: Any) -> bool:
    padded = any(low > 0 or high > 0 for low, high in params["padding"])
    return padded or any(n != 1 for n in params["lhs_dilation"])


def _met(eqn: Any) -> int:
    """How many pairs of a place of the output and one of the window meet an element."""
    numbers, params = eqn.params["dimension_numbers"], eqn.params
    image, kernel, out = eqn.invars[0].aval, eqn.invars[1].aval, eqn.outvars[0].aval
    each = zip(
        (image.shape[axis] for axis in numbers.lhs_spec[2:]),
        (kernel.shape[axis] for axis in numbers.rhs_spec[2:]),
        (out.shape[axis] for axis in numbers.out_spec[2:]),
        params["window_strides"],
        params["padding"],
        params["lhs_dilation"],
        params["rhs_dilation"],
        strict=True,
    )
    return math.prod(_met_along(*axis) for axis in each)


def _met_along(
    image: int,
    kernel: int,
    out: int,
    stride: int,
    padding: Sequence[int],
    dilation: int,
    kernel_dilation: int,
) -> int:
    """Along one axis: o stride + k kernel_dilation - low is dilation i for an i of the image."""
    if kernel > out:  # the two stand alike in that equation: go through the fewer
        kernel, out, stride, kernel_dilation = out, kernel, kernel_dilation, stride
    last = (image - 1) * dilation
    shift = np.arange(kernel, dtype=np.int64) * kernel_dilation - padding[0]
    # Of o stride in [-shift, last - shift] every period-th is a multiple of the dilation.
    common = math.gcd(stride, dilation)
    period = dilation // common
    first = np.maximum(-(shift // stride), 0)
    end = np.minimum((last - shift) // stride, out - 1)
    solvable = shift % common == 0
    inverse = pow(stride // common, -1, period) if period > 1 else 0
    residue = (-(shift // common) * inverse) % period if period > 1 else np.zeros_like(shift)
    begin = first + (residue - first) % period
    counts = np.maximum((end - begin) // period + 1, 0) * solvable
    return int(counts.sum())


MATMUL: dict[str, Callable[[Any], tuple[int, int]]] = {
    "dot_general": _dot_general,
    "ragged_dot_general": _ragged_dot,
    "scaled_matmul": _scaled_dot,
    "scaled_matmul_wrapper": _scaled_dot,
    "conv_general_dilated": _convolution,
}
