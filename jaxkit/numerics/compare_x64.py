"""`jaxkit.compare_x64`: how far a result is from double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxkit._jax import jaxprs
from jaxkit._jax.values import kind_of
from jaxkit.errors import UsageError
from jaxkit.jaxpr import walk
from jaxkit.numerics._calls import Target
from jaxkit.numerics.comparing.both import both, on_host
from jaxkit.numerics.comparing.compared import Compared, Other, compared, report_of
from jaxkit.numerics.nonfinite.leaves import Place
from jaxkit.numerics.x64 import x64
from jaxkit.report import Report

__all__ = ["compare_x64"]


def compare_x64(
    fun: Callable[..., Any], *, rtol: float | None = None, retrace: bool = False
) -> Callable[..., Report]:
    """Says of each output how far it is from double precision.

    The function is traced once, as the caller has JAX set up, and this one program is evaluated
    twice: in its own precision, as `jax.jit` runs it, and in double precision, with its own
    branches. Integers, random bits and keys are the same in both. So a constant that was rounded
    when it was written into the program is taken as it is; `retrace=True` asks about those.

    `jaxkit.shadow` says which line is to blame; here are figures, also of what is good enough.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> def variance(x):
        ...     return (x**2).mean() - x.mean() ** 2
        >>> report = jaxkit.compare_x64(variance)(jnp.float32([1000, 1001, 1002]))
        >>> report.findings[0].kind
        'inaccurate-output'
        >>> report.data["leaves"][0]["digits"] < 2  # of 7
        True

    Args:
        fun: A function of any pytrees of arrays and numbers; jitted ones keep static arguments.
        rtol: How far an output may be off, relative to its value, before that is a finding. By
            default `eps ** (2/3)` of its dtype: 2.4e-5 for f32, 9.8e-3 for f16, 3.9e-2 for bf16.
            An error that only some of the values have counts for as many as they are: of n values,
            the k with the largest errors may be off by n/k times as much.
        retrace: Whether to run the function a second time, traced anew with 64-bit types on: then
            constants are as exact as they are written, and what depends on the dtype (branches in
            Python, shapes, defaults) shows as a difference. Other random numbers are drawn, and
            effects happen once more.

    Returns:
        A function of `fun`'s arguments that returns a Report. Its findings: `inaccurate-output`
        and `integer-output-differs` (warnings), `non-finite-output` (an error: it is NaN or
        infinite where double precision has a number), and with `retrace` `other-structure` and
        `rounded-constants` (warnings). Its `data["leaves"]` has of each output the largest and the
        median error in units in the last place, the largest relative error, that of the norm, the
        correct decimal digits, and index and values of the worst element. A value that should be
        zero has no relative error: it is compared with the sum of the inputs' magnitudes.

    Raises:
        TypeError: `fun` is not callable.
        ValueError: `rtol` is not positive.
        UsageError: When called with tracers, as inside of `jax.jit`: call it outside, with values.

    References:
        Units in the last place as in N. J. Higham, Accuracy and Stability of Numerical Algorithms,
        2nd ed., SIAM 2002, section 2.1. Asked for in jax-ml/jax#4967, #5271 and #22688.
    """
    if not callable(fun):
        raise TypeError(f"fun must be a function, got {fun!r} of type {type(fun).__name__}")
    if rtol is not None and not rtol > 0:
        raise ValueError(f"rtol must be positive, got rtol={rtol!r}; None chooses by the dtype")

    def comparing(*args: Any, **kwargs: Any) -> Report:
        _refuse_tracers(args, kwargs)
        program = jaxprs.trace(fun, args, kwargs)
        got, exact = both(program)
        scale = _scale(program.inputs)
        flat = jax.tree_util.tree_flatten_with_path(program.results)[0]
        leaves = [
            compared(Place.of(path, aval), mine, other, rtol=rtol, scale=scale)
            for (path, aval), mine, other in zip(flat, got, exact, strict=True)
        ]
        again = _retraced(fun, args, kwargs, program, exact, leaves) if retrace else None
        return report_of(Target.of(fun), leaves, again, rtol=rtol)

    comparing.__name__ = comparing.__qualname__ = "compare_x64"
    return comparing


def _refuse_tracers(args: Any, kwargs: Any) -> None:
    leaves = jax.tree_util.tree_flatten_with_path((args, kwargs))[0]
    for path, leaf in leaves:
        if kind_of(type(leaf)) == "tracer":
            raise UsageError(
                f"compare_x64 needs values, got a tracer at {jax.tree_util.keystr(path)}: it was "
                "called inside of jax.jit, jax.grad or jax.vmap; call it outside, on the function "
                "that they make: jaxkit.compare_x64(jax.grad(f))(x)"
            )


def _scale(inputs: Any) -> float:
    """The sum of the magnitudes of all inputs; 1 where there are none."""
    total = 0.0
    for value in inputs:
        array = np.asarray(value) if _is_float(value) else np.zeros(0)
        wide = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
        total += float(wide[np.isfinite(wide)].sum())
    return total or 1.0


def _is_float(value: Any) -> bool:
    return bool(jax.numpy.issubdtype(jax.typeof(value).dtype, jax.numpy.inexact))


def _retraced(
    fun: Any, args: Any, kwargs: Any, program: Any, exact: Any, leaves: list[Compared]
) -> Other:
    """The same function, traced anew in 64 bits."""
    random = any(
        site.eqn.primitive.name.startswith(("random_", "threefry", "rng_"))
        for site in walk(program.written)
    )
    try:
        out = x64(fun)(*args, **kwargs)
    except Exception as error:  # whatever the user's function raises in 64 bits is the answer
        return Other(failed=f"{type(error).__name__}: {error}", random=random)
    other, structure = jax.tree.flatten(out)
    if structure != jax.tree.structure(program.results):
        return Other(structure=f"{structure}", random=random)
    return Other.of(leaves, exact, [on_host(leaf) for leaf in other], random=random)
