"""The one place that evaluates a program with other meanings for its equations.

An interpreter of a user's own is a `Rule` of a few lines; calls and custom derivatives (`calls`),
loops, branches and several devices (`control`) are handled here, once.
"""

# JAX's own annotations are unknown in part.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxkit._jax import jaxprs
from jaxkit.jaxpr.boxes import as_typed
from jaxkit.jaxpr.rule import Equation, Rule, Where
from jaxkit.jaxpr.run import Run

__all__ = ["Equation", "Rule", "interpret", "with_state"]


def interpret(fun: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    """Evaluates a function with a rule's meaning for each of its equations.

    Each call traces the function, asks the rule once for each equation, and compiles and runs what
    comes of it as one program: also at the top level the rule sees tracers, never values. Whoever
    calls it often writes `jax.jit(interpret(fun, rule))`. With a plain `Rule()` results, dtypes,
    weak types and derivatives are those of `jax.jit(fun)`, to the bit; callbacks run once.

    Entered are calls, loops, branches, `jax.checkpoint`, `jax.shard_map`, functions with custom
    derivatives and linear solves. As one equation each the rule sees callbacks, kernels
    (`pallas_call`, `ffi_call`), `linear_call`, `custom_vmap`, `run_state` and primitives that
    jaxkit does not know. References (`jax.new_ref`) keep arrays: what is read from one is lifted
    anew. Custom derivatives are kept where boxes are the arrays alone and there is no state.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxkit.jaxpr import Rule, interpret
      >>> class Primitives(Rule):
      ...     def equation(self, at, boxes):
      ...         print(at.primitive)
      ...         return super().equation(at, boxes)
      >>> interpret(lambda x: jnp.sin(x) + 1, Primitives())(jnp.float32(0))
      sin
      add
      Array(1., dtype=float32)

    Args:
      fun: the function, jitted or not.
      rule: what to make of arrays and equations.

    Returns:
      a function of the same arguments that returns what `fun` does, with boxes for arrays;
      `with_state` gives the rule's last state as well.

    Raises:
      TypeError: `fun` is not callable, or `rule` is no `Rule`; when called, a loop or a branch
        gets boxes of different forms.
    """
    both = with_state(fun, rule)

    def interpreted(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[0]

    interpreted.__name__ = interpreted.__qualname__ = both.__name__
    return interpreted


def with_state(fun: Callable[..., Any], rule: Rule) -> Callable[..., tuple[Any, Any]]:
    """As `interpret`, but the function returns (result, the rule's last state).

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxkit.jaxpr import Rule, with_state
      >>> class Count(Rule):
      ...     def start(self):
      ...         return 0
      ...     def equation(self, at, boxes):
      ...         at.state += 1
      ...         return super().equation(at, boxes)
      >>> def f(x):
      ...     return jax.lax.while_loop(lambda y: y < 100, lambda y: y * 2, x)
      >>> result, equations = with_state(f, Count())(jnp.float32(1))
      >>> int(equations)  # seven turns of one mul and one lt, and the lt that ended them
      15

    Args:
      fun: the function, jitted or not.
      rule: what to make of arrays and equations.

    Raises:
      TypeError: as `interpret`.
    """
    if not callable(fun):
        raise TypeError(
            f"fun must be a function, got {fun!r} of type {type(fun).__name__}: "
            "interpret(fun, rule)(*args), as with jax.make_jaxpr(fun)(*args)"
        )
    if not isinstance(rule, Rule):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"rule must be a jaxkit.jaxpr.Rule, got {rule!r} of type {type(rule).__name__}: "
            "derive a class from Rule and pass an instance of it"
        )

    def interpreted(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        program = jaxprs.trace(fun, args, kwargs)
        evaluate = _evaluation(program, rule)
        evaluate.__name__ = evaluate.__qualname__ = interpreted.__name__
        return jax.jit(evaluate)(program.inputs)

    interpreted.__name__ = interpreted.__qualname__ = jaxprs.name_of(fun)
    return interpreted


def _evaluation(program: jaxprs.Program, rule: Rule) -> Callable[..., tuple[Any, Any]]:
    """The program with the rule's meaning, as a function of the arrays that enter it."""

    def evaluate(inputs: tuple[Any, ...]) -> tuple[Any, Any]:
        run = Run(rule)
        boxes = [run.lift(value) for value in inputs]
        outs, state = run.closed(program.written, boxes, rule.start(), Where())
        avals = [var.aval for var in jaxprs.open_jaxpr(program.written).outvars]
        typed = [as_typed(out, aval) for out, aval in zip(outs, avals, strict=True)]
        return jax.tree.unflatten(jax.tree.structure(program.results), typed), state

    return evaluate
