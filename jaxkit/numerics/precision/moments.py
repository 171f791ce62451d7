"""Sums of squares or products of which others are subtracted: moments, energies."""

from __future__ import annotations

from jaxkit.numerics.precision.patterns import (
    alike,
    below,
    constant_of,
    is_sum_of_squares,
    part,
    products_of,
    square_of,
    squares_of,
    summed_in,
    terms,
)
from jaxkit.numerics.precision.plan import Node

__all__ = ["by_moments"]

_MOMENTS = (
    "a variance or distance by moments: subtract the mean (or the other point) before squaring, "
    "as jnp.var and jnp.linalg.norm(x - y) do, and as Welford's update does in a loop"
)
_COVARIANCE = (
    "a covariance by moments: subtract the means before multiplying, sum((x - mean(x)) * "
    "(y - mean(y))) in place of sum(x * y) - sum(x) * sum(y) / n"
)
_ACROSS = (
    "|v| ** 2 - (u . v) ** 2 with u of length 1 is jnp.dot(w, w) with w = v - jnp.dot(u, v) * u"
)
_SQUARES = "sum(a ** 2) - sum(b ** 2) is sum((a - b) * (a + b))"


def by_moments(node: Node) -> str | None:
    """Sums of squares less squares or products; sums of products less products of sums.

    Args:
        node: The difference.
    """
    found = terms(node, scaled=True)
    pairs = [(each, other) for s, each in found for t, other in found if s != t]
    if any(_is_along(other, each) for each, other in pairs):
        return _ACROSS
    for each, other in pairs:
        if is_sum_of_squares(each) and _is_moment(other, each):
            return _MOMENTS
    if any(is_sum_of_squares(a) and is_sum_of_squares(b) for a, b in pairs):
        return _SQUARES
    return _COVARIANCE if any(_is_product_of_sums(b, a) for a, b in pairs) else None


def _is_along(node: Node, squares: Node) -> bool:
    """Whether it is the square of a vector's component, beside the square of the vector."""
    root = square_of(node)
    if root is None or not is_sum_of_squares(squares) or is_sum_of_squares(node):
        return False
    vectors = squares_of(squares)
    pairs = [(x, y) for x, y in products_of(root) if not alike(x, y)]
    return any(alike(each, v) for pair in pairs for each in pair for v in vectors)


def _is_moment(node: Node, squares: Node) -> bool:
    """Whether it is a square or a sum of products; of squares only those of a mean."""
    if is_sum_of_squares(node):
        return any(_is_mean_of(b, a) for a in squares_of(squares) for b in squares_of(node))
    return _is_product(node)


def _is_mean_of(node: Node, of: Node) -> bool:
    return any(
        each.name == "reduce_sum" and alike(part(each.inputs[0]), part(of)) for each in below(node)
    )


def _is_product(node: Node) -> bool:
    if square_of(node) is not None:
        return True
    node = part(node)
    if node.name == "div":
        return _is_product(node.inputs[0])
    if node.name == "mul":  # (x . y) / n * 2
        pairs = (node.inputs, node.inputs[::-1])
        return any(constant_of(a) is not None and _is_product(b) for a, b in pairs)
    if node.name == "reduce_sum":
        return part(node.inputs[0]).name == "mul"
    return node.name == "dot_general"


def _is_product_of_sums(node: Node, products: Node) -> bool:
    """Whether what stands in a sum of products was added up by itself, and the sums multiplied."""
    sums = summed_in(node)
    pairs = [(a, b) for a in sums for b in sums if a is not b]
    return any(alike(x, a) and alike(y, b) for x, y in products_of(products) for a, b in pairs)
