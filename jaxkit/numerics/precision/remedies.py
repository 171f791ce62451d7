"""What to do about a loss of digits: by what the guilty equation is made of."""

from __future__ import annotations

from jaxkit.numerics.precision.classify import Diagnosis
from jaxkit.numerics.precision.plan import Tap

__all__ = ["remedy"]


def remedy(kind: str, tap: Tap, diagnosis: Diagnosis | None) -> str:
    """A specific way out, or the general one for the kind."""
    return _GENERAL[kind]


_GENERAL = {
    "cancellation": "rewrite the expression so that nearly equal numbers are not subtracted",
    "absorption": "add small to small: sum the small terms first, or carry a compensation (Kahan)",
    "ill-conditioned": "the result depends strongly on its operand here: compute the operand in "
    "more digits, or rewrite the problem so that it is not needed",
    "overflow": "scale before",
    "underflow": "scale before, or work with logarithms",
    "division-by-zero": "guard the denominator",
    "log-of-zero": "guard the argument",
    "invalid": "guard the argument",
    "reduction-low-precision": "accumulate in float32: preferred_element_type=jnp.float32",
    "error-accumulation": "compensate the sum (Kahan), or compute this part in more digits",
    "low-precision-cast": "cast later, or to a format with more digits",
    "branch-divergence": "do not let a branch depend on digits that are not there",
}
