"""What to write in place of f(a) - f(b), a - f(a) and the like, where both are nearly equal."""

from __future__ import annotations

from jaxkit.numerics.precision.ones import under_one
from jaxkit.numerics.precision.patterns import (
    alike,
    constant_of,
    one_and,
    part,
    square_of,
    terms,
)
from jaxkit.numerics.precision.plan import Node

__all__ = ["of_pair"]

_PRODUCTS = (
    "a * d - b * c: of coordinates, subtract one point from all of them first; otherwise the "
    "products are needed in more digits than they have"
)
_LOGARITHMS = (
    "a * log(x) - b * log(y) is (a - b) * log(x) + b * log1p((x - y) / y), in which a - b and "
    "x - y are exact if they are close"
)
_SUMS = "sum(a) - sum(b) is jnp.sum(a - b): subtract term by term, then add up"
_POWERS = "a ** n - b ** n is b ** n * expm1(n * log1p((a - b) / b))"
_TWO = {
    "sqrt": "sqrt(a) - sqrt(b) is (a - b) / (sqrt(a) + sqrt(b))",
    "rsqrt": "1 / r - 1 / s with r = sqrt(a), s = sqrt(b) is (b - a) / (r * s * (r + s))",
    "cbrt": "p - q with p = cbrt(a), q = cbrt(b) is (a - b) / (p * p + p * q + q * q)",
    "log": "log(a) - log(b) is log1p((a - b) / b)",
    "log1p": "log1p(a) - log1p(b) is log1p((a - b) / (1 + b))",
    "exp": "exp(a) - exp(b) is exp(b) * expm1(a - b), or 2 * sinh(a) where b is -a",
    "expm1": "expm1(a) - expm1(b) is exp(b) * expm1(a - b)",
    "div": "put both over one denominator: 1 / a - 1 / b is (b - a) / (a * b)",
    "cos": "cos(a) - cos(b) is -2 * sin((a + b) / 2) * sin((a - b) / 2)",
    "sin": "sin(a) - sin(b) is 2 * cos((a + b) / 2) * sin((a - b) / 2)",
    "tan": "tan(a) - tan(b) is sin(a - b) / (cos(a) * cos(b))",
    "sinh": "sinh(a) - sinh(b) is 2 * cosh((a + b) / 2) * sinh((a - b) / 2)",
    "cosh": "cosh(a) - cosh(b) is 2 * sinh((a + b) / 2) * sinh((a - b) / 2)",
    "tanh": "tanh(a) - tanh(b) is sinh(a - b) / (cosh(a) * cosh(b))",
    "logistic": "sigmoid(a) - sigmoid(b) is -sigmoid(a) * sigmoid(-b) * expm1(b - a)",
    "atan": "atan(a) - atan(b) is atan2(a - b, 1 + a * b)",
    "pow": _POWERS,
    "integer_pow": _POWERS,
}
# Of x - f(x) the sign, and its magnitude where x is small (Taylor).
_SERIES = {
    "sin": ("", "x ** 3 / 6 * (1 - x ** 2 / 20 * (1 - x ** 2 / 42))"),
    "sinh": ("-", "x ** 3 / 6 * (1 + x ** 2 / 20 * (1 + x ** 2 / 42))"),
    "tan": ("-", "x ** 3 / 3 * (1 + 2 * x ** 2 / 5 * (1 + 17 * x ** 2 / 42))"),
    "tanh": ("", "x ** 3 / 3 * (1 - 2 * x ** 2 / 5 * (1 - 17 * x ** 2 / 42))"),
    "asin": ("-", "x ** 3 / 6 * (1 + 9 * x ** 2 / 20 * (1 + 25 * x ** 2 / 42))"),
    "asinh": ("", "x ** 3 / 6 * (1 - 9 * x ** 2 / 20 * (1 - 25 * x ** 2 / 42))"),
    "atan": ("", "x ** 3 / 3 * (1 - 3 * x ** 2 / 5 * (1 - 5 * x ** 2 / 7))"),
    "atanh": ("-", "x ** 3 / 3 * (1 + 3 * x ** 2 / 5 * (1 + 5 * x ** 2 / 7))"),
    "log1p": ("", "x ** 2 / 2 * (1 - 2 * x / 3 * (1 - 3 * x / 4 * (1 - 4 * x / 5)))"),
}
_ROOTS = (
    "{} (nothing cancels there if x > 0); so the roots of a quadratic are q / a and c / q with "
    "q = -(b + sign(b) * sqrt(d)) / 2"
)
_ROOT = (
    "x - sqrt(x ** 2 - c) is c / (x + sqrt(x ** 2 - c))",
    "sqrt(x ** 2 + c) - x is c / (sqrt(x ** 2 + c) + x)",
)
_PRODUCT_OF_ROOTS = (
    "x - sqrt(x - c) * sqrt(x + c) is c ** 2 / (x + sqrt(x - c) * sqrt(x + c))",
    "sqrt(x - c) * sqrt(x + c) - x is -(c ** 2) / (x + sqrt(x - c) * sqrt(x + c))",
)
_AMONG = (
    "one is a part of the sum that the other is: subtract before adding, (a + b) / 2 - a is "
    "(b - a) / 2 and (a + b) - a is b; for the area of a triangle there is Kahan's formula"
)


def of_pair(node: Node) -> str | None:
    """A form in which two values do not cancel; None where they do not tell of one.

    Args:
        node: Their difference.
    """
    pair = terms(node, depth=1)
    if len(pair) != 2 or pair[0][0] == pair[1][0]:
        return None
    (_, first), (_, second) = pair = sorted(pair, key=lambda term: -term[0])
    return (
        _of_one_function(first, second)
        or _of_argument(first, second, first=False)
        or _of_argument(second, first, first=True)
        or _of_part(first, second)
        or _of_part(second, first)
    )


def _of_one_function(first: Node, second: Node) -> str | None:
    if square_of(first) is not None and square_of(second) is not None:
        return "a ** 2 - b ** 2 is (a - b) * (a + b)"
    one, other = part(first), part(second)
    if under_one(one) is not None and under_one(other) is not None:
        return _TWO["rsqrt"]
    if one.name != other.name:
        return None
    if one.name == "mul":
        return _of_products(one, other)
    if one.name == "reduce_sum":
        shapes = [each.eqn.invars[0].aval.shape for each in (one, other)]
        return _SUMS if shapes[0] == shapes[1] else None
    if one.name == "integer_pow" and one.eqn.params != other.eqn.params:
        return None
    if one.name == "pow" and not alike(one.inputs[1], other.inputs[1]):
        return None
    return _TWO.get(one.name)


def _of_products(one: Node, other: Node) -> str | None:
    factors = [list(map(part, each.inputs)) for each in (one, other)]
    if all(any(each.name in ("log", "log1p") for each in pair) for pair in factors):
        return _LOGARITHMS
    if any(constant_of(each) is not None for pair in factors for each in pair):
        return None
    return _PRODUCTS


def _of_argument(value: Node, other: Node, *, first: bool) -> str | None:
    """Of x - f(x), and what stands before a root less the root; or the reverse.

    Args:
        value: What may be f(x).
        other: What may be x.
        first: Whether x is what f(x) is subtracted from.
    """
    found = part(value)
    name = found.name
    if name == "log" and one_and(found.inputs[0]) > 0:
        argument = [each for _, each in terms(part(found.inputs[0])) if alike(each, other)]
        name = "log1p" if argument else name
    elif name in _SERIES and not alike(found.inputs[0], other):
        return None
    if name in _SERIES:
        sign, series = _SERIES[name]
        less = f"x - {name}(x)" if first else f"{name}(x) - x"
        sign = sign if first else "" if sign else "-"
        return f"{less} is {sign}{series} for small x"
    if name == "sqrt" and _is_root_of_square(found, other):
        return _ROOTS.format(_ROOT[0 if first else 1])
    if name == "mul" and all(_is_root_of_sum(part(each), other) for each in found.inputs):
        return _PRODUCT_OF_ROOTS[0 if first else 1]
    return None


def _is_root_of_square(root: Node, x: Node) -> bool:
    squares = [square_of(each) for _, each in terms(part(root.inputs[0]))]
    return any(each is not None and alike(each, x) for each in squares)


def _is_root_of_sum(root: Node, x: Node) -> bool:
    if root.name != "sqrt":
        return False
    found = terms(part(root.inputs[0]))
    return len(found) == 2 and any(alike(each, x) for _, each in found)


def _of_part(several: Node, one: Node) -> str | None:
    found = terms(several, scaled=True)
    return _AMONG if len(found) > 1 and any(s > 0 and alike(x, one) for s, x in found) else None
