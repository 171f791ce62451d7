"""`jaxkit.search_precision`: which parts of a function must stay in full precision."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

from jaxkit._jax.jaxprs import Program, name_of, open_jaxpr, trace
from jaxkit._jax.values import kind_of
from jaxkit.numerics.emulation.formats import Format, format_of
from jaxkit.numerics.searching.assignment import Assignment
from jaxkit.numerics.searching.groups import BY, Group, groups_of
from jaxkit.numerics.searching.masked import Masked, candidates_of
from jaxkit.numerics.searching.minimal import minimal
from jaxkit.numerics.searching.progress import Progress
from jaxkit.report import Report

__all__ = ["search_precision"]


class Search(Protocol):
    """A function of the searched function's own arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> Report:
        """Runs the function for these arguments, as often as it takes."""
        ...


def search_precision(
    fun: Callable[..., Any],
    tolerance: float,
    *,
    dtype: Any = None,
    mantissa_bits: int | None = None,
    exponent_bits: int | None = None,
    saturate: bool = False,
    by: str = "auto",
    atol: float = 0.0,
) -> Search:
    """Finds which parts of a function must stay as they are while all others are lowered.

    Parts are named scopes (`jax.named_scope`), each with its backward pass; what stands in none is
    divided by function. Where there are no scopes at all, parts are functions, and the lines of a
    function that is the only one. Lowered is what `jaxkit.emulate` lowers: the results of each
    equation are rounded to the format. All runs are of one compiled program, which is told as an
    input what to lower; callbacks that print do not.

    The set that stays is minimal in this sense: with any one of its parts lowered as well, the
    outputs are off by more than the tolerance. It is found by delta debugging, in the same steps
    each time. How far an output is off is the largest difference from the run in full precision,
    divided by the largest number of that output; of integers the share that differs; infinite where
    a number is not finite, or otherwise so than before. The largest over all outputs counts.

    Ctrl-C ends the search, and the report has the smallest set so far with a finding that says so.

    Example:
        >>> import jax, jax.numpy as jnp, jaxkit
        >>> def variance(x):
        ...     with jax.named_scope("moments"):
        ...         mean, of_squares = x.mean(), (x * x).mean()
        ...     with jax.named_scope("scale"):
        ...         y = jnp.tanh(x) * 2
        ...     return y * (of_squares - mean**2)
        >>> x = jnp.linspace(100.0, 101.0, 64)
        >>> report = jaxkit.search_precision(variance, tolerance=1e-2, dtype="bf16")(x)
        >>> report.data["keep"]
        ('scope=moments', 'unscoped=variance')
        >>> lowered = jaxkit.emulate(variance, dtype="bf16", keep=list(report.data["keep"]))
        >>> bool(jnp.allclose(lowered(x), variance(x), rtol=1e-2))
        True

    Args:
        fun: A function of any pytrees, jitted or not, also a gradient.
        tolerance: How far outputs may be off, relative to the largest number of each.
        dtype: The format, as for `jaxkit.emulate`; `bf16` where nothing is said.
        mantissa_bits: Instead: how many bits follow the leading one.
        exponent_bits: With `mantissa_bits`, those of the exponent.
        saturate: Whether what is too large becomes the largest finite number.
        by: What the parts are: `"scope"`, `"function"`, `"line"`, or `"auto"` as above.
        atol: Differences up to this do not count.

    Returns:
        A function of `fun`'s arguments, which gives a Report: a table of the parts, an `info`
        finding for each that must stay, and as `data["keep"]` what to give `emulate` as `keep`.

    Raises:
        TypeError: `fun` is not callable, or an option is of another type; when called, an argument
            is traced.
        ValueError: An option that makes no sense; when called, a function that has no
            floating-point equation to lower, returns no array, or acts on the world.

    References:
        C. Rubio-Gonzalez et al., Precimonious: tuning assistant for floating-point precision,
        SC 2013: delta debugging over the precision of variables.
    """
    if not callable(fun):
        raise TypeError(f"fun must be a function, got {fun!r} of type {type(fun).__name__}")
    _check_number("tolerance", tolerance)
    _check_number("atol", atol)
    if by not in BY:
        raise ValueError(f"by must be of {', '.join(map(repr, BY))}, got by={by!r}")
    if dtype is None and mantissa_bits is None and exponent_bits is None:
        dtype = "bf16"
    target = format_of(
        dtype, mantissa_bits=mantissa_bits, exponent_bits=exponent_bits, saturate=saturate
    )

    def searched(*args: Any, **kwargs: Any) -> Report:
        program = trace(fun, args, kwargs)
        _check_program(program, name_of(fun))
        return _search(program, name_of(fun), target, float(tolerance), by, float(atol))

    return searched


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        kind = type(value).__name__
        raise TypeError(f"{name} must be a number, got {name}={value!r} of type {kind}")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be 0 or more, and finite, got {name}={value!r}")


def _check_program(program: Program, name: str) -> None:
    for number, value in enumerate(program.inputs):
        if kind_of(type(value)) in ("tracer", "other"):
            argument = number - program.captured
            what = program.arguments[argument] if argument >= 0 else "something it has captured"
            raise TypeError(
                f"search_precision runs {name!r} many times, and needs values, got {value!r} as "
                f"{what}: call it outside of jax.jit, jax.grad and the like, with arrays"
            )
    if not open_jaxpr(program.written).outvars:
        raise ValueError(f"{name!r} returns no array that could be compared")


def _search(
    program: Program, name: str, target: Format, tolerance: float, by: str, atol: float
) -> Report:
    begin = time.perf_counter()
    candidates = candidates_of(program, target)
    if not candidates:
        raise ValueError(
            f"{name!r} has no floating-point equation that {target} would change: "
            "there is nothing to search"
        )
    groups, numbers = groups_of(program, candidates, by, target)
    masked = Masked(program, target, numbers, len(groups), atol)
    found = Assignment(name, target, tolerance, groups)
    with Progress(f"search_precision of {name}") as progress:
        try:
            _narrow_down(masked, groups, found, progress)
            found.complete = True
        except KeyboardInterrupt:
            found.complete = False
    found.runs, found.seconds = masked.runs, time.perf_counter() - begin
    return found.report()


def _narrow_down(
    masked: Masked, groups: list[Group], found: Assignment, progress: Progress
) -> None:
    """Writes into `found` what is known, as soon as it is."""
    everything = range(len(groups))
    for number in everything:
        progress.tell(f"{number} of {len(groups)} parts tried alone")
        found.alone[number] = masked.error([number])

    def error_with(kept: frozenset[int]) -> float:
        progress.tell(f"{len(found.kept)} of {len(groups)} parts stay so far")
        error = masked.error(number for number in everything if number not in kept)
        errors[kept] = error
        return error

    def note(kept: frozenset[int]) -> None:
        found.kept, found.error = kept, errors[kept]

    errors: dict[frozenset[int], float] = {}
    # What does least harm alone is lowered first, the most work first where that is equal.
    order = sorted(everything, key=lambda n: (found.alone[n], -groups[n].flops, n))
    minimal(order, lambda kept: error_with(kept) <= found.tolerance, note)
