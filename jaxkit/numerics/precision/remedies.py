"""What to do about a loss of digits: by what the guilty equation is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxkit.numerics.precision.classify import Diagnosis
from jaxkit.numerics.precision.plan import Node, Tap
from jaxkit.numerics.precision.wide import MOVES

__all__ = ["remedy"]

_ADDS = ("add", "sub", "add_any")


def remedy(kind: str, tap: Tap, diagnosis: Diagnosis | None) -> str:
    """A specific way out, or the general one for the kind."""
    for fits in _SPECIFIC.get(kind, ()):
        found = fits(tap)
        if found:
            return found
    return _GENERAL[kind]


def _made_of(node: Node) -> list[Node]:
    """The operands, without what only moves or converts them."""
    found: list[Node] = []
    for each in node.inputs:
        seen = 0
        while seen < 20 and each.inputs and (each.name in MOVES or each.name in _CONVERTS):
            each, seen = each.inputs[0], seen + 1
        found.append(each)
    return found


_CONVERTS = ("convert_element_type", "reduce_precision", "copy")


def _is_one(node: Node) -> bool:
    if node.name != "constant":
        return False
    value = np.asarray(node.value)
    return value.size > 0 and bool(np.all(abs(value.astype(float)) == 1))


def _names(node: Node, depth: int) -> set[str]:
    found: set[str] = set()
    level = [node]
    for _ in range(depth):
        level = [below for each in level for below in _made_of(each)]
        found |= {each.name for each in level}
    return found


def _difference_with_one(tap: Tap) -> str | None:
    parts = _made_of(tap.node)
    if not any(_is_one(part) for part in parts):
        return None
    other = next((part.name for part in parts if not _is_one(part)), "")
    return {
        "exp": "jnp.expm1(x) in place of exp(x) - 1",
        "cos": "1 - cos(x) is 2 * sin(x / 2) ** 2",
        "logistic": "1 - sigmoid(x) is sigmoid(-x)",
        "tanh": "1 - tanh(x) is 2 * sigmoid(-2 * x)",
        "integer_pow": "1 - x ** 2 is (1 - x) * (1 + x)",
        "square": "1 - x ** 2 is (1 - x) * (1 + x)",
        "div": "subtract before dividing: 1 - a / b is (b - a) / b",
        "pow": "jnp.expm1(y * jnp.log(x)) in place of x ** y - 1",
        "erf": "1 - erf(x) is jax.scipy.special.erfc(x)",
        "sqrt": "sqrt(1 + x) - 1 is x / (sqrt(1 + x) + 1)",
    }.get(other)


def _difference(tap: Tap) -> str | None:
    names = [part.name for part in _made_of(tap.node)]
    if names.count("sqrt") == 2:
        return "sqrt(a) - sqrt(b) is (a - b) / (sqrt(a) + sqrt(b))"
    if names.count("log") == 2:
        return "log(a) - log(b) is log1p((a - b) / b)"
    if names.count("exp") == 2:
        return "exp(a) - exp(b) is exp(b) * expm1(a - b), or 2 * sinh(a) where b is -a"
    if names.count("div") == 2:
        return "put both over one denominator: 1 / a - 1 / b is (b - a) / (a * b)"
    if names.count("cos") == 2:
        return "cos(a) - cos(b) is -2 * sin((a + b) / 2) * sin((a - b) / 2)"
    if names.count("sin") == 2:
        return "sin(a) - sin(b) is 2 * cos((a + b) / 2) * sin((a - b) / 2)"
    if names.count("atan") == 2:
        return "atan(a) - atan(b) is atan2(a - b, 1 + a * b)"
    below = _names(tap.node, 6)
    if "sqrt" in names and ("sub" in below or "add" in below):
        return (
            "the smaller root of a quadratic: compute the root in which nothing cancels, "
            "q = -(b + sign(b) * sqrt(d)) / 2, and the other as c / q"
        )
    if "reduce_sum" in below and (below & {"square", "integer_pow", "mul"}):
        return (
            "a variance or distance by moments: subtract the mean (or the other point) before "
            "squaring, as jnp.var and jnp.linalg.norm(x - y) do"
        )
    if "dot_general" in names:
        return "|x|^2 + |y|^2 - 2 x.y cancels for near points: subtract first, then square"
    if "sin" in names or "tan" in names:
        return "use the series of the difference for small arguments: x - sin(x) is near x**3 / 6"
    return None


def _logarithm(tap: Tap) -> str | None:
    parts = _made_of(tap.node)
    if tap.primitive in _ADDS and any(_is_one(part) for part in parts):
        return "if a logarithm follows: jnp.log1p(x) in place of log(1 + x)"
    if tap.primitive == "log" and parts and parts[0].name in _ADDS:
        inner = _made_of(parts[0])
        if any(_is_one(part) for part in inner):
            if any(part.name == "logistic" for part in inner):
                return "log(1 - sigmoid(x)) is jax.nn.log_sigmoid(-x)"
            return "jnp.log1p(x) in place of log(1 + x)"
    if tap.primitive == "log" and "exp" in _names(tap.node, 3):
        return "jax.nn.logsumexp, or jax.nn.log_softmax in place of the logarithm of a softmax"
    return None


def _running_sum(tap: Tap) -> str | None:
    if not tap.turns or tap.primitive not in _ADDS:
        return None
    dtype = tap.eqn.outvars[0].aval.dtype
    if jnp.finfo(dtype).bits < 32:
        return f"carry the sum in float32: the steps of {dtype.name} are larger than what is added"
    return (
        "sum outside of the loop (jnp.sum adds pairwise), count in integers, or carry what is "
        "lost beside the sum (Kahan)"
    )


def _periodic(tap: Tap) -> str | None:
    if tap.primitive in ("sin", "cos", "tan"):
        return (
            "reduce the argument before it is large: count turns in integers, or compute the "
            "angle modulo 2 pi in more digits"
        )
    if tap.primitive in ("exp", "pow", "integer_pow"):
        return "large exponents make relative errors of absolute ones: stay in logarithms"
    if tap.primitive in ("acos", "asin", "atanh"):
        return "near 1 use atan2 of sine and cosine: jnp.arctan2(jnp.sqrt((1 - x) * (1 + x)), x)"
    if tap.primitive in ("triangular_solve", "lu", "cholesky", "qr", "geqrf"):
        return (
            "the matrix is near to singular: regularise or rescale it, use a QR factorisation of "
            "the data in place of normal equations, or solve in float64"
        )
    return None


def _reduction(tap: Tap) -> str | None:
    dtype = tap.eqn.outvars[0].aval.dtype
    if jnp.finfo(dtype).bits >= 32:
        return "so many terms are too much for float32: sum in blocks (pairwise), or in float64"
    if tap.primitive in ("dot_general", "conv_general_dilated"):
        return "accumulate in float32: preferred_element_type=jnp.float32"
    return "accumulate in float32: convert the terms first, and the sum back"


def _cast(tap: Tap) -> str | None:
    out = tap.eqn.outvars[0].aval.dtype
    before: Any = tap.eqn.invars[0].aval.dtype
    return (
        f"stay in {before.name} here, or subtract what is common to all numbers before the cast: "
        f"{out.name} has {-np.log10(float(jnp.finfo(out).eps)):.1f} digits"
    )


_SPECIFIC: dict[str, tuple[Callable[[Tap], str | None], ...]] = {
    "cancellation": (_difference_with_one, _difference),
    "absorption": (_running_sum, _logarithm),
    "error-accumulation": (_running_sum,),
    "ill-conditioned": (_logarithm, _periodic),
    "reduction-low-precision": (_reduction,),
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
