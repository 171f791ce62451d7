"""What a user writes for `jaxkit.jaxpr.interpret`: a rule, asked about each equation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax

from jaxkit._jax import jaxprs
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
      loops: how many loops it stands in.
      outer: the equations that it is nested in, the outermost first.
      jaxprs: the jaxprs that these and it stand in, in the same order.
    """

    eqn: Any
    path: tuple[str, ...]
    where: SourceLine | None
    scope: str
    state: Any
    loops: int = 0
    outer: tuple[Any, ...] = ()
    jaxprs: tuple[Any, ...] = ()

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
      Beside each value, how many equations it took one after the other:

      >>> from functools import reduce
      >>> import jax, jax.numpy as jnp
      >>> from jaxkit.jaxpr import Rule, interpret
      >>> class Counting(Rule):
      ...     def lift(self, value):
      ...         return value, jnp.zeros(jnp.shape(value), jnp.int32)
      ...     def primal(self, box):
      ...         return box[0]
      ...     def equation(self, at, boxes):
      ...         out = at.run([value for value, _ in boxes])
      ...         deepest = reduce(jnp.maximum, [jnp.max(n, initial=0) for _, n in boxes], 0)
      ...         return [(x, jnp.full(jnp.shape(x), deepest + 1, jnp.int32)) for x in out]
      >>> box = interpret(lambda x: jnp.sin(x) * 2 + x, Counting())(1.0)
      >>> int(box[1])  # sin, mul and add, one after the other
      3
    """

    # Primitives that nest, by name, which a rule of jaxkit itself evaluates in another way.
    controls: ClassVar[Mapping[str, Any]] = {}

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

    def turn(self, state: Any, loops: int, *, begins: bool) -> Any:
        """The state when a turn of a loop begins, and once before the first and after the last.

        Args:
          state: the state so far.
          loops: how many loops it stands in, itself included.
          begins: whether a turn begins.
        """
        return state

    def across_devices(self, before: Any, after: Any, axes: tuple[str, ...]) -> Any:
        """One state of those of several devices, with the collectives of `jax.lax` over `axes`.

        Called inside `jax.shard_map`; what it returns must be equal on every device.

        Args:
          before: the state when the devices began, equal on all of them.
          after: the state of this device when it is done.
          axes: names of the axes along which the devices lie.
        """
        # Only the rule knows how its states add up; without a state there is nothing to join.
        if jax.tree.leaves(after):
            raise NotImplementedError(
                f"{type(self).__name__} carries a state into jax.shard_map: "
                "define across_devices(self, before, after, axes) to join those of the devices, "
                "as in `return before + jax.lax.psum(after - before, axes)`"
            )
        return after


@dataclasses.dataclass(frozen=True, slots=True)
class Where:
    """What a jaxpr that is being evaluated is nested in."""

    path: tuple[str, ...] = ()
    line: SourceLine | None = None
    scope: str = ""
    loops: int = 0
    outer: tuple[Any, ...] = ()
    jaxprs: tuple[Any, ...] = ()
