"""An event as a finding."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxkit._jax.values import dtype_name, type_text
from jaxkit.numerics.nonfinite.classify import At, Kind, kind_of, looked_at
from jaxkit.numerics.nonfinite.events import Event, is_special
from jaxkit.numerics.nonfinite.remedies import fix_of, reason_of
from jaxkit.numerics.nonfinite.surroundings import Surroundings, surroundings
from jaxkit.report import Finding

__all__ = ["finding_of"]

# What JAX puts around the names in a scope.
_WRAPPERS = frozenset(
    ["", "checkpoint", "jvp", "pmap", "remat", "rematted_computation", "transpose", "vmap"]
)

# What is never too large.
_BOUNDED = frozenset("acos acosh asin asinh atan atan2 atanh cos log1p rem sin sqrt tanh".split())

_MADE = {
    "overflow": "overflows",
    "underflow": "underflows to zero",
    "division-by-zero": "divides by zero",
    "log-of-zero": "is a logarithm of zero",
    "invalid": "has no value",
}


def finding_of(event: Event, written: Any, leaves: Sequence[str]) -> Finding:
    """What is told of an event.

    Args:
        event: The event.
        written: The program's jaxpr.
        leaves: What the leaves of the output are called.
    """
    around = surroundings(written, event.at, event.leaves)
    primitive = event.at.primitive
    at = _at(event)
    kind = _unknown(event) if at is None else kind_of(primitive, at)
    reason = reason_of(primitive, kind, around)
    message = _message(event, at, kind, around, [leaves[i] for i in event.leaves])
    return Finding(
        kind,
        "error",
        f"{message}; {reason}" if reason else message,
        where=event.at.where,
        fix=fix_of(event, kind, around),
        data=_data(event, at, around, [leaves[i] for i in event.leaves]),
    )


def _at(event: Event) -> At | None:
    if event.result is None or not is_special(event.result[event.index]):
        return None
    eqn = event.at.eqn
    return looked_at(eqn.primitive.name, eqn.params, event.operands, event.result, event.index)


def _unknown(event: Event) -> Kind:
    """Of what was too large to be brought to the host, or is rounded otherwise there."""
    by_name: dict[str, Kind] = {"div": "division-by-zero", "log": "log-of-zero"}
    if event.at.primitive in _BOUNDED:
        return "invalid"
    return by_name.get(event.at.primitive, "overflow")


def _message(
    event: Event, at: At | None, kind: Kind, around: Surroundings, leaves: list[str]
) -> str:
    eqn = event.at.eqn
    aval = next(v.aval for v in eqn.outvars if v.aval.dtype == _dtype(event))
    kinds = type_text(dtype_name(aval.dtype), aval.shape)
    parts = [f"{_name(event)} {_MADE[kind]}"]
    if at is not None:
        parts = [f"{parts[0]}: {_call(eqn.primitive.name, at)} = {_number(at.result)}"]
    place = f"at {list(event.index)} of {kinds}" if event.index else f"in {kinds}"
    parts.append(place)
    if event.turns:
        turns = " of ".join(f"turn {turn}" for turn in reversed(event.turns))
        parts.append(f"in {turns} of the loop, from 0")
    if around.phase == "backward":
        parts.append("in the backward pass of this line")
    elif around.derivative_of is not None:
        parts.append("in the derivative of this line")
    if _is_named(event.at.scope):
        parts.append(f"in scope {event.at.scope}")
    spoils = ", ".join(leaves[:3]) + (f" and {len(leaves) - 3} more" if len(leaves) > 3 else "")
    return f"{', '.join(parts)}; it spoils {spoils}"


def _is_named(scope: str) -> bool:
    """Whether anything in a scope is a name, and not one of JAX's transformations."""
    return any(part not in _WRAPPERS for part in re.split(r"[()/]", scope))


def _dtype(event: Event) -> Any:
    outs = event.at.eqn.outvars
    if event.result is None:
        return outs[0].aval.dtype
    return event.result.dtype


def _name(event: Event) -> str:
    return {"integer_pow": "an integer power", "reduce_sum": "a sum"}.get(
        event.at.primitive, event.at.primitive
    )


def _call(primitive: str, at: At) -> str:
    return f"{primitive}({', '.join(_summary(part) for part in at.operands)})"


def _summary(part: np.ndarray) -> str:
    """A number, or what a few numbers say of many."""
    if part.size == 1:
        return _number(part.reshape(())[()])
    if part.size <= 4:
        return f"[{', '.join(_number(value) for value in part.ravel())}]"
    values = _double(part)
    finite = np.abs(values[np.isfinite(values)])
    largest = f"{finite.max():.3g}" if finite.size else "none finite"
    bad = values.size - finite.size
    text = f"{values.size} values, largest magnitude {largest}"
    return f"[{text}, {bad} not finite]" if bad else f"[{text}]"


def _double(part: np.ndarray) -> np.ndarray:
    return part.astype(np.complex128 if part.dtype.kind == "c" else np.float64).ravel()


def _number(value: Any) -> str:
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        return str(array.item())
    if array.dtype.kind == "c":
        return f"{complex(array):.6g}"
    value = float(array)
    text = f"{value:.6g}"
    # Whether it is 1 or a rounding more is all the difference to an arc cosine.
    return text if not _is_whole(float(text)) or _is_whole(value) else f"{value:.9g}"


def _is_whole(value: float) -> bool:
    return not math.isfinite(value) or value.is_integer()


def _data(event: Event, at: At | None, around: Surroundings, leaves: list[str]) -> dict[str, Any]:
    eqn = event.at.eqn
    operands = [] if at is None else [_plain(part) for part in at.operands]
    return {
        "operation": eqn.primitive.name,
        "phase": around.phase,
        "scope": event.at.scope,
        "path": list(event.at.path),
        "iteration": list(event.turns),
        "index": list(event.index),
        "operands": operands,
        "operand_types": [
            type_text(dtype_name(a.aval.dtype), a.aval.shape)
            for a in eqn.invars
            if hasattr(a.aval, "dtype")
        ],
        "result": None if at is None else _plain(np.asarray(at.result)),
        "discarded_by": None if around.discarded_at is None else around.discarded_at.to_dict(),
        "leaves": leaves,
    }


def _plain(part: np.ndarray) -> Any:
    """A number or a short list as JSON; what many numbers amount to as a text."""
    if part.dtype.kind == "c" or part.size > 16:
        return _summary(part)
    wide = part.astype(np.float64) if part.dtype.kind not in "iub" else part
    return wide.reshape(-1).tolist() if part.size != 1 else wide.reshape(()).item()
