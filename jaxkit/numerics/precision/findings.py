"""From attributions to findings: the guilty equation first."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxkit._jax.x64 import with_x64
from jaxkit.numerics.precision.analysis import Attributed, Diverged
from jaxkit.numerics.precision.capture import Values
from jaxkit.numerics.precision.classify import AMPLIFIES, Diagnosis, classify, is_of_many
from jaxkit.numerics.precision.outputs import Leaf
from jaxkit.numerics.precision.patterns import Uses, adds_to_carry, is_running_sum
from jaxkit.numerics.precision.plan import Tap
from jaxkit.numerics.precision.remedies import is_lost, is_rounding, remedy
from jaxkit.numerics.precision.suspects import Statistics, Suspect
from jaxkit.numerics.precision.tolerance import eps_of, tiny_of
from jaxkit.numerics.precision.wide import NOT_WIDE, SUMS, is_float, wide
from jaxkit.report import Finding, SourceLine

__all__ = ["apart", "divergence_of", "elsewhere", "findings_of", "unattributed"]

# Of an output's error: most of it, and what is worth mentioning.
_MOST, _SOME = 0.5, 0.1


def findings_of(found: Attributed) -> list[Finding]:
    """The findings of one output, most guilty first."""
    diagnosed = [
        (suspect, _diagnose(suspect, values, found))
        for suspect, values in zip(found.suspects, found.values, strict=True)
    ]
    if not diagnosed:
        return []
    guilty = _guilty(diagnosed, found)
    rest = [pair for pair in diagnosed if pair[0] is not guilty[0]]
    warned = [guilty, *(pair for pair in rest if _is_guilty_too(*pair, guilty[0], found))]
    result = [_finding(*pair, found, found.uses, "warning") for pair in warned]
    told = {_line(one.where) for one in result}
    for suspect, diagnosis in rest:
        if abs(suspect.statistics.contribution) > _MOST:
            one = _finding(suspect, diagnosis, found, found.uses, "info")
            if _line(one.where) not in told:
                magnifying = (pair[0].tap for pair in warned)
                after = next((x for x in magnifying if found.ancestry.feeds(suspect.tap, x)), None)
                fix = _of_origin(after, one, suspect.tap, diagnosis)
                result.append(dataclasses.replace(one, fix=fix))
    return result


def _line(where: SourceLine | None) -> tuple[str, int] | None:
    return where and (where.file, where.line)


def _is_guilty_too(
    suspect: Suspect, diagnosis: Diagnosis, guilty: Suspect, found: Attributed
) -> bool:
    """Whether the error crosses what is allowed there, too, without the guilty equation."""
    if not suspect.root or diagnosis.kind == "error-accumulation":
        return False
    if (
        _line(suspect.tap.where) == _line(guilty.tap.where)
        or abs(suspect.statistics.flow).max() <= _SOME
    ):
        return False
    one, other = suspect.tap, guilty.tap
    return not (found.ancestry.feeds(one, other) or found.ancestry.feeds(other, one))


def _of_origin(after: Tap | None, origin: Finding, tap: Tap, diagnosis: Diagnosis) -> str | None:
    """What to do about an error that another line makes large, if one does."""
    small = origin.kind == "reduction-low-precision" and is_rounding(tap, diagnosis)
    if after is None or after.where is None or not (small or origin.kind == "error-accumulation"):
        return origin.fix
    return f"mend line {after.where.line}, which magnifies it, or compute this in more digits"


def _guilty(
    diagnosed: Sequence[tuple[Suspect, Diagnosis]], found: Attributed
) -> tuple[Suspect, Diagnosis]:
    crossing = next((pair for pair in diagnosed if pair[0].crossing), None)
    weights = [_weight(*pair) for pair in diagnosed]
    origin = diagnosed[int(np.argmax(weights))]
    if crossing is None:
        return origin
    looked_at = {id(suspect.statistics) for suspect, _ in diagnosed}
    others = sum(each.weight for each in found.statistics if id(each) not in looked_at)
    # Where errors are too large for first order, what is known adds up to less than all of it.
    made = abs(origin[0].statistics.contribution) / min(1.0, max(sum(weights) + others, _SOME))
    if made > _MOST and origin[0] is not crossing[0]:
        if crossing[1].kind == "ill-conditioned" and origin[1].kind == "absorption":
            return origin
        if origin[1].kind == "low-precision-cast" and is_explicit_cast(origin[0].tap):
            return origin
    if crossing[1].kind == "error-accumulation":  # it passes on what others make
        makers = [pair for pair in diagnosed if pair[1].kind != "error-accumulation"]
        makers = [pair for pair in makers if pair[0].statistics.weight > _SOME] or [crossing]
        # One rounding is not to blame for what a loop makes of it; many are.
        if made > _MOST and origin[1].kind == "error-accumulation" and origin[0].tap.turns:
            return origin
        return max(makers, key=lambda pair: pair[0].statistics.weight)
    return crossing


def _weight(suspect: Suspect, diagnosis: Diagnosis) -> float:
    """What an equation makes of the error, as far as its numbers bear that out.

    What a dear function introduces was told by its slope, which is far off where errors are large.
    """
    told = suspect.statistics.introduced[suspect.at]
    share = min(1.0, diagnosis.introduced / told) if told > 0 else 1.0
    return suspect.statistics.weight * share


def is_explicit_cast(tap: Tap) -> bool:
    """Whether a cast to fewer digits is no return from more, as sums in float16 make it."""
    eqn = tap.eqn
    if tap.primitive != "convert_element_type":
        return True
    narrow = eqn.outvars[0].aval.dtype
    stack, seen = list(tap.node.inputs), set[int]()
    for _ in range(12):
        if not stack:
            return True
        node = stack.pop(0)
        if id(node) in seen or node.eqn is None:
            continue
        seen.add(id(node))
        if node.name == "convert_element_type" and node.eqn.invars[0].aval.dtype == narrow:
            return False
        stack += node.inputs
    return True


def _diagnose(suspect: Suspect, values: Values, found: Attributed) -> Diagnosis:
    eqn = suspect.tap.eqn
    out = next(var.aval for var in eqn.outvars if is_float(var.aval))
    sums = suspect.tap.primitive in SUMS
    diagnosis = classify(
        suspect.tap.primitive,
        values,
        rtol=found.leaf.rtol,
        eps=eps_of(out.dtype),
        tiny=tiny_of(out.dtype),
        absolute=functools.partial(absolute_of, eqn, values) if sums else None,
        by_element=found.leaf.verdict == "tail",
        turned=any(suspect.order[1::2][: len(suspect.turn)]),
    )
    diagnosis = dataclasses.replace(diagnosis, rate=suspect.statistics.rate)
    shrinks = suspect.statistics.shrinks
    if (
        diagnosis.kind in ("error-accumulation", "cancellation")
        and is_running_sum(suspect.tap.node)
        and shrinks > AMPLIFIES
    ):
        return dataclasses.replace(diagnosis, kind="cancellation", condition=shrinks, over=True)
    grows = adds_to_carry(suspect.tap.node) or not suspect.turn
    if diagnosis.kind != "absorption" or grows or is_lost(suspect.tap, diagnosis):
        return diagnosis
    # What nothing is added to turn after turn is but rounded, as all is.
    return dataclasses.replace(diagnosis, kind="error-accumulation")


def absolute_of(eqn: Any, values: Values) -> np.ndarray:
    """The same sum of magnitudes."""
    if eqn.primitive.name == "reduce_sum":  # most are; NumPy has it sooner
        return np.sum(abs(values.primals[0]), axis=tuple(eqn.params["axes"]))
    with with_x64():
        operands = [
            jnp.asarray(abs(x) if np.issubdtype(x.dtype, np.inexact) else x) for x in values.primals
        ]
        try:
            return np.asarray(wide(eqn, operands)[0])
        except NOT_WIDE:
            return abs(values.exact)


def _finding(
    suspect: Suspect, diagnosis: Diagnosis, found: Attributed, uses: Uses, severity: Any
) -> Finding:
    tap, statistics = suspect.tap, suspect.statistics
    kind = diagnosis.kind
    if severity == "warning" and found.leaf.norm >= 0.1:
        severity = "error"
    return Finding(
        kind,
        severity,
        _message(suspect, diagnosis, found),
        where=tap.where,
        fix=remedy(kind, tap, diagnosis, uses),
        data=_data(suspect, diagnosis, found, statistics),
    )


def _message(suspect: Suspect, diagnosis: Diagnosis, found: Attributed) -> str:
    name, leaf = suspect.tap.primitive, found.leaf
    before, error = diagnosis.inherited, diagnosis.total
    here, there = apart(diagnosis.value, diagnosis.shadow)
    digits = 1 if f"{before:.1e}" != f"{error:.1e}" else 3
    low, high = f"{before:.{digits}e}", f"{error:.{digits}e}"
    text = (
        f"{name} of {_operands(suspect.tap, diagnosis)} gives {here} where double precision has "
        f"{there}: the relative error "
        + (f"goes from {low} to {high}" if before <= error and low != high else f"is {error:.1e}")
        + f", and {leaf.name} is off by {leaf.error:.1e}"
    )
    if suspect.turn:
        turn, first = (", ".join(map(str, each)) for each in (suspect.turn, suspect.first_turn))
        loop = "the loop (" if len(suspect.turn) == 1 else "the loops (the outermost first, "
        text += f"; in iteration {turn} of {loop}from 0)"
        text += " for the first time" if turn == first else f", and off from iteration {first} on"
    if diagnosis.over:
        text += f"; the sum was {diagnosis.condition:.0e} times as large on the way as in the end"
    if "transpose(" in suspect.tap.scope:
        text += "; in the backward pass of this line (in the rule, if it calls a custom_vjp)"
    return text


def _operands(tap: Tap, diagnosis: Diagnosis) -> str:
    integers = [x.aval.dtype.name for x in tap.eqn.invars if not is_float(x.aval)]
    avals = [x.aval for x in tap.eqn.invars if jnp.issubdtype(x.aval.dtype, jnp.inexact)]
    numbers = [
        f"{x} ({integers[0]})" if isinstance(x, int) and integers else f"{x:.9g}"
        for x in diagnosis.operands
    ]
    if len(avals) == len(numbers):
        shape = tap.eqn.outvars[0].aval.shape
        numbers = [
            f"{aval.size} values up to {x}"
            if aval.size > 1 and (is_of_many(tap.primitive) or aval.shape != shape)
            else x
            for x, aval in zip(numbers, avals, strict=True)
        ]
    return " and ".join(numbers)


def _data(
    suspect: Suspect, diagnosis: Diagnosis, found: Attributed, statistics: Statistics
) -> dict[str, Any]:
    return {
        "primitive": suspect.tap.primitive,
        "scope": suspect.tap.scope,
        "path": list(suspect.tap.path),
        "iteration": list(suspect.first_turn),
        "shown_iteration": list(suspect.turn),
        "index": list(diagnosis.index),
        "operands": list(diagnosis.operands),
        "operands_in_double": list(diagnosis.shadows),
        "value": diagnosis.value,
        "value_in_double": diagnosis.shadow,
        "total_error": diagnosis.total,
        "introduced_error": diagnosis.introduced,
        "inherited_error": diagnosis.inherited,
        "amplification": diagnosis.amplification,
        "digits_lost": diagnosis.digits_lost,
        "contribution": statistics.contribution,
        "flow": float(statistics.flow[suspect.at]),
        "output": found.leaf.name,
        "output_error": found.leaf.norm,
        "rtol": found.leaf.rtol,
    }


def divergence_of(found: Diverged, leaf: Leaf) -> Finding:
    """The finding of a decision that goes another way in double precision."""
    decision = found.decision
    some = f" (one of {found.elements} elements that differ)" if found.elements > 1 else ""
    return Finding(
        "branch-divergence",
        "warning",
        f"{_decides(found)}{some}: {leaf.name} is off by {leaf.error:.1e}, of which "
        f"{_share(found.left)} would be left if it were decided as there",
        where=decision.where,
        fix=remedy("branch-divergence", decision, None),
        data={
            "primitive": decision.primitive,
            "scope": decision.scope,
            "path": list(decision.path),
            "elements": found.elements,
            "operands": list(found.operands),
            "operands_in_double": list(found.shadows),
            "left": found.left,
            "output": leaf.name,
            "output_error": leaf.norm,
            "rtol": leaf.rtol,
        },
    )


def _decides(found: Diverged) -> str:
    name = found.decision.primitive
    if not found.operands:
        return f"{name} decides otherwise in double precision"
    pairs = [apart(*both) for both in zip(found.operands, found.shadows, strict=True)]
    here, there = (" and ".join(texts) for texts in zip(*pairs, strict=True))
    return f"{name} of {here} decides otherwise in double precision, which has {there}"


def apart(here: float, there: float) -> tuple[str, str]:
    """Two numbers, in as many digits as it takes to see that they differ, if they do."""
    digits = next((n for n in range(9, 17) if f"{here:.{n}g}" != f"{there:.{n}g}"), 17)
    if here == there:
        digits = 9
    return f"{here:.{digits}g}", f"{there:.{digits}g}"


def _share(left: float) -> str:
    return f"{left:.0%}" if left >= 0.005 else "nothing" if left == 0 else "less than 1%"


def elsewhere(found: Attributed) -> Finding | None:
    """Where a part was looked at: that the error is not made there; None if much of it is."""
    made = sum(each.weight for each in found.statistics)
    if made >= _SOME or any(suspect.crossing for suspect in found.suspects):
        return None
    leaf = found.leaf
    return Finding(
        "error-accumulation",
        "warning",
        f"{leaf.name} is off by {leaf.error:.1e}, of which {made:.1g} times as much is made in the "
        "part that where= names",
        fix="look at another part, or at all of it",
        data={"output": leaf.name, "output_error": leaf.norm, "rtol": leaf.rtol, "share": made},
    )


def unattributed(leaf: Leaf, error: Exception | None = None) -> Finding:
    """Of some programs all that is known is that an output is off.

    Args:
        leaf: The output.
        error: What JAX raised when the program was differentiated; None where it was not, as it
            must not run again.
    """
    off = "not finite" if leaf.verdict == "nonfinite" else f"off by {leaf.error:.1e}"
    why = (
        "the function calls back (jax.experimental.io_callback) and must not run again to find the "
        "line that is to blame"
    )
    fix = "shadow the parts of the function between its callbacks"
    if error is not None:
        first = str(error).strip().partition("\n")[0][:200]
        why = (
            "the line that is to blame is unknown: differentiating the program raises "
            f"{type(error).__name__}: {first}"
        )
        fix = "shadow the parts of the function one by one"
    return Finding(
        "error-accumulation",
        "warning",
        f"{leaf.name} is {off}, but {why}",
        fix=fix,
        data={"output": leaf.name, "output_error": leaf.norm, "rtol": leaf.rtol},
    )
