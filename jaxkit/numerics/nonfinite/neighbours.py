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
    "is_less_maximum",
    "is_of_determinant",
    "reciprocal_with_one",
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


def reciprocal_with_one(at: Equation) -> int:
    """1 in 1 / (exp(x) + 1), and -1 in 1 / (exp(x) - 1) or 1 / expm1(x); otherwise 0.

    Args:
        at: The equation of the exponential; or that of the derivative of expm1, beside it.
    """
    if any(_is_divided_by(at, eqn) for eqn in _users(at, at.eqn.invars) if _name(eqn) == "expm1"):
        return -1
    for user in _users(at, at.eqn.outvars):
        sign = _beside_one(user)
        if sign and _is_divided_by(at, user):
            return sign
    return 0


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


def _beside_one(eqn: Any) -> int:
    name, numbers = _name(eqn), [_number(atom) for atom in eqn.invars]
    if name == "sub":
        return -1 if 1.0 in numbers else 0
    return next((int(x) for x in numbers if x in (1.0, -1.0)), 0) if name == "add" else 0


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
