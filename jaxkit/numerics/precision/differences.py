"""What to write in place of a difference of nearly equal numbers, where its terms tell."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.numerics.precision.moments import by_moments
from jaxkit.numerics.precision.ones import with_one
from jaxkit.numerics.precision.pairs import PRODUCTS, of_pair
from jaxkit.numerics.precision.patterns import (
    ADDS,
    Uses,
    alike,
    below,
    constant_of,
    is_one,
    is_projection,
    part,
    square_of,
    terms,
    unsigned,
    whole,
)
from jaxkit.numerics.precision.plan import Node, Tap
from jaxkit.numerics.precision.wide import SUMS

__all__ = ["in_place_of"]


def in_place_of(tap: Tap, uses: Uses) -> str | None:
    """A form in which nothing cancels; None where the terms do not tell of one.

    Args:
        tap: The equation in which they cancel.
        uses: What is computed from each node.
    """
    if tap.primitive in SUMS:
        return _of_sum(tap.node)
    if tap.primitive not in ADDS:
        return None
    found = _of_difference(tap, uses)
    if "jvp(" in tap.scope and (found is None or found == PRODUCTS):
        return _OF_DERIVATIVE
    return found


def _of_difference(tap: Tap, uses: Uses) -> str | None:
    return (
        _of_exponentials(tap.node, uses)
        or with_one(tap, uses)
        or _of_steps(tap.node, uses)
        or by_moments(tap.node)
        or (_of_projection(tap.node) if "transpose(" not in tap.scope else None)
        or _of_running_sums(tap.node)
        or of_pair(tap.node)
        or (_of_recurrence(tap.node) if tap.turns else None)
        or _of_polynomial(tap.node)
    )


def _of_exponentials(node: Node, uses: Uses) -> str | None:
    """exp(x) - 1 - x, also where the last is subtracted later, and exp(x) - 2 + exp(-x)."""
    later = (each for each in uses.get(id(node), ()) if each.name in ADDS)
    texts = (_with_exponential(terms(each)) for each in (node, *later))
    return next((text for text in texts if text), None) or _of_both_signs(terms(node))


def _with_exponential(found: list[tuple[int, Node]]) -> str | None:
    """exp(x) - 1 - x, whatever else is added."""
    for sign, each in found:
        if each.name not in ("exp", "expm1"):
            continue
        one = each.name == "expm1" or any(is_one(x) and s == -sign for s, x in found)
        exponent = terms(each.inputs[0])
        if one and all(_is_among(-sign * s, x, found) for s, x in exponent):
            return (
                "exp(x) - 1 - x is x ** 2 / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5))) for small "
                "x; jnp.expm1(x) - x for others"
            )
    return None


def _of_both_signs(found: list[tuple[int, Node]]) -> str | None:
    powers = [terms(each.inputs[0]) for sign, each in found if sign > 0 and each.name == "exp"]
    less = [constant_of(each) for sign, each in found if sign < 0]
    if len(powers) != 2 or len(found) != 2 + len(less) or None in less:
        return None
    if sum(abs(each) for each in less if each) != 2:
        return None
    first, second = powers
    opposite = len(first) == len(second) and all(_is_among(-s, x, second) for s, x in first)
    return "exp(x) - 2 + exp(-x) is 4 * sinh(x / 2) ** 2" if opposite else None


def _is_among(sign: int, node: Node, found: list[tuple[int, Node]]) -> bool:
    return any(s == sign and alike(node, each) for s, each in found)


def _both(pair: list[Node]) -> Iterator[tuple[Node, Node]]:
    yield pair[0], pair[1]
    yield pair[1], pair[0]


_ORTHOGONALISE = (
    "a vector's part along others is subtracted: use jnp.linalg.qr; done a second time it makes "
    "what is left orthogonal again, but does not bring its digits back"
)


def _of_projection(node: Node) -> str | None:
    pair = terms(node, depth=1)
    opposite = len(pair) == 2 and pair[0][0] != pair[1][0]
    return _ORTHOGONALISE if opposite and any(is_projection(x) for _, x in pair) else None


def _of_sum(node: Node) -> str | None:
    """Terms of both signs that are added up."""
    if node.name in ("reduce_prod", "cumprod", "cumlogsumexp"):
        return None
    if node.name == "dot_general":
        for each in node.inputs:
            each = part(each)
            each = part(each.inputs[0]) if each.name == "div" else each
            if each.name in ADDS and _of_projection(each):
                return _ORTHOGONALISE
    return (
        "terms of both signs add up to much less than the largest: subtract what they have in "
        "common before they are added, or compute and add them in float64"
    )


def _of_running_sums(node: Node) -> str | None:
    """Two elements of one cumulative sum."""
    pair = terms(node, depth=1)
    if len(pair) != 2 or pair[0][0] == pair[1][0]:
        return None
    first, second = (_cumulative(each) for _, each in pair)
    if first is None or first is not second:
        (_, first), (_, second) = pair
        return _ELEMENTS if first is not second and part(first) is part(second) else None
    return (
        "the difference of two elements of a running sum is as exact as the sum, which is large: "
        "add up each window by itself (jnp.convolve, lax.reduce_window, jax.ops.segment_sum), or "
        "take the mean out before jnp.cumsum"
    )


_ELEMENTS = (
    "elements of one array are subtracted that are nearly equal: if it is a running sum, add up "
    "each window by itself; else take out what they have in common before they are computed"
)


def _cumulative(node: Node) -> Node | None:
    node = part(node)
    if node.name == "cumsum":
        return node
    if node.name in ("concatenate", "pad"):
        found = [each for each in map(_cumulative, node.inputs) if each is not None]
        return found[0] if len(found) == 1 else None
    return None


def _of_steps(node: Node, uses: Uses) -> str | None:
    """f(x + h) - f(x) over h."""
    for divisor in _divisors(node, uses, 4):
        for step, second in _steps(divisor):
            if _is_shifted(node, step):
                best = "eps ** (1/4)" if second else "eps ** (1/3)"
                return (
                    "a finite difference: jax.grad or jax.jvp loses no digits; or a larger step, "
                    f"near {best} times the scale of x (eps of its dtype), taken to both sides"
                )
    return None


def _divisors(node: Node, uses: Uses, far: int) -> Iterator[Node]:
    """By what a difference is divided, perhaps after more of its terms were added."""
    for each in uses.get(id(node), ()) if far else ():
        if each.name == "div" and unsigned(each.inputs[0]) is node:
            yield whole(each.inputs[1])
        elif each.name in ADDS:
            yield from _divisors(each, uses, far - 1)


def _steps(divisor: Node) -> Iterator[tuple[Node | float, bool]]:
    """What may be the step h of a divisor h, 2 h or h * h; and whether it is the last."""
    value = constant_of(divisor)
    if value is not None:
        if value > 0:
            yield from ((value, False), (value / 2, False), (value**0.5, True))
        return
    yield divisor, False
    root = square_of(divisor)
    if root is not None:
        yield whole(root), True
    elif divisor.name == "mul":
        for by, step in _both(divisor.inputs):
            if constant_of(by) is not None:
                yield whole(step), False


def _is_shifted(node: Node, step: Node | float) -> bool:
    """Whether the same function was applied to x + h and to x, or to x - h."""
    cone = list(below(node))
    moved = [each for each in cone if each.name in ADDS and each is not node]
    for each in moved:
        for given, other in _both(each.inputs) if len(each.inputs) == 2 else ():
            if not _is_step(other, step):
                continue
            start = part(given)
            others = {id(x) for x in moved if x is not each and _starts_at(x, start)}
            besides = {id(node), id(each), *others}
            here = _functions(cone, {id(each)}, besides)
            there = _functions(cone, {id(start), *others}, besides)
            if here & there:
                return True
    return False


def _starts_at(node: Node, start: Node) -> bool:
    return any(part(each) is start for each in node.inputs)


def _functions(cone: list[Node], nodes: set[int], besides: set[int]) -> set[str]:
    """What is applied to nodes, but for some of it."""
    return {
        each.name
        for each in cone
        if id(each) not in besides and each.eqn is not None and part(each) is each
        if any(id(part(x)) in nodes for x in each.inputs)
    }


def _is_step(node: Node, step: Node | float) -> bool:
    node = part(node)
    if node.name == "scatter":  # jnp.zeros(n).at[i].set(h)
        node = part(node.inputs[2])
    if isinstance(step, float):
        factors = node.inputs if node.name == "mul" else [node]
        values = [value for value in map(constant_of, factors) if value is not None]
        return any(abs(abs(value) - step) <= 1e-3 * step for value in values)
    return node is step or (node.name == "mul" and any(whole(x) is step for x in node.inputs))


_OF_DERIVATIVE = (
    "terms of a derivative cancel here: give the function a rule of its own (`jax.custom_jvp`), or "
    "near the point where they do the first terms of its series; or differentiate another form"
)
_RECURRENCE = (
    "a recurrence over three terms magnifies errors in one direction and not in the other: run it "
    "backward and scale the result (Miller's algorithm), or use a closed form"
)


def _of_polynomial(node: Node) -> str | None:
    """((a x + b) x + c) x + d, in which x is one and the same."""
    x: Node | None = None
    for _ in range(2):
        products = [part(each) for _, each in terms(node, depth=1) if part(each).name == "mul"]
        pairs = [pair for each in products for pair in _both(each.inputs)]
        pairs = [(whole(a), b) for a, b in pairs if x is None or alike(b, x)]
        found = next(((a, b) for a, b in pairs if a.name in ADDS), None)
        if found is None:
            return None
        node, x = found
    return _POLYNOMIAL


_POLYNOMIAL = (
    "a polynomial near one of its roots: write it by its factors, or in powers of x - r with r "
    "near the root, whose coefficients were computed in more digits"
)


def _of_recurrence(node: Node) -> str | None:
    """What a loop carries less a multiple of what it has carried before, or the reverse."""
    pair = terms(node, depth=1)
    if len(pair) != 2 or pair[0][0] == pair[1][0]:
        return None
    (_, first), (_, second) = pair
    for last, product in ((first, second), (second, first)):
        if part(last).name != "carry" or part(product).name != "mul":
            continue
        carried = [part(x) for x in part(product).inputs if part(x).name == "carry"]
        if any(each is not part(last) for each in carried):
            return _RECURRENCE
    return None
