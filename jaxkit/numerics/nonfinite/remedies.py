"""What to do about an event."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from jaxkit.numerics.nonfinite.classify import Kind
from jaxkit.numerics.nonfinite.events import Event
from jaxkit.numerics.nonfinite.neighbours import (
    adds_zero,
    constant_factor,
    depends_on_carry,
    is_difference,
    is_less_maximum,
    is_of_determinant,
    quotient_with,
)
from jaxkit.numerics.nonfinite.surroundings import Surroundings

__all__ = ["fix_of", "reason_of"]

_DOUBLE_WHERE = (
    "replace the operand before the operation, not only its result after it: "
    "`safe = jnp.where(ok, x, 1.0)`, then `jnp.where(ok, f(safe), 0.0)` (the double where)"
)
_STEEP = {
    "sqrt": "the derivative of sqrt is infinite at 0 (jnp.linalg.norm and jnp.std contain one)",
    "rsqrt": "the derivative of 1 / sqrt is infinite at 0",
    "pow": "the derivative of a power is infinite at 0 where the exponent is below 1",
    "log": "the derivative of log is infinite at 0",
    "asin": "the derivative of arcsin is infinite at -1 and 1",
    "acos": "the derivative of arccos is infinite at -1 and 1",
    "atan2": "the derivative of arctan2 is 0 / 0 at the origin",
    "cbrt": "the derivative of cbrt is infinite at 0",
    "eigh": "the derivative of eigenvectors divides by the differences of the eigenvalues",
    "svd": "the derivative of singular vectors divides by the differences of the singular values",
}


def reason_of(primitive: str, kind: Kind, around: Surroundings) -> str | None:
    """Why it happened, where that is more than what happened."""
    if around.derivative_of is not None:
        return _STEEP[around.derivative_of]
    if around.phase != "backward" and around.discarded_at is None:
        return None
    steep = next((_STEEP[name] for name in _STEEP if name in around.operations), None)
    if around.discarded_at is not None:
        where = f"line {around.discarded_at.line}"
        text = (
            f"the where in {where} chooses between values, but the derivative of the one that it "
            "discards is evaluated all the same: the backward pass multiplies the 0 that comes "
            "from there with a derivative that is infinite or undefined, and 0 * inf is NaN"
        )
        return f"{text} ({steep})" if steep else text
    return steep


def fix_of(event: Event, kind: Kind, around: Surroundings) -> str:
    """What to do about it.

    Args:
        event: The event.
        kind: What kind of event it is.
        around: What stands around it.
    """
    if around.discarded_at is not None:
        return _DOUBLE_WHERE
    if kind in ("overflow", "underflow") and is_of_determinant(event.at):
        return _DETERMINANT
    if around.derivative_of is not None:
        return _BACKWARD[around.derivative_of]
    if around.phase == "backward":
        steep = next((name for name in _STEEP if name in around.operations), None)
        if steep is not None:
            return _BACKWARD[steep]
    if kind in ("division-by-zero", "log-of-zero") and adds_zero(event.at):
        return _NO_EPSILON.format(event.at.eqn.outvars[0].aval.dtype.name)
    if kind == "division-by-zero" and _has_come_to_rest(event):
        return _AT_REST
    return (
        _exponential(event, kind)
        or _FORWARD.get((event.at.primitive, kind))
        or (_overflow(event) if kind == "overflow" else _ANY[kind])
    )


def _exponential(event: Event, kind: Kind) -> str | None:
    """By what the exponential is a part of."""
    if event.at.primitive not in ("exp", "expm1"):
        return None
    if kind == "underflow":
        return _SATURATED if is_less_maximum(event.at) else None
    found = quotient_with(event.at) if kind == "overflow" else None
    return None if found is None else _QUOTIENTS[found]


def _has_come_to_rest(event: Event) -> bool:
    """Whether it divides 0 by the difference of what a loop carries."""
    if event.at.primitive != "div" or not event.turns or not event.turns[-1]:
        return False
    above, result = event.operands[0], event.result
    if above is None or result is None or not depends_on_carry(event.at):
        return False
    return bool(np.broadcast_to(above, result.shape)[event.index] == 0) and is_difference(
        event.at.eqn.invars[1], event.at
    )


def _overflow(event: Event) -> str:
    half, factor = _is_of_small_range(event), constant_factor(event.at)
    if event.turns and event.turns[-1] and depends_on_carry(event.at):
        return f"{_DIVERGES}; or carry it in float32 or bfloat16" if half else _DIVERGES
    if factor is not None and abs(factor) > 1:
        other = ", or compute this in a type of more range (float32 or bfloat16)" if half else ""
        return f"the factor {factor:g} is too large here: make it smaller{other}"
    if half:
        return f"{_SCALE}, or compute this in a type of more range (float32 or bfloat16)"
    return f"{_SCALE}, or work with logarithms"


def _is_of_small_range(event: Event) -> bool:
    """Whether bfloat16 and float32 hold larger numbers."""
    dtypes = [var.aval.dtype for var in event.at.eqn.outvars]
    return any(
        jnp.finfo(x).max < jnp.finfo(jnp.bfloat16).max
        for x in dtypes
        if jnp.issubdtype(x, jnp.inexact)
    )


_NO_EPSILON = (
    "0 is added to the operand as a constant: if a small number was meant, {0} has none as small, "
    "so take a larger one or compute this in a type of more range"
)
_SCALE = "scale the operands before, divide by their largest magnitude"
_DIVERGES = (
    "what the loop carries grows from turn to turn: the iteration may diverge, so take a smaller "
    "step or limit it; if it has to grow, scale it in each turn or carry its logarithm"
)
_AT_REST = (
    "0 / 0, as what is subtracted below is equal: if the iteration has come to rest, stop it "
    "there (a `lax.while_loop` with a tolerance), or keep what it has: "
    "`jnp.where(x1 == x0, x1, new)`, with x1 - x0 replaced by 1 there before it divides"
)
_DETERMINANT = (
    "a determinant soon leaves the range of its type: take its logarithm, "
    "`sign, logdet = jnp.linalg.slogdet(x)`, and go on with that"
)
_SATURATED = (
    "the maximum is subtracted already, and other terms are too small beside it: take the "
    "logarithms from `jax.nn.log_softmax` (sum(p * log(p)) is `jnp.sum(jnp.exp(l) * l)` with "
    "`l = jax.nn.log_softmax(x)`)"
)
_QUOTIENTS = {
    "1/(exp-1)": "1 / (exp(x) - 1) is `jnp.exp(-x) / -jnp.expm1(-x)` for x > 0, which does not "
    "overflow; or limit the exponent before",
    "1/(exp+1)": "1 / (exp(x) + 1) is `jax.nn.sigmoid(-x)`",
    "exp/(exp+1)": "exp(x) / (exp(x) + 1) is `jax.nn.sigmoid(x)`",
    "exp/(exp-1)": "exp(x) / (exp(x) - 1) is `-1 / jnp.expm1(-x)`",
    "tanh/2": "(exp(x) - 1) / (exp(x) + 1) is `jnp.tanh(x / 2)`",
    "coth/2": "(exp(x) + 1) / (exp(x) - 1) is `1 / jnp.tanh(x / 2)`",
    "tanh": "(exp(x) - exp(-x)) / (exp(x) + exp(-x)) is `jnp.tanh(x)`",
}


_BACKWARD = {
    "sqrt": "add a small positive number under the root, as in `jnp.sqrt(x**2 + eps)`, or keep 0 "
    "out of it: `jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)` (the double where)",
    "rsqrt": "add a small positive number to its operand: `lax.rsqrt(x + eps)`",
    "pow": "keep 0 out of it: `jnp.where(x > 0, jnp.where(x > 0, x, 1.0) ** p, 0.0)`",
    "log": "keep 0 out of it: `jnp.log(jnp.maximum(x, tiny))`, or work with logits and "
    "`jax.nn.log_softmax`, `jax.nn.log_sigmoid`, `jax.scipy.special.xlogy`",
    "asin": "clip the operand inside of -1 and 1, as in `jnp.clip(x, -1 + eps, 1 - eps)`; "
    "`jnp.arctan2` of sine and cosine only if the sine is no root of something that is 0",
    "acos": "clip the operand inside of -1 and 1, as in `jnp.clip(x, -1 + eps, 1 - eps)`; "
    "`jnp.arctan2` of sine and cosine only if the sine is no root of something that is 0",
    "atan2": "replace both operands at the origin before: `jnp.arctan2(y, jnp.where(ok, x, 1.0))`",
    "cbrt": "keep 0 out of it with a where before and one after it (the double where)",
    "eigh": "equal eigenvalues have no eigenvectors to differentiate: use the eigenvalues only, a "
    "function of the whole matrix, or add a small diagonal of different numbers",
    "svd": "equal singular values have no vectors to differentiate: use the values only, or a "
    "function of the whole matrix",
}

_FORWARD: dict[tuple[str, Kind], str] = {
    ("exp", "overflow"): "subtract the maximum first, or use the function made for it: "
    "`jax.nn.softmax`, `jax.nn.logsumexp`, `jax.nn.softplus`, `jax.nn.sigmoid`, `jnp.logaddexp`",
    ("exp", "underflow"): "stay with logarithms: `jax.nn.logsumexp`, `jax.nn.log_softmax`; or "
    "subtract the maximum of the exponents first",
    ("logistic", "underflow"): "use `jax.nn.log_sigmoid(x)` in place of the logarithm of it",
    ("reduce_prod", "underflow"): "add logarithms instead: `jnp.sum(jnp.log(x))`",
    ("reduce_prod", "overflow"): "add logarithms instead: `jnp.sum(jnp.log(x))`",
    ("cumprod", "underflow"): "add logarithms instead: `jnp.cumsum(jnp.log(x))`",
    ("cumprod", "overflow"): "add logarithms instead: `jnp.cumsum(jnp.log(x))`",
    (
        "gather",
        "invalid",
    ): 'an index is out of bounds, where JAX returns NaN: correct the index, or say `mode="clip"`',
    ("sqrt", "invalid"): "a root of a negative number: it may be the rounding of a small positive "
    "one, `jnp.sqrt(jnp.maximum(x, 0.0))`; else its operand is wrong",
    ("rsqrt", "invalid"): "a root of a negative number: `lax.rsqrt(jnp.maximum(x, 0.0) + eps)` if "
    "that is rounding; else its operand is wrong",
    ("log", "invalid"): "a logarithm of a negative number: its operand is wrong, or `jnp.log(-x)` "
    "and `jnp.log(jnp.abs(x))` are meant",
    ("acos", "invalid"): "clip the operand: `jnp.arccos(jnp.clip(x, -1.0, 1.0))`",
    ("asin", "invalid"): "clip the operand: `jnp.arcsin(jnp.clip(x, -1.0, 1.0))`",
    ("pow", "invalid"): "a negative number has no power that is no integer: use an integer "
    "exponent, or `jnp.sign(x) * jnp.abs(x) ** p` if that is meant",
    ("pow", "division-by-zero"): "0 to a negative power: keep 0 out of it, or add a small number",
    ("cholesky", "invalid"): "the matrix is not positive definite: add a small multiple of the "
    "identity, or compute it in more precision",
    ("sub", "invalid"): "inf - inf: where a mask of -inf covers a whole row, keep one entry or "
    "replace the row's maximum by 0; or mask with a large finite number, `jnp.finfo(x.dtype).min`",
    ("mul", "invalid"): "0 * inf: select with `jnp.where` in place of multiplying with a mask",
    ("triangular_solve", "division-by-zero"): "the matrix is singular: add a small multiple of the "
    "identity, or use `jnp.linalg.lstsq` or `pinv`",
    ("convert_element_type", "overflow"): "the number does not fit into the narrower type: scale "
    "it first, or stay with the wider one (bfloat16 has the range of float32)",
    ("convert_element_type", "underflow"): "the number is below the smallest of the narrower type: "
    "scale it first, or stay with the wider one",
}

_ANY: dict[Kind, str] = {
    "underflow": "scale the operands before, or work with their logarithms",
    "division-by-zero": "add a small positive number to the denominator, or keep 0 out of it: "
    "`jnp.where(y != 0, x / jnp.where(y != 0, y, 1.0), limit)`, where `limit` is what the result "
    "has to be there, which is 0 for some formulas only",
    "log-of-zero": "keep 0 out of it: `jnp.log(jnp.maximum(x, tiny))`; for p * log(p) "
    "`jax.scipy.special.xlogy`; for probabilities `jax.nn.log_softmax` or `log_sigmoid` of logits",
    "invalid": "the operation has no value there: guard its operand with `jnp.where` before it",
}
