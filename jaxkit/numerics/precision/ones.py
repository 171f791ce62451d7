"""What to write in place of 1 - f(x) and f(x) - 1, where f(x) is near 1."""

from __future__ import annotations

from jaxkit.numerics.precision.angles import ANGLE
from jaxkit.numerics.precision.patterns import (
    Uses,
    alike,
    beside_one,
    constant_of,
    is_exact,
    is_sum,
    one_and,
    part,
    square_of,
    terms,
    whole,
)
from jaxkit.numerics.precision.plan import Node, Tap

__all__ = ["less_square", "under_one", "with_one"]

# In each the texts for 1 - f, f - 1 and, where they cancel too, 1 + f.
Texts = tuple[str, str, str | None]

_ONE: dict[str, Texts] = {
    "exp": (
        "-jnp.expm1(x) in place of 1 - exp(x)",
        "jnp.expm1(x) in place of exp(x) - 1",
        None,
    ),
    "cos": (
        "1 - cos(x) is 2 * sin(x / 2) ** 2",
        "cos(x) - 1 is -2 * sin(x / 2) ** 2",
        "1 + cos(x) is 2 * cos(x / 2) ** 2",
    ),
    "cosh": (
        "1 - cosh(x) is -2 * sinh(x / 2) ** 2",
        "cosh(x) - 1 is 2 * sinh(x / 2) ** 2",
        None,
    ),
    "logistic": (
        "1 - sigmoid(x) is sigmoid(-x)",
        "sigmoid(x) - 1 is -sigmoid(-x)",
        None,
    ),
    "tanh": (
        "1 - tanh(x) is 2 * sigmoid(-2 * x)",
        "tanh(x) - 1 is -2 * sigmoid(-2 * x)",
        "1 + tanh(x) is 2 * sigmoid(2 * x)",
    ),
    "div": (
        "subtract before dividing: 1 - a / b is (b - a) / b",
        "subtract before dividing: a / b - 1 is (a - b) / b",
        "add before dividing: 1 + a / b is (b + a) / b",
    ),
    "cumprod": (
        "1 - cumprod(x) is -jnp.expm1(jnp.cumsum(jnp.log(x)))",
        "cumprod(x) - 1 is jnp.expm1(jnp.cumsum(jnp.log(x)))",
        None,
    ),
    "reduce_prod": (
        "1 - prod(x) is -jnp.expm1(jnp.sum(jnp.log(x)))",
        "prod(x) - 1 is jnp.expm1(jnp.sum(jnp.log(x)))",
        None,
    ),
    "pow": (
        "-jnp.expm1(y * jnp.log(x)) in place of 1 - x ** y",
        "jnp.expm1(y * jnp.log(x)) in place of x ** y - 1",
        None,
    ),
    "erf": (
        "1 - erf(x) is jax.scipy.special.erfc(x)",
        "erf(x) - 1 is -jax.scipy.special.erfc(x)",
        "1 + erf(x) is jax.scipy.special.erfc(-x)",
    ),
    "sqrt": (
        "1 - sqrt(x) is (1 - x) / (1 + sqrt(x))",
        "sqrt(x) - 1 is (x - 1) / (sqrt(x) + 1)",
        None,
    ),
    "rsqrt": (
        "1 - 1 / s with s = sqrt(x) is (x - 1) / (s * (1 + s))",
        "1 / s - 1 with s = sqrt(x) is (1 - x) / (s * (1 + s))",
        None,
    ),
}
_ONE_AND_SQUARE: dict[str, Texts] = {
    "tanh": (
        "1 - tanh(x) ** 2 is 1 / cosh(x) ** 2",
        "tanh(x) ** 2 - 1 is -1 / cosh(x) ** 2",
        None,
    ),
    "sin": ("1 - sin(x) ** 2 is cos(x) ** 2", "sin(x) ** 2 - 1 is -cos(x) ** 2", None),
    "cos": ("1 - cos(x) ** 2 is sin(x) ** 2", "cos(x) ** 2 - 1 is -sin(x) ** 2", None),
    "exp": (
        "1 - exp(x) ** 2 is -jnp.expm1(2 * x)",
        "exp(x) ** 2 - 1 is jnp.expm1(2 * x)",
        None,
    ),
    "div": (
        "1 - (a / b) ** 2 is (b - a) * (b + a) / b ** 2",
        "(a / b) ** 2 - 1 is (a - b) * (a + b) / b ** 2",
        None,
    ),
    "sqrt": ("1 - sqrt(x) ** 2 is 1 - x", "sqrt(x) ** 2 - 1 is x - 1", None),
}
_SQUARE: Texts = ("1 - x ** 2 is (1 - x) * (1 + x)", "x ** 2 - 1 is (x - 1) * (x + 1)", None)
# What is lost with the digits of x is not found again.
_AS_FAR = (
    "{}, but x is rounded before, which no formula of x mends: compute {} from what x is made of"
)

# By the sign of x: f(1 + x) and f(1 - x) in the place of f.
_ROOT: dict[int, Texts] = {
    1: (
        "1 - sqrt(1 + x) is -x / (1 + sqrt(1 + x))",
        "sqrt(1 + x) - 1 is x / (sqrt(1 + x) + 1)",
        None,
    ),
    -1: (
        "1 - sqrt(1 - x) is x / (1 + sqrt(1 - x))",
        "sqrt(1 - x) - 1 is -x / (1 + sqrt(1 - x))",
        None,
    ),
}
_ONE_OVER_ROOT: dict[int, Texts] = {
    1: (
        "1 - 1 / s with s = sqrt(1 + x) is x / (s * (1 + s))",
        "1 / s - 1 with s = sqrt(1 + x) is -x / (s * (1 + s))",
        None,
    ),
    -1: (
        "1 - 1 / s with s = sqrt(1 - x) is -x / (s * (1 + s))",
        "1 / s - 1 with s = sqrt(1 - x) is x / (s * (1 + s))",
        None,
    ),
}
_SQUARED: dict[int, Texts] = {
    1: ("1 - (1 + x) ** 2 is -x * (2 + x)", "(1 + x) ** 2 - 1 is x * (2 + x)", None),
    -1: ("1 - (1 - x) ** 2 is x * (2 - x)", "(1 - x) ** 2 - 1 is -x * (2 - x)", None),
}
_PRODUCT: dict[int, Texts] = {
    1: (
        "1 - cumprod(1 + x) is -jnp.expm1(jnp.cumsum(jnp.log1p(x)))",
        "cumprod(1 + x) - 1 is jnp.expm1(jnp.cumsum(jnp.log1p(x)))",
        None,
    ),
    -1: (
        "1 - cumprod(1 - x) is -jnp.expm1(jnp.cumsum(jnp.log1p(-x)))",
        "cumprod(1 - x) - 1 is jnp.expm1(jnp.cumsum(jnp.log1p(-x)))",
        None,
    ),
}
_POWER: dict[int, Texts] = {
    1: (
        "1 - (1 + x) ** y is -jnp.expm1(y * jnp.log1p(x))",
        "(1 + x) ** y - 1 is jnp.expm1(y * jnp.log1p(x))",
        None,
    ),
    -1: (
        "1 - (1 - x) ** y is -jnp.expm1(y * jnp.log1p(-x))",
        "(1 - x) ** y - 1 is jnp.expm1(y * jnp.log1p(-x))",
        None,
    ),
}
_POWER: dict[int, Texts] = {
    1: (
        "1 - (1 + x) ** y is -jnp.expm1(y * jnp.log1p(x))",
        "(1 + x) ** y - 1 is jnp.expm1(y * jnp.log1p(x))",
        None,
    ),
    -1: (
        "1 - (1 - x) ** y is -jnp.expm1(y * jnp.log1p(-x))",
        "(1 - x) ** y - 1 is jnp.expm1(y * jnp.log1p(-x))",
        None,
    ),
}
_COSINE: Texts = (
    "1 - u . v / (|u| * |v|) is 0.5 * sum((u / |u| - v / |v|) ** 2)",
    "u . v / (|u| * |v|) - 1 is -0.5 * sum((u / |u| - v / |v|) ** 2)",
    "1 + u . v / (|u| * |v|) is 0.5 * sum((u / |u| + v / |v|) ** 2)",
)
# By the sign of c, and of a + c beside a.
_SHARE: dict[int, Texts] = {
    1: ("1 - a / (a + c) is c / (a + c)", "a / (a + c) - 1 is -c / (a + c)", None),
    -1: ("1 - a / (a - c) is -c / (a - c)", "a / (a - c) - 1 is c / (a - c)", None),
}
_WHOLE: dict[int, Texts] = {
    1: ("1 - (a + c) / a is -c / a", "(a + c) / a - 1 is c / a", None),
    -1: ("1 - (a - c) / a is c / a", "(a - c) / a - 1 is -c / a", None),
}


def with_one(tap: Tap, uses: Uses) -> str | None:
    """What 1 - f(x), f(x) - 1 or 1 + f(x) is, without a loss.

    Args:
        tap: The difference.
        uses: What is computed from each node.
    """
    found = beside_one(tap.node)
    if found is None:
        return None
    sign, other, ones = found
    root = square_of(other)
    if root is not None and sign != ones:
        return less_square(tap, root, uses, sign=sign)
    texts = _texts_of(part(other)) if root is None else _ONE_AND_SQUARE.get(root.name)
    if texts is None:
        return None
    if sign == ones:
        return texts[2]
    return texts[0] if sign < 0 else texts[1]


def less_square(tap: Tap, root: Node, uses: Uses, *, sign: int = -1) -> str | None:
    """What 1 - x ** 2 is, or x ** 2 - 1.

    Args:
        tap: The difference.
        root: The node of x.
        uses: What is computed from each node.
        sign: That of the square.
    """
    place = 0 if sign < 0 else 1
    exact = all(is_exact(each) for each in (root.inputs if root.name == "div" else [root]))
    if not exact and _is_of_angle(tap, uses):
        return ANGLE
    texts = _ONE_AND_SQUARE.get(root.name) or _SQUARED.get(one_and(root))
    if texts is not None and (root.name != "div" or exact):
        return texts[place]
    text = str(_SQUARE[place])
    return text if exact else _AS_FAR.format(text, ("1 - x", "x - 1")[place])


def _is_of_angle(tap: Tap, uses: Uses) -> bool:
    """Whether it stands in the derivative of arccos or arcsin, 1 / sqrt(1 - x ** 2)."""
    squared = tap.primitive == "one_minus_square" or any(
        whole(each).name == "square" for each in tap.node.inputs
    )
    roots = [each for each in uses.get(id(tap.node), ()) if each.name == "rsqrt"]
    return squared and bool(roots) and "jvp(" in tap.scope


def _texts_of(node: Node) -> Texts | None:
    name = node.name
    if name == "sqrt":
        return _ROOT.get(one_and(node.inputs[0])) or _ONE[name]
    if name in ("cumprod", "reduce_prod"):
        texts = _PRODUCT.get(one_and(node.inputs[0]))
        return _ONE[name] if texts is None else texts if name == "cumprod" else _summed_up(texts)
    under = under_one(node)
    if under is not None:
        return _ONE_OVER_ROOT.get(one_and(under)) or _ONE["rsqrt"]
    if name in ("pow", "integer_pow"):
        return _POWER.get(one_and(node.inputs[0])) or _ONE["pow"]
    if name == "div":
        return _of_share(*node.inputs) or _of_quotient(*node.inputs)
    return _ONE.get(name)


def _summed_up(texts: Texts) -> Texts:
    one, other, _ = (
        str(text).replace("cumprod", "prod").replace("cumsum", "sum") for text in texts
    )
    return one, other, None


def under_one(node: Node) -> Node | None:
    """What stands under the root in 1 / sqrt(x).

    Args:
        node: The value.
    """
    if node.name == "rsqrt" or (node.name == "pow" and constant_of(node.inputs[1]) == -0.5):
        return node.inputs[0]
    if node.name == "div" and constant_of(node.inputs[0]) == 1:
        root = part(node.inputs[1])
        return root.inputs[0] if root.name == "sqrt" else None
    return None


def _of_quotient(above: Node, under: Node) -> Texts | None:
    """Of a / b, where the digits of both are there, and of the cosine of two vectors."""
    if all(is_exact(each) for each in (above, under)):
        return _ONE["div"]
    if is_sum(part(above)) and any(each.name in ("sqrt", "rsqrt") for each in _factors_of(under)):
        return _COSINE
    less, more, both = _ONE["div"]
    rounded = ", from what a and b are made of where these are rounded"
    return less + rounded, more + rounded, both


def _factors_of(node: Node) -> list[Node]:
    node = part(node)
    return [x for each in node.inputs for x in _factors_of(each)] if node.name == "mul" else [node]


def _of_share(above: Node, under: Node) -> Texts | None:
    """Of a / (a + c) and (a + c) / a."""
    for table, one, several in ((_SHARE, above, under), (_WHOLE, under, above)):
        found = terms(part(several))
        rest = [sign for sign, each in found if not (sign > 0 and alike(each, one))]
        if len(found) > 1 and len(rest) == len(found) - 1:
            less, more, _ = table[-1 if all(sign < 0 for sign in rest) else 1]
            return less, more, _ONE["div"][2]
    return None
