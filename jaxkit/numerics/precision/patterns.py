"""What a value is made of: sums of squares, running sums, projections, shifted arguments."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxkit.numerics.precision.plan import Node, Tap
from jaxkit.numerics.precision.wide import is_float

__all__ = [
    "ADDS",
    "Uses",
    "adds_to_carry",
    "alike",
    "below",
    "beside_one",
    "constant_of",
    "is_exact",
    "is_one",
    "is_projection",
    "is_running_sum",
    "is_sum",
    "is_sum_of_squares",
    "one_and",
    "part",
    "products_of",
    "square_of",
    "squares_of",
    "summed_in",
    "terms",
    "unsigned",
    "uses_of",
    "whole",
]

ADDS = ("add", "sub", "add_any")
# By the identity of a node, those that are computed from it.
Uses = Mapping[int, Sequence[Node]]

_KEEPS = frozenset(
    "broadcast_in_dim reshape squeeze expand_dims copy copy_p stop_gradient optimization_barrier "
    "convert_element_type reduce_precision real pbroadcast pvary".split()
)
_TURNS = _KEEPS | {"transpose", "rev", "conj"}
_PICKS = _TURNS | {"slice", "dynamic_slice", "gather", "split", "imag", "psum", "all_gather"}
_ROUNDS = ("psum", "reduce_precision")
_LIMITS = ("max", "min")
_FAR, _MANY = 20, 300


def _stripped(node: Node, names: frozenset[str] | set[str]) -> Node:
    for _ in range(_FAR):
        if node.name not in names or not node.inputs:
            break
        node = node.inputs[0]
    return node


def whole(node: Node) -> Node:
    """A value before it was reshaped, broadcast or converted."""
    return _stripped(node, _KEEPS)


def part(node: Node) -> Node:
    """A value before some elements of it were taken, or it was limited by a constant."""
    for _ in range(_FAR):
        node = _stripped(node, _PICKS)
        inner = _unlimited(node)
        if inner is None:
            break
        node = inner
    return node


def unsigned(node: Node) -> Node:
    """The same before its sign was changed."""
    node = part(node)
    return unsigned(node.inputs[0]) if node.name == "neg" else node


def _unlimited(node: Node) -> Node | None:
    if node.name not in _LIMITS or len(node.inputs) != 2:
        return None
    rest = [each for each in node.inputs if whole(each).name != "constant"]
    return rest[0] if len(rest) == 1 else None


def constant_of(node: Node) -> float | None:
    """The one number that a constant consists of."""
    node = whole(node)
    if node.name != "constant" or getattr(node.value, "size", 1) > _MANY:
        return None
    try:
        value = np.asarray(node.value)
        if value.imag.any():
            return None
        numbers = value.real.astype(float).ravel()
    except (TypeError, ValueError):
        return None
    return float(numbers[0]) if numbers.size and bool(np.all(numbers == numbers[0])) else None


def is_one(node: Node) -> bool:
    """Whether it is the constant 1 or -1."""
    value = constant_of(node)
    return value is not None and abs(value) == 1


def is_exact(node: Node) -> bool:
    """Whether it is an input or a constant, perhaps moved: rounded by nothing in the program."""
    for _ in range(_FAR):
        inner = _unlimited(node)
        if node.name in _ROUNDS or _is_narrowed(node):
            return False
        if inner is not None:
            node = inner
        elif node.name in _PICKS or node.name == "neg":
            node = node.inputs[0]
        else:
            break
    return node.name in ("input", "constant")


def _is_narrowed(node: Node) -> bool:
    if node.name != "convert_element_type":
        return False
    before, after = node.eqn.invars[0].aval, node.eqn.outvars[0].aval
    if not (is_float(before) and is_float(after)):
        return False
    return float(jnp.finfo(after.dtype).eps) > float(jnp.finfo(before.dtype).eps)


def alike(one: Node, other: Node, depth: int = 4) -> bool:
    """Whether two values are one, or computed in the same way from the same."""
    one, other = whole(one), whole(other)
    if one is other:  # the results of one equation have one node
        return one.eqn is None or len(one.eqn.outvars) == 1
    if one.name == "constant":
        value = constant_of(one)
        return value is not None and value == constant_of(other)
    if one.eqn is None or other.eqn is None or one.name != other.name or not depth:
        return False
    if len(one.inputs) != len(other.inputs) or str(one.eqn.params) != str(other.eqn.params):
        return False
    pairs = zip(one.inputs, other.inputs, strict=True)
    return all(alike(a, b, depth - 1) for a, b in pairs)


def terms(node: Node, sign: int = 1, *, depth: int = 5, scaled: bool = False) -> list[Any]:
    """What is added up to a value: pairs of a sign and a node.

    Args:
        node: The value.
        sign: Its own.
        depth: How many additions are opened.
        scaled: Whether constant factors are of no interest.
    """
    node = whole(node)
    if node.name == "neg":
        return terms(node.inputs[0], -sign, depth=depth, scaled=scaled)
    if node.name in ADDS and depth and len(node.inputs) == 2:
        second = -sign if node.name == "sub" else sign
        left, right = node.inputs
        return [
            *terms(left, sign, depth=depth - 1, scaled=scaled),
            *terms(right, second, depth=depth - 1, scaled=scaled),
        ]
    value = constant_of(node)
    if value is not None:
        return [(-sign if value < 0 else sign, node)]
    if scaled and node.name in ("mul", "div") and len(node.inputs) == 2:
        for factor, other in (node.inputs, node.inputs[::-1])[: 2 if node.name == "mul" else 1]:
            by = constant_of(other)
            if by is not None:
                return terms(factor, -sign if by < 0 else sign, depth=depth, scaled=True)
    return [(sign, node)]


def _factors(node: Node) -> list[Node]:
    """The factors of a product, without those it is divided by."""
    inner = part(node)
    if inner.name == "div":
        return _factors(inner.inputs[0])
    if inner.name == "mul":
        return [each for factor in inner.inputs for each in _factors(factor)]
    return [whole(node)]


def beside_one(node: Node) -> tuple[int, Node, int] | None:
    """The sign of what stands beside a one, what it is, and the sign of the one."""
    pair = terms(node, depth=1)
    ones = [sign for sign, each in pair if is_one(each)]
    others = [(sign, each) for sign, each in pair if not is_one(each)]
    if len(ones) != 1 or len(others) != 1:
        return None
    return (*others[0], ones[0])


def one_and(node: Node) -> int:
    """The sign of x in 1 + x or 1 - x; 0 for anything else.

    Args:
        node: The value.
    """
    found = beside_one(part(node))
    return found[0] if found is not None and found[2] > 0 else 0


def square_of(node: Node) -> Node | None:
    """What a value is the square of."""
    node = part(node)
    if node.name == "square":
        return part(node.inputs[0])
    if node.name == "integer_pow" and node.eqn.params["y"] == 2:
        return part(node.inputs[0])
    if node.name == "pow" and constant_of(node.inputs[1]) == 2:
        return part(node.inputs[0])
    if node.name == "mul":
        left, right = (_stripped(each, _KEEPS | {"conj"}) for each in node.inputs)
        return part(left) if alike(left, right) else None
    return None


def _summed(node: Node) -> Node | None:
    """What a sum adds up."""
    if node.name in ("reduce_sum", "cumsum", "reduce_window_sum"):
        return node.inputs[0]
    if node.name in ("scatter-add", "scatter_add"):  # jax.ops.segment_sum
        return node.inputs[2] if constant_of(node.inputs[0]) == 0 else None
    if node.name == "carry":
        found = (_added(whole(each)) for each in node.inputs[1:])
        return next((each for each in found if each is not None), None)
    return _added(node)


def _added(node: Node) -> Node | None:
    """What each turn of a loop adds to what it carries."""
    if node.name not in ADDS or len(node.inputs) != 2:
        return None
    for held, other in (node.inputs, node.inputs[::-1])[: 1 if node.name == "sub" else 2]:
        carry = whole(held)
        if carry.name == "carry" and any(whole(each) is node for each in carry.inputs[1:]):
            return other
    return None


def adds_to_carry(node: Node) -> bool:
    """Whether something is added to what a loop carries."""
    return node.name in ADDS and any(whole(each).name == "carry" for each in node.inputs)


def is_running_sum(node: Node) -> bool:
    """Whether it is what a loop carries, with something added to it, and carried on as it is."""
    carries = [each for _, each in terms(node) if each.name == "carry"]
    return node.name in ADDS and any(
        _is_added_up(node, after) for carry in carries for after in carry.inputs[1:]
    )


def _is_added_up(node: Node, total: Node) -> bool:
    """Whether a total is a node, or what is added to it, or a choice between that and others."""
    stack = [total]
    for _ in range(_FAR):
        if not stack:
            break
        each = part(stack.pop())
        if each is node:
            return True
        if each.name in ADDS or each.name in ("select_n", "cond"):
            stack += each.inputs
    return False


def is_sum_of_squares(node: Node) -> bool:
    """Whether squares are added up, whatever the sum is divided by."""
    sums = [each for each in map(part, _factors(node)) if is_sum(each)]
    return len(sums) == 1 and _adds_squares(sums[0])


def is_sum(node: Node) -> bool:
    """Whether something is added up in it, as in a norm.

    Args:
        node: The value.
    """
    root = square_of(node)
    of_norm = root is not None and root.name == "sqrt" and is_sum_of_squares(root.inputs[0])
    return node.name == "dot_general" or _summed(node) is not None or of_norm


def _adds_squares(node: Node) -> bool:
    if node.name == "dot_general":
        left, right = (_stripped(each, _TURNS) for each in node.inputs[:2])
        batch = node.eqn.params["dimension_numbers"][1][0]
        # Of a matrix with itself the off-diagonal elements are products of rows.
        return alike(left, right) and node.eqn.outvars[0].aval.ndim == len(batch)
    added = _summed(node)
    if added is None:
        return True
    factors = [_stripped(each, _KEEPS | {"conj"}) for each in _factors(added)]
    pairs = itertools.combinations(factors, 2)
    return any(square_of(x) is not None for x in factors) or any(alike(*x) for x in pairs)


def squares_of(node: Node) -> list[Node]:
    """What the squares are of that a sum of squares adds up."""
    pairs = products_of(node)
    return [one for one, other in pairs if alike(one, other)]


def products_of(node: Node) -> list[tuple[Node, Node]]:
    """The pairs of factors in what a sum adds up, whatever the sum is divided by."""
    found: list[tuple[Node, Node]] = []
    for each in map(part, _factors(node)):
        added = _summed(each)
        root = square_of(each)
        if each.name == "dot_general":
            left, right = (_stripped(x, _TURNS) for x in each.inputs[:2])
            found.append((left, right))
        elif root is not None and root.name == "sqrt":
            found += products_of(root.inputs[0])
        elif added is not None:
            found += _pairs(added)
    return found


def _pairs(added: Node) -> Iterator[tuple[Node, Node]]:
    root = square_of(added)
    if root is not None:
        yield root, root
    factors = [_stripped(each, _KEEPS | {"conj"}) for each in _factors(added)]
    roots = ((root, root) for root in map(square_of, factors) if root is not None)
    yield from itertools.chain(roots, itertools.permutations(factors, 2))


def summed_in(node: Node) -> list[Node]:
    """What the sums add up that a product has as factors."""
    sums = (_summed(part(each)) for each in _factors(node))
    return [each for each in sums if each is not None]


def is_projection(node: Node) -> bool:
    """Whether it is `(q . v) q`, or `Q (Q^T v)`: a vector's part along others."""
    node = part(node)
    if node.name == "dot_general":
        return any(_leads_along(a, b) for a, b in (node.inputs[:2], node.inputs[1::-1]))
    if node.name != "mul":
        return False
    return any(_leads_along(a, b) for a, b in (node.inputs, node.inputs[::-1]))


def _leads_along(along: Node, direction: Node) -> bool:
    along, direction = part(along), _stripped(direction, _TURNS)
    if along.name == "div":
        along = part(along.inputs[0])
    if along.name == "reduce_sum":
        along = part(along.inputs[0])
        products = along.inputs if along.name == "mul" else []
    else:
        products = along.inputs[:2] if along.name == "dot_general" else []
    return any(alike(_stripped(each, _TURNS), direction) for each in products)


def below(node: Node) -> Iterator[Node]:
    """A value and what it is made of, the nearest first; not without end."""
    stack, seen = [node], {id(node)}
    for _ in range(_MANY):
        if not stack:
            return
        node = stack.pop(0)
        yield node
        fresh = [each for each in node.inputs if id(each) not in seen]
        seen |= {id(each) for each in fresh}
        stack += fresh


def uses_of(taps: Sequence[Tap]) -> Uses:
    """What is computed from each node.

    Args:
        taps: The equations of the program.
    """
    found: dict[int, list[Node]] = {}
    for tap in taps:
        given = [*map(part, tap.node.inputs), *map(unsigned, tap.node.inputs)]
        for each in {id(x): x for x in given}.values():
            found.setdefault(id(each), []).append(tap.node)
    return found
