"""Which equation costs an output how much: one reverse pass over the shadow for all of them.

Each measured result goes through a *tap*: nothing forward; backward, given the cotangent of the
result, it gives statistics of the result's errors as the "cotangent" of a dummy argument, its
slot. Slots of a loop are scanned, so that each turn has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxkit.jaxpr.rule import Equation, Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics.emulation.selection import Selection
from jaxkit.numerics.precision.dual import Dual, Measured, primal_of, shadow_of
from jaxkit.numerics.precision.plan import Frame, Loop, Tap
from jaxkit.numerics.precision.wide import is_float, up

__all__ = ["COLUMNS", "Tapped", "attribution_program", "collect", "per_tap"]

# What a tap tells: of the output's error, what is made here and what passes through here; squares
# of value, total and introduced error, weighted by what they mean to the output.
COLUMNS = ("contribution", "flow", "value", "total", "introduced")


def _slots_of(frame: Frame) -> Any:
    """An empty slot for each tap and turn of a plan.

    Outside of loops each is an array of its own: the slope of a part of an array would be a whole
    one for each part, and XLA takes half as long again to compile what adds them up.
    """

    def make(lead: tuple[int, ...], taps: list[Tap]) -> Any:
        if lead:
            return np.zeros((*lead, len(taps), len(COLUMNS)))
        return [np.zeros(len(COLUMNS)) for _ in taps]

    return per_tap(frame, make)


def _tables(found: Any) -> Any:
    """What is in the slots, an array for each frame."""
    own, inner = found
    table = (jnp.stack(own) if own else jnp.zeros((0, len(COLUMNS)))) if _is_list(own) else own
    return table, [
        [_tables(branch) for branch in each] if _is_list(each) else _tables(each) for each in inner
    ]


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def per_tap(frame: Frame, make: Callable[[tuple[int, ...], list[Tap]], Any]) -> Any:
    """An array for each frame of a plan, in the form that `Dual` takes.

    Args:
        frame: The plan.
        make: Gives that of a frame from the lengths of the loops around it and its taps.
    """
    return _per_tap(frame, (), make)


def _per_tap(frame: Frame, lead: tuple[int, ...], make: Any) -> Any:
    inner: list[Any] = []
    for each in frame.inner:
        if isinstance(each, Loop):
            inner.append(_per_tap(each.body, (*lead, each.length), make))
        else:
            inner.append([_per_tap(branch, lead, make) for branch in each.branches])
    return make(lead, frame.taps), inner


def collect(frame: Frame, found: Any) -> dict[Tap, np.ndarray]:
    """The statistics of each tap: an array [turns of the outermost loop, ..., columns]."""
    own, inner = found
    table = np.asarray(own)
    result = {tap: table[..., i, :] for i, tap in enumerate(frame.taps)}
    for each, below in zip(frame.inner, inner, strict=True):
        belows = [below] if isinstance(each, Loop) else below
        for body, values in zip(each.frames(), belows, strict=True):
            result.update(collect(body, values))
    return result


class Tapped(Dual):
    """The shadow goes on through taps.

    Shadows and their slopes stand behind barriers. Without them XLA computes what is cheap again
    wherever it is used: each statistic has all of the shadow before it in its own fusion, and
    compiling takes the square of the number of equations (34 s for 40 unrolled turns of
    `y + 0.01 * sin(y)`, 6 s with them). The XLA of jaxlib 0.10 takes barriers out too early. The
    program's own results have none: they would be rounded where XLA does not round.

    Args:
        plan: What is measured.
        given: The slots.
        careful: Errors that have overflowed count as the whole value. The test for it keeps every
            error in memory: it is for programs whose statistics are not finite without it.
        only: Which equations get taps; all that are measured where it is None.
    """

    def __init__(
        self, plan: Frame, given: Any, *, careful: bool = False, only: Selection | None = None
    ) -> None:
        super().__init__(plan, given)
        self._tap = _careful_tap if careful else _tap
        self._only = only

    def turning(self, step: Any) -> Any:
        """The body of a loop, which is computed again on the way back."""
        # To store what each turn's taps look at takes longer than to compute it again.
        return jax.checkpoint(step, prevent_cse=False)

    def measure(self, tap: Tap, at: Equation, one: Measured, given: Any) -> Any:
        """Puts taps on the results."""
        if self._only is not None and not self._only.has(at, computes=True):
            tap.looked_at = False
            return one.shadows
        exact = one.exact()
        rows = zip(at.eqn.outvars, one.outs, exact, one.shadows, strict=True)
        return [
            self._through(shadow, up(out), right, given) if is_float(var.aval) else shadow
            for var, out, right, shadow in rows
        ]

    def _through(self, shadow: Any, out: Any, exact: Any, slot: Any) -> Any:
        introduced = lax.stop_gradient(out - exact)
        total = lax.stop_gradient(out - shadow)
        return self._tap(shadow, introduced, total, slot)


def _nothing(value: Any, introduced: Any, total: Any, slot: Any) -> Any:
    return value


def _tap_forward(value: Any, introduced: Any, total: Any, slot: Any) -> Any:
    value = lax.optimization_barrier(value)
    return value, (value, introduced, total)


def _tap_backward(kept: Any, cotangent: Any) -> Any:
    # A slope that is not finite says nothing: what is behind it is not blamed, and not spoiled.
    slope = lax.optimization_barrier(_finite(cotangent))
    return slope, None, None, _statistics(slope, kept, _without_nan)


def _careful_backward(kept: Any, cotangent: Any) -> Any:
    slope, _, _, found = _tap_backward(kept, cotangent)
    every = jnp.all(jnp.isfinite(found))
    found = lax.cond(every, lambda: found, lambda: _statistics(slope, _overflown(kept), _finite))
    return slope, None, None, found


def _statistics(slope: Any, kept: Any, checked: Any) -> Any:
    value, introduced, total = kept
    made, passed, size = checked(slope * introduced), checked(slope * total), _finite(slope * value)
    columns = made.real, passed.real, _square(size), _square(passed), _square(made)
    return jnp.stack([jnp.sum(column) for column in columns])  # each is a loop that XLA vectorizes


def _without_nan(value: Any) -> Any:
    """Where both are the same infinity, as in a mask, there is no error; one of either is kept."""
    return jnp.where(jnp.isnan(value), 0, value)


def _finite(value: Any) -> Any:
    return jnp.where(jnp.isfinite(value), value, 0)


def _overflown(kept: Any) -> Any:
    """A value and its errors, of which all is wrong where they have overflowed."""
    value, introduced, total = kept
    return value, _all_wrong(introduced, value), _all_wrong(total, value)


def _all_wrong(error: Any, value: Any) -> Any:
    """An error as it is, as large as the value where it is infinite, 0 where there is none."""
    return jnp.where(jnp.isinf(error), -_finite(value), _finite(error))


def _square(value: Any) -> Any:
    return value * value if jnp.isrealobj(value) else jnp.abs(value) ** 2


_tap: Any = jax.custom_vjp(_nothing)
_tap.defvjp(_tap_forward, _tap_backward)
_careful_tap: Any = jax.custom_vjp(_nothing)
_careful_tap.defvjp(_tap_forward, _careful_backward)


def attribution_program(
    closed: Any,
    plan: Frame,
    floor: float,
    *,
    careful: bool = False,
    only: Selection | None = None,
) -> Any:
    """The program that attributes the error of a program's only result to its equations.

    Args:
        closed: The program.
        plan: What is measured.
        floor: The least magnitude that the result's dtype has in full.
        careful: As `Tapped` takes it.
        only: As `Tapped` takes it.

    Returns:
        A function of (inputs, mode) that gives (statistics: an array [..., taps, columns] for each
        frame of the plan, sums of the magnitudes of errors, of the result and of relative errors,
        of a shadow that follows the program).
        Mode 0 looks at the result in norm, 1 at each element by itself.
    """

    def program(inputs: Sequence[Any], mode: Any) -> Any:
        def shadow(slots: Any) -> Any:
            run = Run(Tapped(plan, slots, careful=careful, only=only))
            [box], _ = run.closed(closed, [run.lift(x) for x in inputs], (), Where())
            return shadow_of(box), primal_of(box)

        value, back, out = jax.vjp(shadow, _slots_of(plan), has_aux=True)
        error = _finite(up(out) - value)
        scale = jnp.where(mode == 1, jnp.maximum(jnp.abs(value), floor), 1.0)
        scaled = error / scale
        most = jnp.maximum(jnp.max(jnp.abs(scaled), initial=0), np.finfo(float).tiny)
        unit = scaled / most  # squares must not underflow
        total = jnp.sum(_square(unit))
        direction = jnp.where(total > 0, jnp.conj(unit) / total, 0) / (scale * most)
        [found] = back(direction.astype(value.dtype))
        sizes = [jnp.sum(jnp.abs(error)), jnp.sum(jnp.abs(_finite(value)))]
        return _tables(found), jnp.stack([*sizes, jnp.sum(jnp.minimum(jnp.abs(scaled), 1))])

    return program
