"""What a program will do and cost, before it runs: `inspect`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from jaxkit._jax.compiled import donated_inputs
from jaxkit._jax.jaxprs import name_of, trace
from jaxkit.jaxpr.inspection import Inspection, inspection_of
from jaxkit.jaxpr.trips import Key, Trips


class Inspect(Protocol):
    """A function of the inspected function's own arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> Inspection:
        """Traces the function for these arguments; nothing is run."""
        ...


def inspect(
    fun: Callable[..., Any],
    lints: Sequence[str] | None = None,
    trip_counts: int | Mapping[Key, int] | None = None,
) -> Inspect:
    """Says what a function computes, moves and stores, line by line, without running it.

    Unlike the figures of XLA's ``cost_analysis``, those of a loop's body are multiplied by its
    length, and what cannot be counted is listed (`Inspection.uncounted`), not left out.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> def layers(x, w):
      ...     return jax.lax.scan(lambda x, _: (jnp.tanh(x @ w), None), x, length=10)[0]
      >>> f32 = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
      >>> found = inspect(layers)(f32(32, 128), f32(128, 128))
      >>> found.matmul_flops  # 10 x 2 x 32 x 128 x 128
      10485760
      >>> found.primitives["tanh"]
      10

    Args:
      fun: any function of arrays, also one that is jitted or a gradient. A function that is jitted
        keeps its static and donated arguments; `jax.ShapeDtypeStruct` stands for an array of any
        size and costs no memory.
      lints: kinds of findings to look for; None for those that are on by default, an empty list
        for none.
      trip_counts: how often loops turn whose number of turns only the values tell, as those of
        `jax.lax.while_loop`: one number for all of them, or a mapping to numbers from lines
        (``"train.py:41"``, ``41`` or a `jaxkit.SourceLine`), from names of functions or named
        scopes that they stand in, or from paths (``"solve/while"``). Without it one turn is
        counted, and the loop is listed.

    Returns:
      a function of `fun`'s own arguments, which gives an `Inspection`. What `fun` raises while it
      is traced arrives as it is, with a note of what jaxkit was doing.

    Raises:
      TypeError: `fun` is not callable, or an option is of another type.
      ValueError: `trip_counts` is negative; when called, it names a loop that is not there.
    """
    if not callable(fun):
        raise TypeError(f"fun must be a function, got {fun!r} of type {type(fun).__name__}")
    if isinstance(lints, str):
        raise TypeError(f"lints must be a list of kinds, got {lints!r}: lints=[{lints!r}]")
    Trips(trip_counts)

    def inspected(*args: Any, **kwargs: Any) -> Inspection:
        try:
            program = trace(fun, args, kwargs)
            donated = donated_inputs(fun, args, kwargs)
        except Exception as error:
            error.add_note(f"jaxkit.inspect was tracing {name_of(fun)!r}; it was not run")
            raise
        return inspection_of(program, name_of(fun), donated, lints, trip_counts)

    return inspected
