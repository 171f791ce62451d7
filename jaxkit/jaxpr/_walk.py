"""The one place that goes through a program: equation by equation, or folded inside out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from jaxkit._jax.jaxprs import name_stack, open_jaxpr
from jaxkit._jax.source import Frame, Sources
from jaxkit.jaxpr.nesting import Nested, Role, nested
from jaxkit.report import SourceLine

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Multiplicity:
    """How often a site runs when the program runs once.

    Attributes:
      count: exactly so often, where `unknown` is 0 and it stands in no branch; unknown loops
        count as one turn.
      unknown: how many loops around it run for a number of turns that only the values tell.
      branches: of how many alternatives each enclosing branch is one; 1 where there are none.
      devices: on how many devices at once, each on a part of the data.
    """

    count: int = 1
    unknown: int = 0
    branches: int = 1
    devices: int = 1

    @property
    def exact(self) -> bool:
        """Whether `count` is exactly how often it runs."""
        return not self.unknown and self.branches == 1

    def inside(self, body: Nested) -> Multiplicity:
        """That of what stands in a nested jaxpr."""
        return Multiplicity(
            self.count * (1 if body.count is None else body.count),
            self.unknown + (body.count is None),
            self.branches * body.branches,
            self.devices * body.devices,
        )

    def __str__(self) -> str:
        """``3``, ``at least 3``, ``3 or 0``, ``3 on each of 4 devices``."""
        text = f"at least {self.count}" if self.unknown else str(self.count)
        if self.branches > 1:
            text = f"{text} or 0"
        return f"{text} on each of {self.devices} devices" if self.devices > 1 else text


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """An equation where it stands.

    Attributes:
      eqn: the equation, of JAX's own type.
      path: names of what it is nested in, the outermost first.
      multiplicity: how often it runs when the program runs once.
      role: what the innermost enclosing equation does with the jaxpr that it stands in.
      where: the user's line, of the nearest enclosing equation that has one.
      scope: the named scopes around it, joined by ``/``.
    """

    eqn: Any
    path: tuple[str, ...]
    multiplicity: Multiplicity
    role: Role
    where: SourceLine | None
    scope: str

    @property
    def depth(self) -> int:
        """How many jaxprs it is nested in."""
        return len(self.path)

    @property
    def primitive(self) -> str:
        """The name of its primitive."""
        return self.eqn.primitive.name


def walk(jaxpr: Any, *, combiners: bool = False) -> Iterator[Site]:
    """Every equation of a program, those of nested jaxprs after the one that holds them.

    A jaxpr that is held by several equations is gone through each time, with another path: for
    sums over large programs use `fold`, which looks at each jaxpr once.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> def f(x):
      ...     return jax.lax.fori_loop(0, 5, lambda i, y: jnp.sin(y), x)
      >>> for site in walk(jax.make_jaxpr(f)(1.0)):
      ...     print(site.primitive, site.path, site.multiplicity)
      scan () 1
      add ('scan',) 5
      sin ('scan',) 5

    Args:
      jaxpr: a jaxpr, closed or not, as `jax.make_jaxpr` or ``jax.jit(f).trace(...).jaxpr`` give.
      combiners: whether to enter the functions of two elements inside reductions and scatters.

    Yields:
      a `Site` for each equation.

    Raises:
      TypeError: it is no jaxpr.
    """
    start = _checked(jaxpr)
    sources = Sources()
    top = _Body(start, iter(start.eqns), (), Multiplicity(), "call", None, "")
    stack = [top]
    while stack:
        body = stack[-1]
        eqn = next(body.eqns, None)
        if eqn is None:
            stack.pop()
            continue
        site = Site(
            eqn,
            body.path,
            body.multiplicity,
            body.role,
            line_of(sources.of(eqn, body.jaxpr), body.where),
            joined(body.scope, name_stack(eqn)),
        )
        yield site
        for inner in reversed(nested(eqn)):
            if inner.role == "combiner" and not combiners:
                continue
            stack.append(
                _Body(
                    inner.jaxpr,
                    iter(inner.jaxpr.eqns),
                    (*body.path, inner.name),
                    body.multiplicity.inside(inner),
                    inner.role,
                    site.where,
                    site.scope,
                )
            )


@dataclasses.dataclass(slots=True)
class _Body:
    """A jaxpr that is being gone through."""

    jaxpr: Any
    eqns: Iterator[Any]
    path: tuple[str, ...]
    multiplicity: Multiplicity
    role: Role
    where: SourceLine | None
    scope: str


def fold(
    jaxpr: Any,
    equation: Callable[[Any, list[tuple[Nested, T]]], T],
    body: Callable[[Any, list[T]], T],
) -> T:
    """A value of a program, made of those of its equations, each jaxpr looked at once.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> count = lambda eqn, inside: 1 + sum(n for _, n in inside)
      >>> fold(jax.make_jaxpr(jnp.linalg.norm)(jnp.ones(3)), count, lambda jaxpr, ns: sum(ns)) > 3
      True

    Args:
      jaxpr: a jaxpr, closed or not.
      equation: the value of an equation, given those of the jaxprs that it holds (combiners
        included).
      body: the value of a jaxpr, given those of its equations in their order.

    Returns:
      the value of `jaxpr`. Time is linear in the number of equations, however often a jaxpr is
      held; nothing recurses, so that no depth is too great.

    Raises:
      TypeError: it is no jaxpr.
    """
    start = _checked(jaxpr)
    done: dict[int, T] = {}
    stack: list[Any] = [start]
    inside: dict[int, list[list[Nested]]] = {}
    while stack:
        current = stack[-1]
        if id(current) in done:
            stack.pop()
            continue
        if id(current) not in inside:
            inside[id(current)] = [nested(eqn) for eqn in current.eqns]
            stack.extend(
                each.jaxpr
                for held in inside[id(current)]
                for each in held
                if id(each.jaxpr) not in done
            )
            continue
        values = [
            equation(eqn, [(each, done[id(each.jaxpr)]) for each in held])
            for eqn, held in zip(current.eqns, inside[id(current)], strict=True)
        ]
        done[id(current)] = body(current, values)
        stack.pop()
    return done[id(start)]


def line_of(
    found: tuple[Frame | None, Frame | None], outer: SourceLine | None
) -> SourceLine | None:
    """The line to blame: the user's own, else that of the enclosing equation, else a library's."""
    user, library = found
    if user is not None:
        return SourceLine(user.file, user.line, user.column or None, user.function)
    if outer is not None or library is None:
        return outer
    return SourceLine(library.file, library.line, library.column or None, library.function)


def joined(outer: str, inner: str) -> str:
    """Named scopes, one inside the other."""
    return f"{outer}/{inner}" if outer and inner else outer or inner


def _checked(jaxpr: Any) -> Any:
    found = open_jaxpr(jaxpr)
    if not hasattr(found, "eqns"):
        raise TypeError(
            f"jaxpr must be a jaxpr, got {type(jaxpr).__name__}: "
            "jax.make_jaxpr(fun)(*args) gives one"
        )
    return found
