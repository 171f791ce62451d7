"""`jaxkit.shadow`: a function beside itself in double precision, and who loses the digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from jaxkit._jax import jaxprs
from jaxkit.numerics.emulation.selection import items_of
from jaxkit.numerics.precision.kept import Kept
from jaxkit.numerics.precision.report import report_of
from jaxkit.report import Report

__all__ = ["PrecisionReport", "Shadowed", "shadow"]


@dataclass(frozen=True, eq=False)
class PrecisionReport(Report):
    """How far a function is from double precision; its findings are the guilty lines.

    Attributes:
        name: The function's name.
        by_line: For each line of the user's, the share of the output's error that is made there.
    """

    name: str = field(default="", kw_only=True)
    by_line: Any = field(default=None, kw_only=True, repr=False)


class Shadowed(Protocol):
    """A function of the shadowed function's own arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> PrecisionReport:
        """Runs the function and its shadow."""
        ...


def shadow(fun: Callable[..., Any], *, rtol: float | None = None, where: Any = None) -> Shadowed:
    """Says whether a function's results are right, and if not, which line loses the digits.

    The function runs once as `jax.jit` compiles it and once in double precision, in one program.
    Where the outputs agree, that is all. Where they do not, a second program attributes the
    difference to the equations of the function, and the one that is to blame is the first finding;
    of several that do not lead to each other, the one that most of the error comes through.

    Op by op, without `jax.jit`, a function may be further off: XLA may keep float16 in float32
    within a fused loop.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> def versine(x):
        ...     return 1 - jnp.cos(x)
        >>> report = jaxkit.shadow(versine)(1e-4)
        >>> report.findings[0].kind
        'cancellation'

    Args:
        fun: A function of arrays, also one that is jitted, or a gradient.
        rtol: The relative error that is allowed in each output; None for `eps ** (2 / 3)` of the
            coarsest dtype that the output is computed in.
        where: Which equations the error is attributed to, in the forms that `emulate` takes: a
            named scope, a function, a line or several. The outputs are compared as ever; what is
            made elsewhere is not looked at, which takes less memory. None is all.

    Returns:
        A function of `fun`'s own arguments that gives a `PrecisionReport`. Called again with
        arguments of equal shapes and dtypes, it neither traces nor compiles.

    Raises:
        TypeError: `fun` is not callable, or `where` of another type.
        ValueError: `rtol` is negative; when called, something in `where` that matches no equation
            that an output depends on, with what is near.
        UsageError: When called inside of a trace, where there are no values to look at, or where
            an attribution would take more than half of the memory that is free.
    """
    if not callable(fun):
        raise TypeError(f"fun must be a function, got {fun!r} of type {type(fun).__name__}")
    if rtol is not None and not rtol >= 0:
        raise ValueError(f"rtol must be 0 or more, or None, got rtol={rtol!r}")
    kept = Kept(fun, rtol, items_of("where", where))

    def shadowed(*args: Any, **kwargs: Any) -> PrecisionReport:
        analysis, inputs = kept.of(args, kwargs)
        return report_of(analysis, inputs, PrecisionReport)

    shadowed.__name__ = shadowed.__qualname__ = jaxprs.name_of(fun)
    return shadowed
