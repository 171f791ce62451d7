"""The one place that evaluates a program with other meanings for its equations.

An interpreter of a user's own is a `Rule` of a few lines; loops, branches, calls, custom
derivatives and several devices are handled here, once (`control`).
"""

# JAX's own annotations are unknown in part.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxkit._jax import jaxprs
from jaxkit._jax.source import Sources
from jaxkit.jaxpr.walk import joined, line_of
from jaxkit.report import SourceLine


@dataclasses.dataclass(slots=True)
class Equation:
    """An equation that is about to be evaluated.

    Attributes:
      eqn: the equation, of JAX's own type.
      path: names of what it is nested in, the outermost first.
      where: the user's line.
      scope: the named scopes around it.
      state: what the rule carries from equation to equation, through loops and branches; assign
        to it to change it.
    """

    eqn: Any
    path: tuple[str, ...]
    where: SourceLine | None
    scope: str
    state: Any

    @property
    def primitive(self) -> str:
        """The name of its primitive."""
        return self.eqn.primitive.name

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of its primitive."""
        return self.eqn.params

    def run(self, operands: Sequence[Any]) -> list[Any]:
        """Evaluates it on arrays, as JAX would."""
        return jaxprs.bind(self.eqn, operands)


class Rule:
    """What an interpreter makes of arrays and equations. As it is: nothing else than JAX does.

    A *box* is what stands for an array: any pytree of arrays. Its form may depend on the shape and
    dtype of the array that it stands for and on nothing else, and each of its leaves has the
    array's shape, so that loops can carry and slice it.

    Example:
      Beside each value, a bound of its rounding error so far, in units in the last place:

      >>> import jax, jax.numpy as jnp
      >>> class Counting(Rule):
      ...     def lift(self, value):
      ...         return value, jnp.zeros(jnp.shape(value), jnp.int32)
      ...     def primal(self, box):
      ...         return box[0]
      ...     def equation(self, at, boxes):
      ...         out = at.run([value for value, _ in boxes])
      ...         deepest = max((jnp.max(n, initial=0) for _, n in boxes), default=0)
      ...         return [(x, jnp.full(jnp.shape(x), deepest + 1, jnp.int32)) for x in out]
      >>> box = interpret(lambda x: jnp.sin(x) * 2 + x, Counting())(1.0)
      >>> int(box[1])  # sin, mul and add, one after the other
      3
    """

    def lift(self, value: Any) -> Any:
        """The box of an array that enters: an argument or a constant."""
        return value

    def primal(self, box: Any) -> Any:
        """The array that a box stands for."""
        return box

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        """The boxes of an equation's results.

        Args:
          at: the equation, and where it stands.
          boxes: those of its operands.
        """
        return at.run([self.primal(box) for box in boxes])

    def start(self) -> Any:
        """The state before the first equation: a pytree of arrays, nothing where there is none."""
        return ()

    def across_devices(self, state: Any, axes: tuple[str, ...]) -> Any:
        """One state of those of several devices, with the collectives of `jax.lax` over `axes`.

        Called inside `jax.shard_map`; what it returns must be equal on every device.
        """
        if jax.tree.leaves(state):
            raise NotImplementedError(
                f"{type(self).__name__} carries a state into jax.shard_map: "
                "define across_devices(self, state, axes) to join it, as with jax.lax.pmax"
            )
        return state


def interpret(fun: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    """Evaluates a function with a rule's meaning for each of its equations.

    The result can itself be jitted, and usually is: `jax.jit(interpret(fun, rule))`.

    Example:
      >>> import jax.numpy as jnp
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
      TypeError: `fun` is not callable, or `rule` is no `Rule`.
    """
    both = with_state(fun, rule)

    def interpreted(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[0]

    return interpreted


def with_state(fun: Callable[..., Any], rule: Rule) -> Callable[..., tuple[Any, Any]]:
    """As `interpret`, but the function returns (result, the rule's last state).

    Args:
      fun: the function, jitted or not.
      rule: what to make of arrays and equations.
    """
    if not callable(fun):
        raise TypeError(f"fun must be a function, got {fun!r} of type {type(fun).__name__}")
    if not isinstance(rule, Rule):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"rule must be a jaxkit.jaxpr.Rule, got {rule!r} of type {type(rule).__name__}"
        )

    def interpreted(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        program = jaxprs.trace(fun, args, kwargs)
        run = Run(rule)
        inputs = [rule.lift(value) for value in jaxprs.inputs(fun, args, kwargs)]
        where = Where((), None, "")
        outs, state = run.closed(program.lowered, inputs, rule.start(), where)
        return jax.tree.unflatten(jax.tree.structure(program.results), outs), state

    return interpreted


@dataclasses.dataclass(frozen=True, slots=True)
class Where:
    """What a jaxpr that is being evaluated is nested in."""

    path: tuple[str, ...]
    line: SourceLine | None
    scope: str

    def inside(self, name: str, line: SourceLine | None, scope: str) -> Where:
        """Of a jaxpr inside an equation here."""
        return Where((*self.path, name), line, scope)


class Run:
    """One evaluation of a program."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._sources = Sources()

    def closed(
        self, closed: Any, boxes: Sequence[Any], state: Any, where: Where
    ) -> tuple[list[Any], Any]:
        """Evaluates a closed jaxpr on boxes."""
        fixed = [self.lift(value) for value in jaxprs.constants(closed)]
        return self.open(jaxprs.open_jaxpr(closed), fixed, boxes, state, where)

    def open(
        self, jaxpr: Any, fixed: Sequence[Any], boxes: Sequence[Any], state: Any, where: Where
    ) -> tuple[list[Any], Any]:
        """Evaluates a jaxpr on boxes of its constants and of its inputs."""
        from jaxkit.jaxpr.control import CONTROL

        variables = [*jaxpr.constvars, *jaxpr.invars]
        env: dict[Any, Any] = dict(zip(variables, [*fixed, *boxes], strict=True))

        def read(atom: Any) -> Any:
            return self.lift(atom.val) if jaxprs.is_literal(atom) else env[atom]

        last = _last_uses(jaxpr)
        for index, eqn in enumerate(jaxpr.eqns):
            at = Equation(
                eqn,
                where.path,
                line_of(self._sources.of(eqn), where.line),
                joined(where.scope, jaxprs.name_stack(eqn)),
                state,
            )
            operands = [read(atom) for atom in eqn.invars]
            control = CONTROL.get(eqn.primitive.name)
            if control is not None:
                outs = control(self, at, operands)
            elif all(jaxprs.is_array_type(v.aval) for v in (*eqn.invars, *eqn.outvars)):
                outs = self._checked(at, self.rule.equation(at, operands))
            else:  # references and tokens are no arrays, and have no boxes
                outs = self.plain(at, operands)
            state = at.state
            env.update(zip(eqn.outvars, outs, strict=True))
            for var in last.get(index, ()):
                del env[var]
        return [read(atom) for atom in jaxpr.outvars], state

    def lift(self, value: Any) -> Any:
        """The box of an array; anything else as it is."""
        return self.rule.lift(value) if jaxprs.is_array_type(jax.typeof(value)) else value

    def plain(self, at: Equation, operands: Sequence[Any]) -> list[Any]:
        """Evaluates an equation on the arrays alone, and boxes what comes out."""
        arrays = [
            self.rule.primal(box) if jaxprs.is_array_type(atom.aval) else box
            for atom, box in zip(at.eqn.invars, operands, strict=True)
        ]
        return [self.lift(value) for value in at.run(arrays)]

    def _checked(self, at: Equation, outs: Sequence[Any]) -> Sequence[Any]:
        if len(outs) != len(at.eqn.outvars):
            raise ValueError(
                f"{type(self.rule).__name__}.equation must return {len(at.eqn.outvars)} boxes for "
                f"{at.primitive!r}, one a result, got {len(outs)}"
            )
        return outs


def _last_uses(jaxpr: Any) -> dict[int, list[Any]]:
    """After which equation a variable is not needed, so that no array is kept for longer."""
    last: dict[Any, int] = {}
    for index, eqn in enumerate(jaxpr.eqns):
        for atom in (*eqn.invars, *eqn.outvars):
            if not jaxprs.is_literal(atom):
                last[atom] = index
    for atom in jaxpr.outvars:
        if not jaxprs.is_literal(atom):
            last.pop(atom, None)
    found: dict[int, list[Any]] = {}
    for var, index in last.items():
        found.setdefault(index, []).append(var)
    return found
