"""Step 0: the program, the program in double precision, and how far their outputs are apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxkit._jax.order import after
from jaxkit.jaxpr.rule import Where
from jaxkit.jaxpr.run import Run
from jaxkit.numerics.precision.callbacks import Tape
from jaxkit.numerics.precision.doubles import Counted, Shaken, Wide
from jaxkit.numerics.precision.packing import Packing
from jaxkit.numerics.precision.wide import is_float, up

__all__ = [
    "Leaf",
    "Name",
    "Table",
    "compare_outputs",
    "compare_program",
    "fine_leaves",
    "first_program",
    "glance",
    "noise_program",
    "reconsider",
]

# In double precision what is noise around zero is as much smaller as its rounding is finer.
_ZERO = 2.0**-20
# Above so many times its uncertainty a number is not zero.
_SURE = 4.0
# How often double precision is disturbed to see what of a result is noise; what noise is at least.
_SHAKEN, _NOISE = 4, 2.0**-28
# The shares of elements that are off by more than the tolerance times each of these bound the tail.
_STEPS = tuple(8.0**j for j in range(6))
_STATISTICS = 10 + len(_STEPS)
_LEAST = 1e-280
# So many elements are compared in NumPy, which takes less time than to compile a program.
_SMALL = 2**14
# So many elements are sorted though it makes no difference to the verdict; of more, what is told of
# the tail is a bound.
_SORTED = 2**17


def first_program(
    closed: Any,
    loops: Sequence[Any],
    limits: Sequence[tuple[float, float]],
    tape: Tape,
    packing: Packing,
) -> Callable[..., Any]:
    """The program of step 0, as a function of the inputs.

    Args:
        closed: The traced program.
        loops: Its `while` equations.
        limits: For each floating-point output what is allowed, and the least magnitude that its
            dtype has in full.
        tape: What callbacks return is kept there.
        packing: Of the floating-point outputs.

    Returns:
        A function that gives (what `glance` says, turns of the loops, outputs, outputs in double
        precision), the last two of the floating-point ones, as `packing` has them.
    """
    places = {id(eqn): number for number, eqn in enumerate(loops)}

    def first(inputs: Sequence[Any]) -> Any:
        plain = Counted(places, tape)
        run = Run(plain)
        outs, trips = run.closed(closed, [run.lift(x) for x in inputs], plain.start(), Where())
        # Beside each other they need the memory of both, and effects are to be recorded before they
        # are replayed.
        outs, inputs = after(outs, inputs)
        other = Run(Wide(places, trips, tape))
        wides, _ = other.closed(closed, [other.lift(x) for x in inputs], (), Where())
        pairs = [(a, b) for a, b in zip(outs, wides, strict=True) if is_float(jax.typeof(a))]
        table = glance(pairs, limits)
        return (
            table,
            trips,
            packing.pack([a for a, _ in pairs]),
            packing.pack([b for _, b in pairs]),
        )

    return first


def glance(pairs: Sequence[tuple[Any, Any]], limits: Sequence[tuple[float, float]]) -> Any:
    """What three sums say of each output: whether it is surely fine, its norm, its mean error.

    The share k / n of elements times the relative error r that they exceed is at most the mean of
    all relative errors (Markov's inequality), so that neither the norm nor the tail is above rtol.
    What is not finite makes a sum that is not.

    Args:
        pairs: Outputs, each as it is and in double precision.
        limits: For each what is allowed, and the least magnitude that its dtype has in full.
    """
    if not pairs:
        return jnp.zeros((0, 3))
    rtols = np.array([rtol for rtol, _ in limits], float)
    numbers = np.array([max(jnp.size(out), 1) for out, _ in pairs], float)
    rows = [_sums_of(*pair, tiny) for pair, (_, tiny) in zip(pairs, limits, strict=True)]
    table = jnp.stack(rows)
    relative, error, size = table.T
    near = (relative == 0) | ((size >= _LEAST) & (error <= rtols**2 * size))
    fine = jnp.isfinite(table).all(1) & (relative <= rtols * numbers) & near
    return jnp.stack([fine, jnp.sqrt(error / jnp.maximum(size, _LEAST)), relative / numbers], 1)


def _sums_of(out: Any, wide: Any, tiny: float) -> Any:
    out, wide = up(out), up(wide)
    error, size = jnp.abs(out - wide), jnp.abs(wide)
    relative = jnp.minimum(error / jnp.maximum(size, tiny), 1)
    return sums((relative, error * error, size * size))


def compare_program(rtol: float, tiny: float) -> Callable[..., Any]:
    """A function of an output, and of it in double precision, that gives all statistics.

    Small ones are NumPy's affair, which does not have to compile anything.

    Args:
        rtol: What is allowed.
        tiny: The least magnitude that the output's dtype has in full.
    """
    large = jax.jit(lambda out, wide: sums(_columns(jnp, up(out), up(wide), rtol, tiny)))

    def compared(out: Any, wide: Any) -> np.ndarray:
        if jnp.size(out) > _SMALL:
            return np.asarray(large(out, wide))
        wide = np.asarray(wide)
        with np.errstate(all="ignore"):
            columns = _columns(np, np.asarray(out).astype(wide.dtype), wide, rtol, tiny)
            return np.array([column.sum() for column in columns])

    return compared


def _columns(xp: Any, out: Any, wide: Any, rtol: float, tiny: float) -> tuple[Any, ...]:
    """What the statistics of one output are the sums of, of arrays of NumPy's or JAX's."""
    finite, wide_finite = xp.isfinite(out), xp.isfinite(wide)
    both = finite & wide_finite
    error = xp.where(both, abs(out - wide), 0)
    size = xp.where(both, abs(wide), 0)
    zero = (size <= _ZERO * abs(out)) & (error > 0)
    relative = error / xp.maximum(size, tiny)
    return (
        error**2,
        size**2,
        xp.where(zero, 0, error) ** 2,
        finite.astype(float),
        *((relative > rtol * step).astype(float) for step in _STEPS),
        (finite & ~wide_finite).astype(float),
        zero.astype(float),
        xp.ones_like(error),
        error,
        size,
    )


def noise_program(closed: Any, loops: Sequence[Any], tape: Tape) -> Callable[..., Any]:
    """How uncertain outputs are in double precision itself, as a function of inputs and turns."""
    places = {id(eqn): number for number, eqn in enumerate(loops)}

    def shaken(inputs: Sequence[Any], trips: Any, seed: int) -> list[Any]:
        run = Run(Shaken(places, trips, tape, seed))
        return run.closed(closed, [run.lift(x) for x in inputs], (), Where())[0]

    def program(inputs: Sequence[Any], trips: Any) -> list[Any]:
        runs = [shaken(inputs, trips, seed) for seed in range(_SHAKEN)]
        outs = [each for each in zip(*runs, strict=True) if is_float(jax.typeof(each[0]))]
        return [jnp.max(jnp.abs(jnp.stack(each) - each[0]), axis=0) for each in outs]

    return program


def reconsider(leaf: Leaf, out: Any, wide: Any, noise: Any) -> Leaf:
    """What a verdict of `zero` becomes where double precision does have digits.

    Args:
        leaf: The output.
        out: It.
        wide: It in double precision.
        noise: How uncertain that is.
    """
    out, wide, noise = (np.asarray(x) for x in (out, wide, noise))
    kind = np.complex128 if np.iscomplexobj(wide) else np.float64
    out, wide = out.astype(kind), wide.astype(kind)
    zero = abs(wide) <= _ZERO * abs(out)
    known = np.sum(abs(wide), where=zero)
    if known <= _SURE * np.sum(noise, where=zero) or known <= _NOISE * np.sum(abs(out), where=zero):
        return leaf
    wrong = np.sum(abs(out - wide)) > leaf.rtol * np.sum(abs(wide))
    return leaf._replace(verdict="wrong" if wrong else "tail")


def sums(columns: Sequence[Any]) -> Any:
    """The sums of arrays of one shape, in a single pass over them."""
    if jnp.ndim(columns[0]) == 0:
        return jnp.stack(columns)
    found = lax.reduce(
        tuple(columns),
        (np.float64(0),) * len(columns),
        lambda a, b: tuple(x + y for x, y in zip(a, b, strict=True)),
        tuple(range(jnp.ndim(columns[0]))),
    )
    return jnp.stack(found)


class Leaf(NamedTuple):
    """How far an output is from double precision.

    Args:
        index: Its position among all outputs.
        name: What to call it.
        rtol: What is allowed.
        norm: Its error in norm, relative.
        tail: The largest share of elements times the relative error that they exceed; of what is
            fine a bound of that.
        verdict: `fine`, `wrong` (by the norm), `tail` (some elements are), `zero` (noise around
            what is zero), `nonfinite`.
        finite: The same of the finite elements alone.
        apart: How many elements are finite and in double precision are not: there is nothing that
            they could be compared with.
    """

    index: int
    name: str
    rtol: float
    norm: float
    tail: float
    verdict: str
    finite: str
    apart: int = 0

    @property
    def error(self) -> float:
        """Its error as the verdict has it."""
        return self.tail if self.verdict == "tail" else self.norm


# Of a floating-point output its position among all, its name, what is allowed, and the magnitude
# below which an element does not matter.
Name = tuple[int, str, float, float]

# What `glance` says, as numbers.
Table = Sequence[Sequence[float]]


def fine_leaves(table: Table, names: Sequence[Name]) -> list[Leaf]:
    """The outputs where `glance` says that all of them are fine.

    Args:
        table: What it says.
        names: The outputs.
    """
    return [
        Leaf(index, name, rtol, norm, mean, "fine", "fine")
        for (index, name, rtol, _), (_, norm, mean) in zip(names, table, strict=True)
    ]


def compare_outputs(
    table: Table,
    names: Sequence[Name],
    outs: Sequence[Any],
    wides: Sequence[Any],
    closely: Callable[[int, Any, Any], np.ndarray],
) -> list[Leaf]:
    """What the statistics mean.

    Args:
        table: What `glance` says, a row for each floating-point output.
        names: The outputs.
        outs: They.
        wides: They in double precision.
        closely: Gives all statistics of an output, by its place among these, it, and it in double
            precision.
    """
    found: list[Leaf] = []
    rows = zip(names, table, strict=True)
    for place, ((index, name, rtol, tiny), (fine, norm, mean)) in enumerate(rows):
        if fine:
            found.append(Leaf(index, name, rtol, norm, mean, "fine", "fine"))
            continue

        def pair(place: int = place) -> tuple[np.ndarray, np.ndarray]:
            return np.asarray(outs[place]), np.asarray(wides[place])

        statistics = closely(place, outs[place], wides[place])
        found.append(_judge(statistics, index, name, rtol, tiny, pair))
    return found


def _judge(
    row: np.ndarray, index: int, name: str, rtol: float, tiny: float, pair: Callable[[], Any]
) -> Leaf:
    error, size, counted, finite, *counts, apart, zeros, all_of_them, errors, sizes = row
    norm, counted_norm = _ratio(error, size), _ratio(counted, size)
    if size < _LEAST:  # squares have underflowed
        norm = counted_norm = errors / sizes if sizes else float(errors > 0)
    tail = _bound(counts, all_of_them, rtol)
    if norm > rtol and sizes <= _ZERO * errors:
        verdict = "zero"
    elif counted_norm > rtol:
        verdict = "wrong"
        if all_of_them <= _SORTED:
            tail = _tail(pair(), tiny, zero_counts=True)
    else:
        if tail > rtol:
            tail = _tail(pair(), tiny, zero_counts=True)
        verdict = "zero" if max(tail, norm) > rtol else "fine"
        if tail > rtol and (not zeros or _tail(pair(), tiny, zero_counts=False) > rtol):
            verdict = "tail"
    seen = "nonfinite" if finite < all_of_them else verdict
    return Leaf(index, name, rtol, norm, tail, seen, verdict, int(apart))


def _bound(counts: Sequence[float], number: float, rtol: float) -> float:
    """What the tail cannot exceed."""
    ends = [rtol * step for step in (*_STEPS[1:], np.inf)]
    share = 1 / number if number else 0.0
    exceed = [min(end, 1.0) * count * share for end, count in zip(ends, counts, strict=True)]
    return float(max([0.0, *exceed]))


def _ratio(error: float, size: float) -> float:
    if error == 0:
        return 0.0
    return float(np.sqrt(error / size)) if size > 0 else float("inf")


def _tail(pair: tuple[np.ndarray, np.ndarray], tiny: float, *, zero_counts: bool) -> float:
    out, wide = pair
    kind = np.complex128 if np.iscomplexobj(wide) else np.float64
    out, wide = out.astype(kind).ravel(), wide.astype(kind).ravel()
    with np.errstate(all="ignore"):
        error, size = np.abs(out - wide), np.abs(wide)
        relative = np.minimum(error / np.maximum(size, tiny), 1)
    if not zero_counts:
        relative = np.where(size <= _ZERO * np.abs(out), 0, relative)
    ordered = np.sort(np.nan_to_num(relative))[::-1]  # what is not finite has another verdict
    share = np.arange(1, ordered.size + 1) / ordered.size
    return float(np.max(ordered * share, initial=0))
