"""What stands around an event in its program: the pass, the operations of its line, a `where`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from jaxkit._jax import jaxprs
from jaxkit._jax.source import Sources
from jaxkit.jaxpr import Equation
from jaxkit.jaxpr._walk import joined, line_of
from jaxkit.jaxpr.nesting import nested
from jaxkit.numerics.nonfinite.tracing import is_inexact
from jaxkit.report import SourceLine

__all__ = ["STEEP", "Surroundings", "surroundings"]

Phase = Literal["forward", "backward"]
_FAR = 8

# Operations whose derivative is infinite or undefined somewhere where they are not.
STEEP = frozenset({"acos", "asin", "atan2", "cbrt", "eigh", "log", "pow", "rsqrt", "sqrt", "svd"})

# What is infinite in their derivatives, where they are not.
_DERIVED = {
    "acos": ("rsqrt",),
    "asin": ("rsqrt",),
    "atan2": ("div",),
    "cbrt": ("integer_pow", "div"),
    "eigh": ("integer_pow", "div"),
    "pow": ("pow",),
    "sqrt": ("div",),
}


@dataclass(frozen=True)
class Surroundings:
    """What stands around an event.

    Args:
        phase: `backward` for an equation of a derivative, also one that the forward pass evaluates
            for it.
        operations: The primitives of the same line in the forward pass.
        discarded_at: The line of a `where` that discards what the line computes, if there is one.
        derivative_of: The operation of the same line whose derivative in forward mode the equation
            is a part of, if it is infinite somewhere.
    """

    phase: Phase
    operations: frozenset[str]
    discarded_at: SourceLine | None
    derivative_of: str | None = None


@dataclass(frozen=True)
class _Placed:
    """An equation, the jaxpr that it is in, its line and its scope."""

    eqn: Any
    jaxpr: Any
    line: SourceLine | None
    scope: str


def surroundings(written: Any, at: Equation, leaves: Collection[int]) -> Surroundings:
    """Looks around in a program.

    Args:
        written: The program's jaxpr.
        at: The equation of the event.
        leaves: The outputs that it spoils.
    """
    everything = list(_walk(jaxprs.open_jaxpr(written), Sources(), None, "", set()))
    same = [each for each in everything if _same(each.line, at.where)]
    forward = [each for each in same if "transpose(" not in each.scope]
    own = next((each for each in everything if each.eqn is at.eqn), None)
    names = frozenset(each.eqn.primitive.name for each in forward if each.eqn is not at.eqn)
    derivative = "transpose(" in at.scope
    if not derivative and own is not None and "jvp(" in at.scope:
        top = own.jaxpr is jaxprs.open_jaxpr(written)
        derivative = _only_for_derivatives(own, everything, top=top)
    discarded = None
    steep = [each for each in forward if each.eqn.primitive.name in STEEP]
    # In forward mode a `where` chooses between derivatives too: what it discards is gone.
    if "jvp(" in at.scope and any("transpose(" in each.scope for each in everything):
        if own is None or derivative:
            discarded = _discarded(steep or forward)
        elif not _reached(own, everything) & {*leaves}:  # else it is not discarded
            discarded = _discarded([own, *steep])
    of = None
    if "jvp(" in at.scope and not derivative and own is not None:
        of = next((each.eqn.primitive.name for each in steep if _derives(own, each)), None)
    return Surroundings("backward" if derivative else "forward", names, discarded, of)


def _derives(own: _Placed, steep: _Placed) -> bool:
    """Whether an equation is what makes the derivative of another infinite."""
    name = steep.eqn.primitive.name
    if own.jaxpr is not steep.jaxpr or own.eqn.primitive.name not in _DERIVED.get(name, ()):
        return False
    of = own.eqn.invars[1:] if own.eqn.primitive.name == "div" else own.eqn.invars
    if name in ("sqrt", "cbrt"):  # 1 / sqrt(x), and not sqrt(x) / x
        return steep.eqn.outvars[0] in of
    between = _between(steep, own)
    made = {var for eqn in between for var in eqn.outvars}
    if name != "pow" and not made & _variables(of):  # lax.rsqrt(x) beside jnp.arccos(x)
        return False
    by = _variables(of)
    for eqn in reversed(between):
        if by & {*eqn.outvars}:
            by |= _variables(eqn.invars)
    given = steep.eqn.outvars if name == "eigh" else steep.eqn.invars
    return bool(by & _variables(given))


def _variables(atoms: Iterable[Any]) -> set[Any]:
    return {atom for atom in atoms if not jaxprs.is_literal(atom)}


def _between(first: _Placed, last: _Placed) -> list[Any]:
    """The equations between two of one jaxpr."""
    places = {id(eqn): number for number, eqn in enumerate(first.jaxpr.eqns)}
    return list(first.jaxpr.eqns[places[id(first.eqn)] + 1 : places[id(last.eqn)]])


def _same(one: SourceLine | None, other: SourceLine | None) -> bool:
    return (
        one is not None
        and other is not None
        and one.file == other.file
        and (one.line == other.line)
    )


def _walk(
    jaxpr: Any, sources: Sources, outer: SourceLine | None, scope: str, seen: set[int]
) -> Iterator[_Placed]:
    for eqn in jaxpr.eqns:
        line = line_of(sources.of(eqn, jaxpr), outer)
        inner = joined(scope, jaxprs.name_stack(eqn))
        yield _Placed(eqn, jaxpr, line, inner)
        for body in nested(eqn):
            if body.role not in ("combiner", "kernel"):
                yield from _walk(body.jaxpr, sources, line, inner, seen)


def _only_for_derivatives(own: _Placed, everything: list[_Placed], *, top: bool) -> bool:
    """Whether nothing but the backward pass uses what an equation computes, as far as one sees."""
    scopes = {id(each.eqn): each.scope for each in everything}
    returned = {a for a in own.jaxpr.outvars if not jaxprs.is_literal(a)}
    made, used = set(own.eqn.outvars), set[Any]()
    for eqn in own.jaxpr.eqns:
        taken = {a for a in eqn.invars if not jaxprs.is_literal(a) and a in made}
        used |= taken
        if taken and "transpose(" not in scopes.get(id(eqn), ""):
            made |= set(eqn.outvars)
    if not top:  # what a loop gives out may be for the backward pass
        return own.eqn.primitive.name not in STEEP and made == set(own.eqn.outvars) <= returned
    return made == used and not made & returned


def _reached(own: _Placed, everything: list[_Placed]) -> set[int]:
    """The outputs that depend on what an equation computes other than by a backward pass."""
    scopes = {id(each.eqn): each.scope for each in everything}
    callers = {
        id(body.jaxpr): each for each in everything for body in nested(each.eqn) if each is not own
    }
    at, made = own, set(own.eqn.outvars)
    while True:
        after = False
        for eqn in at.jaxpr.eqns:
            taken = after and "transpose(" not in scopes.get(id(eqn), "")
            after = after or eqn is at.eqn
            if taken and made & _variables(eqn.invars):
                made |= {var for var in eqn.outvars if is_inexact(var.aval)}
        places = {i for i, atom in enumerate(at.jaxpr.outvars) if made & _variables([atom])}
        caller = callers.get(id(at.jaxpr))
        if caller is None:
            return places
        outs = caller.eqn.outvars
        at, made = caller, {outs[i] for i in places if i < len(outs)}


def _discarded(line: list[_Placed]) -> SourceLine | None:
    """The line of the first `where` that what a line computes comes to."""
    for each in line:
        if _selects(each.eqn):  # as in the derivative of a maximum
            continue
        found = _followed(each)
        if found is not None:
            return found
    return None


def _followed(start: _Placed) -> SourceLine | None:
    made = {var for var in start.eqn.outvars if is_inexact(var.aval)}
    sources = Sources()
    steps = 0
    after = False
    for eqn in start.jaxpr.eqns:
        if eqn is start.eqn:
            after = True
            continue
        if not after or not any(not jaxprs.is_literal(a) and a in made for a in eqn.invars):
            continue
        if _selects(eqn):
            return line_of(sources.of(eqn, start.jaxpr), start.line)
        steps += 1
        if steps > _FAR or nested(eqn):
            continue
        made |= {var for var in eqn.outvars if is_inexact(var.aval)}
    return None


def _selects(eqn: Any) -> bool:
    """Whether it is a `where`, which JAX traces as a jitted function."""
    if eqn.primitive.name == "select_n":
        return True
    bodies = nested(eqn)
    if len(bodies) != 1 or bodies[0].role != "call" or len(bodies[0].jaxpr.eqns) > 4:
        return False
    return any(inner.primitive.name == "select_n" for inner in bodies[0].jaxpr.eqns)
