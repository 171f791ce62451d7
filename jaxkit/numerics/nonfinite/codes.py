"""Where the special values of an array come from: one code for each element.

A special value is a NaN, an infinity or a zero. Its code is the event that made it; or it says that
nothing in the program did: that it was given, as a constant or an argument. Codes are ordered so
that of several operands' the smallest is the one that a result has its special value from.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = [
    "EXACT_ZERO",
    "GIVEN_INF",
    "GIVEN_NAN",
    "NONE",
    "ZERO",
    "code_of_given",
    "full",
    "is_finite",
    "is_nan",
    "settled",
]

# 0 < event < GIVEN_NAN: a NaN or an infinity that the event made.
GIVEN_NAN = 2**29
GIVEN_INF = GIVEN_NAN + 1
# ZERO + event: a zero that is there instead of something smaller, or of something infinite.
ZERO = 2**30
EXACT_ZERO = 2**31 - 2
NONE = 2**31 - 1


def is_nan(value: Any) -> Any:
    """Which elements are NaN, in any inexact dtype."""
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        return is_nan(lax.real(value)) | is_nan(lax.imag(value))
    wide = value.astype(np.float32) if value.dtype.itemsize == 1 else value
    return lax.ne(wide, wide)


def is_finite(value: Any) -> Any:
    """Which elements are neither NaN nor infinite, in any inexact dtype."""
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        return is_finite(lax.real(value)) & is_finite(lax.imag(value))
    wide = value.astype(np.float32) if value.dtype.itemsize == 1 else value
    return lax.is_finite(wide)


def is_zero(value: Any) -> Any:
    """Which elements are zero."""
    return lax.eq(value, lax.full_like(value, 0))


def code_of_given(value: Any) -> Any:
    """The codes of an array that enters the program; of one of NumPy's as one of NumPy's."""
    if isinstance(value, (np.ndarray, np.generic)):
        wide = np.asarray(value)
        if wide.dtype.kind not in "fc":
            wide = wide.astype(np.float32)  # the types of ml_dtypes, all of which fit
        codes = np.where(np.isnan(wide), GIVEN_NAN, np.where(np.isinf(wide), GIVEN_INF, NONE))
        return np.where(wide == 0, EXACT_ZERO, codes).astype(np.int32)
    bad = lax.select(is_nan(value), full(GIVEN_NAN, value), full(GIVEN_INF, value))
    fine = lax.select(is_zero(value), full(EXACT_ZERO, value), full(NONE, value))
    return lax.select(is_finite(value), fine, bad)


def full(code: Any, like: Any) -> Any:
    """An array of one code."""
    return (
        lax.full(like.shape, code, np.int32)
        if isinstance(code, int)
        else (lax.broadcast(code, like.shape))
    )


def settled(
    value: Any,
    least: Any,
    event: Any,
    *,
    underflow: Any = None,
    zero_makes_bad: bool,
    inf_makes_zero: bool,
    least_of_zero: Any = None,
) -> Any:
    """The codes of what an equation has computed.

    Args:
        value: The result.
        least: For each element the smallest code of the operands that it can come from.
        event: For each element the number of the event that this equation is, where it has made a
            NaN or an infinity out of nothing of the kind.
        underflow: The same where it has made zero of what is not; None for an operation that does
            not.
        zero_makes_bad: Whether a zero operand can be why the result is not finite.
        inf_makes_zero: Whether an infinite operand can be why the result is zero.
        least_of_zero: `least` for a result that is zero, where that is another.
    """
    # A NaN can come from a NaN or from an infinity of an event; an infinity from any.
    most = lax.select(is_nan(value), full(GIVEN_NAN, value), full(GIVEN_INF, value))
    made = event
    if zero_makes_bad:
        late = (least >= ZERO) & (least < EXACT_ZERO)
        made = lax.select(late, least - full(ZERO, value), event)
    if_bad = lax.select(lax.le(least, most), least, made)
    zero = least if least_of_zero is None else least_of_zero
    kept = full(EXACT_ZERO, value)
    if inf_makes_zero:
        kept = lax.select(zero < GIVEN_NAN, zero + full(ZERO, value), kept)
    if_zero = lax.select(zero < ZERO, kept, lax.min(zero, full(EXACT_ZERO, value)))
    if underflow is not None:
        if_zero = lax.select(lax.eq(zero, full(NONE, value)), underflow, if_zero)
    fine = lax.select(is_zero(value), if_zero, full(NONE, value))
    return lax.select(is_finite(value), fine, if_bad)
