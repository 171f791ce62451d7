"""What is wrong with a function of arrays, before it runs: `lint`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

from jaxkit._jax.compiled import donated_inputs
from jaxkit._jax.jaxprs import name_of, trace
from jaxkit.jaxpr.lints.registry import chosen, findings_of
from jaxkit.report import Report


class Lint(Protocol):
    """A function of the linted function's own arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> Report:
        """Traces the function for these arguments; nothing is run."""
        ...


def lint(
    fun: Callable[..., Any],
    select: Collection[str] | None = None,
    ignore: Collection[str] = (),
) -> Lint:
    """Says what is wrong or wasteful in a function, line by line, without running it.

    Unlike a linter of source text it sees what JAX sees: shapes, dtypes, through calls, gradients
    and loops. What is not certain is not reported.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> def loss(logits):
      ...     return -jnp.log(jax.nn.softmax(logits)).mean()
      >>> [found] = lint(loss)(jax.ShapeDtypeStruct((8, 10), jnp.float32)).findings
      >>> found.kind, found.fix
      ('log-of-softmax', 'use jax.nn.log_softmax(x), which never takes the log of 0')

    Args:
      fun: any function of arrays, also one that is jitted or a gradient; one that is jitted keeps
        its static and donated arguments.
      select: the kinds to look for, such as ``["key-reuse"]``; None for those that are on by
        default. docs/lints.md describes them all.
      ignore: kinds to leave out.

    Returns:
      a function of `fun`'s own arguments (arrays, or `jax.ShapeDtypeStruct` in their place), which
      gives a `jaxkit.Report`; its ``data`` has the kinds that were looked for. What `fun` raises
      while it is traced arrives as it is, with a note of what jaxkit was doing.

    Raises:
      TypeError: `fun` is not callable, or `select` is a string.
      UsageError: a kind that there is not.
    """
    if not callable(fun):
        raise TypeError(f"fun must be a function, got {fun!r} of type {type(fun).__name__}")
    kinds = chosen(select, ignore)

    def linted(*args: Any, **kwargs: Any) -> Report:
        try:
            program = trace(fun, args, kwargs)
            donated = donated_inputs(fun, args, kwargs)
        except Exception as error:
            error.add_note(f"jaxkit.lint was tracing {name_of(fun)!r}; it was not run")
            raise
        findings = findings_of(program, kinds, donated=donated)
        return Report("lint", findings, {"function": name_of(fun), "kinds": kinds})

    return linted
