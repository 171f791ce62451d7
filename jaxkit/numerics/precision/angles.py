"""What to do about inverse functions near the end of where they are defined."""

from __future__ import annotations

from jaxkit.numerics.precision.patterns import is_exact, one_and
from jaxkit.numerics.precision.plan import Node

__all__ = ["ANGLE", "of_angle"]

_OF_WHAT = (
    "x is rounded before, and no function of the rounded x has the digits: go back to what x is "
    "made of"
)
ANGLE = (
    f"{_OF_WHAT}; between vectors u and v jnp.arctan2(jnp.linalg.norm(jnp.cross(u, v)), "
    "jnp.dot(u, v)), or, if they are of length 1, 2 * jnp.arctan2(jnp.linalg.norm(u - v), "
    "jnp.linalg.norm(u + v)); between positions on a sphere the haversine formula"
)
_EXACT = {
    "acos": "near 1 arccos(x) is jnp.arctan2(jnp.sqrt((1 - x) * (1 + x)), x)",
    "asin": "near 1 arcsin(x) is jnp.arctan2(x, jnp.sqrt((1 - x) * (1 + x)))",
    "atanh": "near 1 arctanh(x) is 0.5 * jnp.log((1 + x) / (1 - x))",
    "acosh": "near 1 arccosh(x) is jnp.log1p(u + jnp.sqrt(u * (u + 2))) with u = x - 1",
}
_NEAR_ONE = {
    "acos": "arccos(1 - x) is 2 * jnp.arcsin(jnp.sqrt(x / 2))",
    "acosh": "arccosh(1 + x) is jnp.log1p(x + jnp.sqrt(x * (x + 2)))",
    "atanh": "arctanh(1 - x) is 0.5 * jnp.log((2 - x) / x)",
}
_SIGNS = {"acos": -1, "acosh": 1, "atanh": -1}
_MADE = {
    "acos": ANGLE,
    "asin": ANGLE,
    "atanh": f"{_OF_WHAT}, and compute u = 1 - x of it: arctanh(x) is 0.5 * jnp.log((2 - u) / u)",
    "acosh": f"{_OF_WHAT}, and compute u = x - 1 of it: arccosh(x) is "
    "jnp.log1p(u + jnp.sqrt(u * (u + 2)))",
}


def of_angle(node: Node) -> str | None:
    """A form with all digits, of x itself where x is exact; None for other functions.

    Args:
        node: That of the function's result.
    """
    if node.name in _NEAR_ONE and one_and(node.inputs[0]) == _SIGNS[node.name]:
        return _NEAR_ONE[node.name]
    texts = _EXACT if node.inputs and is_exact(node.inputs[0]) else _MADE
    return texts.get(node.name)
