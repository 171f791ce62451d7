"""What an equation is made of and what is made of it, within the jaxpr that it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxkit._jax import jaxprs
from jaxkit.jaxpr import Equation

__all__ = [
    "adds_zero",
    "constant_factor",
    "depends_on_carry",
    "is_difference",
    "is_less_maximum",
    "is_of_determinant",
    "quotient_with",
]

_KEEPS = frozenset(
    "broadcast_in_dim reshape squeeze expand_dims copy copy_p stop_gradient optimization_barrier "
    "convert_element_type reduce_precision transpose slice pbroadcast pvary".split()
)
_CHOOSES = _KEEPS | {"select_n", "jit", "pjit", "is_finite"}
_MAXIMA = frozenset({"reduce_max", "max", "pmax", "cummax", "argmax"})
_FAR = 12


def is_less_maximum(at: Equation) -> bool:
    """Whether its operand is a difference with a maximum.

    Args:
        at: The equation.
    """
    made = _made(at)
    eqn = _before(made, at.eqn.invars[0])
    if eqn is None or _name(eqn) != "sub":
        return False
    stack = [eqn.invars[1]]
    for _ in range(_FAR):
        if not stack:
            break
        eqn = _maker(made, stack.pop())
        if eqn is not None and _name(eqn) in _MAXIMA:
            return True
        if eqn is not None and _name(eqn) in _CHOOSES:
            stack += eqn.invars
    return False


def is_of_determinant(at: Equation) -> bool:
    """Whether it stands in `jnp.linalg.det`, or takes what `jnp.linalg.slogdet` returns.

    Args:
        at: The equation.
    """
    made = _made(at)
    before = (_before(made, atom) for atom in at.eqn.invars)
    given = [eqn.params.get("name") for eqn in before if eqn is not None]
    return "det" in at.path or "slogdet" in given


def quotient_with(at: Equation) -> str | None:
    """What an exponential stands in, if it is a quotient of a known form.

    Args:
        at: The equation of the exponential; or that of the derivative of expm1, beside it.

    Returns:
        `1/(exp+1)` and `1/(exp-1)`, whatever stands above, if it has no such exponential; `tanh`,
        `tanh/2` (of half of the exponent), `coth/2`, `exp/(exp+1)`, `exp/(exp-1)`; or None.
    """
    made = _made(at)
    if any(_is_divided_by(at, eqn) for eqn in _users(at, at.eqn.invars) if _name(eqn) == "expm1"):
        return "1/(exp-1)"
    form = _form(made, at.eqn.invars[0])[1]
    for above, under in _quotients(at):
        divided = {} if above is None else _exponentials(made, above)
        by = _exponentials(made, under)
        sign = 1 if (1, form) in by else -1
        found = _QUOTIENTS.get((_shape(divided, sign, form), _shape(by, sign, form)))
        if found is not None:
            return found
    return None


def _quotients(at: Equation) -> Iterator[tuple[Any, Any]]:
    """The quotients that its result stands in, or a sum with it: both operands; None for a 1."""
    for value in (at.eqn.outvars[0], *_sums_of(at)):
        for user in _users(at, [value]):
            if _name(user) == "div":
                yield tuple(user.invars)
            elif _name(user) == "integer_pow" and user.params["y"] < 0:
                yield None, value


# Of what is divided and by what: the factors of exp(x), of exp(-x) and of 1.
_Shape = tuple[float, float, float]
_QUOTIENTS: dict[tuple[_Shape | None, _Shape | None], str] = {
    ((0, 0, 0), (1, 0, 1)): "1/(exp+1)",
    ((0, 0, 0), (1, 0, -1)): "1/(exp-1)",
    ((1, 0, 0), (1, 0, 1)): "exp/(exp+1)",
    ((1, 0, 0), (1, 0, -1)): "exp/(exp-1)",
    ((1, 0, -1), (1, 0, 1)): "tanh/2",
    ((1, 0, 1), (1, 0, -1)): "coth/2",
    ((1, -1, 0), (1, 1, 0)): "tanh",
}


def _shape(found: dict[Any, float], sign: int, form: Any) -> _Shape | None:
    """The factors; those of 1 count only beside an exponential. None if there are others."""
    this, other = (sign, form), (-sign, form)
    if not found.get(this) and not found.get(other):
        return (0, 0, 0)
    if any(key not in (this, other, 1) for key in found):
        return None
    return found.get(this, 0), found.get(other, 0), found.get(1, 0)


def _sums_of(at: Equation) -> Iterator[Any]:
    """What it is added to, and what that is added to."""
    for user in _users(at, at.eqn.outvars):
        if _name(user) in ("add", "sub"):
            yield user.outvars[0]
            sums = (x for x in _users(at, user.outvars) if _name(x) in ("add", "sub"))
            yield from (x.outvars[0] for x in sums)


def _exponentials(
    made: dict[Any, Any], atom: Any, sign: float = 1, depth: int = 4
) -> dict[Any, float]:
    """What is added up: factors, by sign and form of exponents, by 1, and by others' identity."""
    number, eqn = _number(atom), _before(made, atom)
    if number is not None:
        return {1: sign * number}
    if eqn is None or not depth:
        return {id(atom): sign}
    name = _name(eqn)
    if name in ("exp", "expm1"):
        found = {_form(made, eqn.invars[0]): sign}
        return found if name == "exp" else {**found, 1: -sign}
    if name == "neg":
        return _exponentials(made, eqn.invars[0], -sign, depth - 1)
    if name in ("add", "sub"):
        found = _exponentials(made, eqn.invars[0], sign, depth - 1)
        other = -sign if name == "sub" else sign
        second = _exponentials(made, eqn.invars[1], other, depth - 1)
        return {key: found.get(key, 0) + second.get(key, 0) for key in {*found, *second}}
    return {id(atom): sign}


def _form(made: dict[Any, Any], atom: Any, depth: int = 4) -> tuple[float, Any]:
    """The sign of a value, and how it is computed: equal for equal values, often."""
    number, eqn = _number(atom), _before(made, atom)
    if number is not None:
        return (-1 if number < 0 else 1), abs(number)
    if eqn is None or not depth:
        return 1, id(atom)
    if _name(eqn) == "neg":
        sign, form = _form(made, eqn.invars[0], depth - 1)
        return -sign, form
    parts = [_form(made, each, depth - 1) for each in eqn.invars]
    if _name(eqn) in ("mul", "div"):
        sign = 1
        for each, _ in parts:
            sign *= each
        return sign, (_name(eqn), *(form for _, form in parts))
    return 1, (_name(eqn), str(eqn.params), *parts)


def is_difference(atom: Any, at: Equation) -> bool:
    """Whether an operand of an equation is a difference of two values.

    Args:
        atom: The operand.
        at: The equation.
    """
    eqn = _before(_made(at), atom)
    return eqn is not None and _name(eqn) == "sub"


def adds_zero(at: Equation) -> bool:
    """Whether one of its operands is a sum with a constant that is zero.

    Args:
        at: The equation.
    """
    made = _made(at)
    sums = (_before(made, atom) for atom in at.eqn.invars)
    return any(
        eqn is not None and _name(eqn) == "add" and 0.0 in map(_number, eqn.invars) for eqn in sums
    )


def constant_factor(at: Equation) -> float | None:
    """The constant that a product has as a factor.

    Args:
        at: The equation.
    """
    if _name(at.eqn) != "mul":
        return None
    return next((x for x in map(_number, at.eqn.invars) if x is not None), None)


def depends_on_carry(at: Equation) -> bool:
    """Whether it is computed from what the innermost loop around it carries.

    Args:
        at: The equation.
    """
    needed = {atom for atom in at.eqn.invars if not jaxprs.is_literal(atom)}
    for outer, jaxpr in zip(reversed(at.outer), reversed(at.jaxprs), strict=False):
        needed = _needed(jaxpr, needed)
        places = [i for i, var in enumerate(jaxpr.invars) if var in needed]
        name = _name(outer)
        if name in ("scan", "while"):
            return any(_is_carried(outer, place) for place in places)
        given = outer.invars[1:] if name == "cond" else outer.invars
        if len(given) != len(jaxpr.invars):
            return False
        needed = {given[i] for i in places if not jaxprs.is_literal(given[i])}
    return False


def _is_carried(loop: Any, place: int) -> bool:
    if _name(loop) == "while":
        return place >= loop.params["body_nconsts"]
    parts = jaxprs.scan_parts(loop)
    return parts.constants <= place < parts.constants + parts.carry


def _needed(jaxpr: Any, needed: set[Any]) -> set[Any]:
    """With everything that it is computed from."""
    for eqn in reversed(jaxpr.eqns):
        if needed & {*eqn.outvars}:
            needed = needed | {atom for atom in eqn.invars if not jaxprs.is_literal(atom)}
    return needed


def _made(at: Equation) -> dict[Any, Any]:
    return {var: eqn for eqn in at.jaxprs[-1].eqns for var in eqn.outvars}


def _maker(made: dict[Any, Any], atom: Any) -> Any:
    return None if jaxprs.is_literal(atom) else made.get(atom)


def _before(made: dict[Any, Any], atom: Any) -> Any:
    """The equation that makes a value, whatever has been moved since."""
    eqn = _maker(made, atom)
    for _ in range(_FAR):
        if eqn is None or _name(eqn) not in _KEEPS:
            break
        eqn = _maker(made, eqn.invars[0])
    return eqn


def _users(at: Equation, variables: Any) -> Iterator[Any]:
    for eqn in at.jaxprs[-1].eqns:
        if any(not jaxprs.is_literal(atom) and atom in variables for atom in eqn.invars):
            yield eqn


def _number(atom: Any) -> float | None:
    if not jaxprs.is_literal(atom) or getattr(atom.val, "size", 1) != 1:
        return None
    value = np.asarray(atom.val)
    return None if value.imag.any() else float(value.real)


def _is_divided_by(at: Equation, eqn: Any) -> bool:
    [result] = eqn.outvars
    return any(
        user.params["y"] < 0
        if _name(user) == "integer_pow"
        else _name(user) == "div" and user.invars[1] is result
        for user in _users(at, [result])
    )


def _name(eqn: Any) -> str:
    return eqn.primitive.name
