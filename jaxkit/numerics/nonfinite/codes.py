"""Where the special values of an array come from: one code for each element.

A special value is a NaN, an infinity or a zero. Its code is the event that made it; or it says that
nothing in the program did: that it was given, as a constant or an argument. Codes are ordered so
that of several operands' the smallest is the one that a result has its special value from.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

__all__ = [
    "EXACT_ZERO",
    "GIVEN_INF",
    "GIVEN_NAN",
    "NONE",
    "ZERO",
    "code_of_given",
    "is_bad",
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
    wide = value.astype(jnp.float32) if value.dtype.itemsize == 1 else value
    return lax.ne(wide, wide)


def is_bad(value: Any) -> Any:
    """Which elements are NaN or infinite, in any inexact dtype."""
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        return is_bad(lax.real(value)) | is_bad(lax.imag(value))
    wide = value.astype(jnp.float32) if value.dtype.itemsize == 1 else value
    return ~lax.is_finite(wide)


def code_of_given(value: Any) -> Any:
    """The codes of an array that enters the program."""
    bad, zero = is_bad(value), value == jnp.zeros((), value.dtype)
    given = jnp.where(is_nan(value), GIVEN_NAN, GIVEN_INF)
    return jnp.where(bad, given, jnp.where(zero, EXACT_ZERO, NONE)).astype(jnp.int32)


def settled(value: Any, from_bad: Any, from_zero: Any, event: Any, underflow: Any) -> Any:
    """The codes of what an equation has computed.

    Args:
        value: The result.
        from_bad: For each element the smallest code of the operands that can have made it a NaN
            or infinite.
        from_zero: The same of those that can have made it zero.
        event: The number of the event that this equation is where it has made a NaN or an infinity
            out of nothing of the kind.
        underflow: The number of the event where it has made zero of what is not; for an operation
            that never underflows `EXACT_ZERO - ZERO`.
    """
    bad, zero = is_bad(value), value == jnp.zeros((), value.dtype)
    inherits = (from_bad <= GIVEN_NAN) | ((from_bad == GIVEN_INF) & ~is_nan(value))
    late = (from_bad >= ZERO) & (from_bad < EXACT_ZERO)
    if_bad = jnp.where(inherits, from_bad, jnp.where(late, from_bad - ZERO, event))
    made = jnp.where(from_zero < GIVEN_NAN, from_zero + ZERO, EXACT_ZERO)
    if_zero = jnp.where(from_zero < ZERO, made, from_zero)
    if_zero = jnp.where(from_zero == NONE, underflow + ZERO, if_zero)
    return jnp.where(bad, if_bad, jnp.where(zero, if_zero, NONE)).astype(jnp.int32)
