"""What to do about a loss of digits: by what the guilty equation is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxkit.numerics.precision.angles import of_angle
from jaxkit.numerics.precision.classify import Diagnosis
from jaxkit.numerics.precision.differences import in_place_of
from jaxkit.numerics.precision.ones import less_square
from jaxkit.numerics.precision.pairs import MIRRORED, ROUNDED, is_mirrored
from jaxkit.numerics.precision.patterns import (
    ADDS,
    Uses,
    alike,
    is_exact,
    is_running_sum,
    one_and,
    part,
    terms,
)
from jaxkit.numerics.precision.plan import Node, Tap

__all__ = ["is_lost", "is_rounding", "remedy"]

# More than so many steps of a dtype are not one rounding, nor a few.
_STEPS, _TERMS = 4, 64

# What an error grows by in one turn of a loop that is no longer slow.
_GROWS = 1.5
_MAGNIFIES = (
    "each turn makes the error some {:.1f} times as large: a recurrence may be stable if it runs "
    "backward (Miller's algorithm), or has a closed form; where neighbouring starts lead apart "
    "(chaos), single values have no more digits, and averages may"
)
_OVER = (
    "terms of both signs are larger than what is left of them, which no order of summing and no "
    "compensation mends: use an identity, as exp(-x) = 1 / exp(x), or another method"
)


def remedy(
    kind: str, tap: Tap, diagnosis: Diagnosis | None, uses: Uses = MappingProxyType({})
) -> str:
    """A specific way out, or the general one for the kind.

    Args:
        kind: Of the finding.
        tap: The equation.
        diagnosis: What is wrong with it.
        uses: What is computed from each node.
    """
    if kind == "cancellation":
        over = _OVER if diagnosis is not None and diagnosis.over else None
        return in_place_of(tap, uses) or _angle(tap, uses) or over or _GENERAL[kind]
    if diagnosis is not None and kind == "reduction-low-precision":
        return _reduction(tap, diagnosis)
    if diagnosis is not None and kind in ("absorption", "error-accumulation"):
        found = _running_sum(tap, diagnosis)
        if found:
            return found
    if kind == "error-accumulation" and not tap.turns:
        return _outside_of_loops(tap)
    if kind == "error-accumulation" and diagnosis is not None and diagnosis.rate > _GROWS:
        return _MAGNIFIES.format(diagnosis.rate)
    if kind == "underflow" and tap.primitive in ("convert_element_type", "reduce_precision"):
        return _TOO_SMALL.format(tap.eqn.outvars[0].aval.dtype.name)
    for fits in _SPECIFIC.get(kind, ()):
        found = fits(tap, uses)
        if found:
            return found
    return _GENERAL[kind]


def is_rounding(tap: Tap, diagnosis: Diagnosis) -> bool:
    """Whether a sum in full precision is off by a few roundings only, or has but a few terms."""
    info = jnp.finfo(tap.eqn.outvars[0].aval.dtype)
    few = diagnosis.introduced <= _STEPS * float(info.eps) or _terms_of(tap.eqn) <= _TERMS
    return info.bits >= 32 and few


def _terms_of(eqn: Any) -> int:
    """How many terms an element of a sum has; of a scatter, on average."""
    name, operand = eqn.primitive.name, eqn.invars[0].aval
    if name == "dot_general":
        axes = eqn.params["dimension_numbers"][0][0]
    elif name in ("cumsum", "cumlogsumexp", "cumprod"):
        axes = (eqn.params["axis"],)
    elif name == "reduce_window_sum":
        return math.prod(eqn.params["window_dimensions"])
    elif name.startswith("scatter"):
        return eqn.invars[2].aval.size
    elif name == "conv_general_dilated":
        kernel = eqn.invars[1].aval
        return kernel.size // kernel.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
    else:
        axes = eqn.params.get("axes", range(operand.ndim))
    return math.prod(operand.shape[axis] for axis in axes)


def _logarithm(tap: Tap, uses: Uses) -> str | None:
    if tap.primitive in ADDS:
        return _one_and_small(tap.node, uses) or _in_quotient(tap.node, uses)
    if tap.primitive == "pow" and one_and(tap.node.inputs[0]):
        return "(1 + x) ** n is jnp.exp(n * jnp.log1p(x))"
    if tap.primitive == "log" and one_and(tap.node.inputs[0]):
        if any(each.name == "logistic" for _, each in terms(tap.node.inputs[0], depth=1)):
            return "log(1 - sigmoid(x)) is jax.nn.log_sigmoid(-x)"
        return "jnp.log1p(x) in place of log(1 + x)"
    if tap.primitive == "log" and any(each.name == "exp" for each in _near(tap.node, 3)):
        return "jax.nn.logsumexp, or jax.nn.log_softmax in place of the logarithm of a softmax"
    return _of_quotient(tap.node) if tap.primitive == "log" else None


def _of_quotient(node: Node) -> str | None:
    quotient = part(node.inputs[0])
    if quotient.name != "div":
        return None
    above, under = quotient.inputs
    if _is_among(above, under):
        return "log(a / (a + c)) is -jnp.log1p(c / a)"
    if _is_among(under, above):
        return "log((a + c) / a) is jnp.log1p(c / a)"
    if is_mirrored(above, under):
        return MIRRORED
    text = "jnp.log1p((a - b) / b) in place of log(a / b) where a is near b"
    return text if is_exact(above) and is_exact(under) else text + ROUNDED


def _in_quotient(node: Node, uses: Uses) -> str | None:
    """Of a + c, where log(a / (a + c)) follows."""
    quotients = [each for each in uses.get(id(node), ()) if each.name == "div"]
    if not any(_is_among(*pair) for x in quotients for pair in (x.inputs, x.inputs[::-1])):
        return None
    logs = (each for x in quotients for each in uses.get(id(x), ()) if each.name == "log")
    return next(map(_of_quotient, logs), None)


def _is_among(one: Node, several: Node) -> bool:
    found = terms(part(several))
    return len(found) > 1 and any(sign > 0 and alike(one, each) for sign, each in found)


def _one_and_small(node: Node, uses: Uses) -> str | None:
    one = one_and(node)
    if not one:
        return None
    small, sign = ("-x", "-") if one < 0 else ("x", "+")
    power = f"(1 {sign} x) ** n is jnp.exp(n * jnp.log1p({small}))"
    log = f"jnp.log1p({small}) in place of log(1 {sign} x)"
    users = uses.get(id(node), ())
    if any(each.name == "log" for each in users):
        return log
    angle = next((text for text in map(of_angle, users) if text), None)
    if angle is not None:
        return angle
    if any(each.name == "pow" or _is_high_power(each) for each in users):
        return power
    if any(each.name in ("cumprod", "reduce_prod") for each in users):
        return (
            f"the product of (1 {sign} x) is jnp.exp(jnp.sum(jnp.log1p({small}))), a running one "
            f"jnp.exp(jnp.cumsum(jnp.log1p({small})))"
        )
    return f"if a logarithm follows: {log}; if a power: {power}"


def _is_high_power(node: Node) -> bool:
    return node.name == "integer_pow" and node.eqn.params["y"] > 2


def _near(node: Node, depth: int) -> list[Node]:
    level, found = [node], list[Node]()
    for _ in range(depth):
        level = [part(below) for each in level for below in each.inputs]
        found += level
    return found


def _running_sum(tap: Tap, diagnosis: Diagnosis) -> str | None:
    if not tap.turns or tap.primitive not in ADDS:
        return None
    dtype = tap.eqn.outvars[0].aval.dtype
    low, carried = jnp.finfo(dtype).bits < 32, is_running_sum(tap.node)
    if low and not carried:
        return f"carry what the loop computes in float32: {dtype.name} is rounded in each turn"
    if low and is_lost(tap, diagnosis):
        return f"carry the sum in float32: the steps of {dtype.name} are larger than what is added"
    if low:
        return f"carry the sum in float32: {dtype.name} rounds off a part of what is added"
    return (
        "sum outside of the loop (jnp.sum adds pairwise), count in integers, or carry what is "
        "lost beside the sum (Kahan)"
        if carried
        else None
    )


def _outside_of_loops(tap: Tap) -> str:
    more = "float32" if jnp.finfo(tap.eqn.outvars[0].aval.dtype).bits < 32 else "float64"
    return (
        "this is rounded as everything is: compute it, and what it is made of, in more digits "
        f"({more})"
    )


def is_lost(tap: Tap, diagnosis: Diagnosis) -> bool:
    """Whether the least of what is added is below the spacing of the sum's dtype there."""
    least = min((abs(x) for x in diagnosis.operands if x), default=0.0)
    info, size = jnp.finfo(tap.eqn.outvars[0].aval.dtype), abs(diagnosis.value)
    return bool(least < float(info.eps) * 2.0 ** np.floor(np.log2(size or float(info.tiny))))


def _periodic(tap: Tap, uses: Uses) -> str | None:
    if tap.primitive in ("sin", "cos", "tan"):
        return (
            "reduce the argument before it is large: count turns in integers, or compute the "
            "angle modulo 2 pi in more digits"
        )
    if tap.primitive in ("exp", "pow", "integer_pow"):
        return "large exponents make relative errors of absolute ones: stay in logarithms"
    if tap.primitive == "cholesky":
        return (
            "the matrix is near to singular: add to its diagonal (regularise it), or factorise "
            "and solve in float64"
        )
    if tap.primitive in ("triangular_solve", "lu", "qr", "geqrf"):
        return (
            "the matrix is near to singular: use a QR factorisation of the data in place of "
            "normal equations, regularise it, or solve in float64"
        )
    return None


def _angle(tap: Tap, uses: Uses) -> str | None:
    if tap.primitive == "one_minus_square":
        return less_square(tap, part(tap.node.inputs[0]), uses)
    return of_angle(tap.node)


def _reduction(tap: Tap, diagnosis: Diagnosis) -> str:
    dtype = tap.eqn.outvars[0].aval.dtype
    if jnp.finfo(dtype).bits < 32:
        if tap.primitive in ("dot_general", "conv_general_dilated"):
            return "accumulate in float32: preferred_element_type=jnp.float32"
        return "accumulate in float32: convert the terms first, and the sum back"
    if is_rounding(tap, diagnosis):
        return f"{dtype.name} has no more digits for this: compute it, and what follows, in float64"
    return f"so many terms are too much for {dtype.name}: sum in blocks (pairwise), or in float64"


def _cast(tap: Tap, uses: Uses) -> str | None:
    out = tap.eqn.outvars[0].aval.dtype
    before: Any = tap.eqn.invars[0].aval.dtype
    if not jnp.issubdtype(before, jnp.inexact):
        return (
            f"{out.name} has {-np.log10(float(jnp.finfo(out).eps)):.1f} digits: subtract what is "
            f"common to all numbers while they are {before.name}"
            + (", or convert them to float32" if jnp.finfo(out).bits < 32 else "")
        )
    return (
        f"stay in {before.name} here, or subtract what is common to all numbers before the cast: "
        f"{out.name} has {-np.log10(float(jnp.finfo(out).eps)):.1f} digits"
    )


_TOO_SMALL = (
    "the numbers are below the smallest of {}: stay with the wider type, store them scaled, or in "
    "bfloat16, which has the range of float32"
)

_SPECIFIC: dict[str, tuple[Callable[[Tap, Uses], str | None], ...]] = {
    "absorption": (_logarithm,),
    "ill-conditioned": (_logarithm, _angle, _periodic),
    "low-precision-cast": (_cast,),
}

_GENERAL = {
    "cancellation": "nearly equal numbers are subtracted whose digits are already lost: rewrite "
    "the expression so that what is equal cancels before it is rounded",
    "absorption": "add small to small first, or keep the small part apart",
    "ill-conditioned": "the result depends strongly on its operand here: compute the operand in "
    "more digits, or rewrite the problem so that it is not needed",
    "overflow": "scale the operands before, or work with logarithms",
    "underflow": "scale the operands before (as loss scaling does), or work with logarithms",
    "division-by-zero": "keep 0 out of the denominator",
    "log-of-zero": "keep 0 out of the logarithm",
    "invalid": "keep the operand where the function is defined",
    "reduction-low-precision": "accumulate in float32: preferred_element_type=jnp.float32",
    "error-accumulation": "errors of many steps add up: compute this part in more digits, or with "
    "fewer steps",
    "low-precision-cast": "cast later, or to a format with more digits",
    "branch-divergence": "the decision hangs on digits that are not there: decide with a margin, "
    "or on numbers that are exact",
}
