"""What to write in place of f(a) - f(b), a - f(a) and the like, where both are nearly equal."""

from __future__ import annotations

from jaxkit.numerics.precision.ones import under_one
from jaxkit.numerics.precision.patterns import (
    alike,
    constant_of,
    is_exact,
    is_one,
    one_and,
    part,
    square_of,
    terms,
)
from jaxkit.numerics.precision.plan import Node

__all__ = ["MIRRORED", "PRODUCTS", "ROUNDED", "is_mirrored", "of_pair"]

PRODUCTS = (
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
_SUM_WITH_ROOT = "sqrt(x ** 2 + c) + x is c / (sqrt(x ** 2 + c) - x) where x < 0"
MIRRORED = "log((s + d) / (s - d)) is 2 * arctanh(d / s)"
ROUNDED = " (with a - b from what a and b are made of, before they are rounded)"
_DIVERGENCE = (
    "a divergence of p from q: with d = log(q) - log(p), sum(p * (expm1(d) - d)), whose terms are "
    "all positive"
)
_UNIT = "1 - u . v of vectors of length 1 is 0.5 * sum((u - v) ** 2)"
_LEFT = (
    "carry what is left of 1 in place of the product: with q = 1 - p, p * (1 - b) is "
    "1 - (q + b * (1 - q))"
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
    if len(pair) != 2:
        return None
    (sign, first), (other, second) = sorted(pair, key=lambda term: -term[0])
    if sign == other:
        pairs = ((first, second), (second, first))
        return _SUM_WITH_ROOT if any(_is_root_of_square(part(a), b) for a, b in pairs) else None
    return (
        _of_one_function(first, second)
        or _of_argument(first, second, first=False)
        or _of_argument(second, first, first=True)
        or _of_part(first, second)
        or _of_part(second, first)
        or _of_cosine(first, second)
        or _of_product(first, second)
    )


def _of_cosine(constant: Node, cosine: Node) -> str | None:
    """1 - u . v of unit vectors, or a multiple of it."""
    if constant_of(constant) is None:
        return None
    [(_, inner), *rest] = terms(cosine, scaled=True)
    inner = part(inner)
    if inner.name == "reduce_sum":
        inner = part(inner.inputs[0])
    elif inner.name != "dot_general":
        return None
    if rest or inner.name not in ("mul", "dot_general"):
        return None
    u, v = inner.inputs[:2]
    return _UNIT if not alike(u, v) and all(map(_is_of_length_one, (u, v))) else None


def _is_of_length_one(node: Node) -> bool:
    node = part(node)
    if node.name == "div":
        return part(node.inputs[1]).name == "sqrt"
    return node.name == "mul" and any(part(x).name == "rsqrt" for x in node.inputs)


def _of_product(one: Node, product: Node) -> str | None:
    """1 less what a loop multiplies turn after turn."""
    carried = part(product)
    if carried.name == "mul":
        carried = next((part(x) for x in carried.inputs if part(x).name == "carry"), carried)
    if not is_one(one) or carried.name != "carry":
        return None
    turned = [part(each) for each in carried.inputs[1:]]
    products = [each for each in turned if each.name == "mul"]
    return _LEFT if any(part(x) is carried for each in products for x in each.inputs) else None


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
        if shapes[0] != shapes[1]:
            return None
        return _DIVERGENCE if _is_divergence(one.inputs[0], other.inputs[0]) else _SUMS
    if one.name == "integer_pow" and one.eqn.params != other.eqn.params:
        return None
    if one.name == "pow" and not alike(one.inputs[1], other.inputs[1]):
        return None
    return _of_table(one, other)


def _of_table(one: Node, other: Node) -> str | None:
    """With what holds for numbers that are rounded already."""
    found = _TWO.get(one.name)
    if found is None or one.name == "div":
        return found
    if one.name == "log" and is_mirrored(one.inputs[0], other.inputs[0]):
        return MIRRORED
    return found if all(is_exact(each.inputs[0]) for each in (one, other)) else found + ROUNDED


def is_mirrored(above: Node, under: Node) -> bool:
    """Whether they are s + d and s - d.

    Args:
        above: One of them.
        under: The other.
    """
    pair, other = terms(part(above)), terms(part(under))
    if len(pair) != 2 or len(other) != 2:
        return False
    signs = [s * t for s, x in pair for t, y in other if alike(x, y)]
    return sorted(signs) == [-1, 1]


def _is_divergence(one: Node, other: Node) -> bool:
    """Whether it is sum(p * log(p)) beside sum(p * log(q)), with p = exp(log(p))."""
    one, other = part(one), part(other)
    if one.name != "mul" or other.name != "mul":
        return False
    factors = [each for each in one.inputs if any(alike(each, x) for x in other.inputs)]
    logs = [x for x in (*one.inputs, *other.inputs) if not any(alike(x, p) for p in factors)]
    return any(
        (part(p).name == "exp" and any(alike(part(p).inputs[0], log) for log in logs))
        or any(part(log).name == "log" and alike(part(log).inputs[0], p) for log in logs)
        for p in factors
    )


def _of_products(one: Node, other: Node) -> str | None:
    for a, x in (one.inputs, one.inputs[::-1]):
        for b, y in (other.inputs, other.inputs[::-1]):
            found = _of_one_function(x, y) if alike(a, b) else None
            if found is not None:
                return found
    factors = [list(map(part, each.inputs)) for each in (one, other)]
    if all(any(each.name in ("log", "log1p") for each in pair) for pair in factors):
        return _LOGARITHMS
    if any(constant_of(each) is not None for pair in factors for each in pair):
        return None
    return PRODUCTS


def _of_argument(value: Node, other: Node, *, first: bool) -> str | None:
    """Of x - f(x), and what stands before a root less the root; or the reverse.

    Args:
        value: What may be f(x).
        other: What may be x.
        first: Whether x is what f(x) is subtracted from.
    """
    found = part(value)
    by = [each for each in found.inputs if part(each).name in _SERIES and found.name == "mul"]
    if by and (text := _of_argument(by[0], other, first=first)):
        less = "x - e * f(x) is (1 - e) * x + e * (x - f(x))"
        return f"{less if first else 'e * f(x) - x is (e - 1) * x + e * (f(x) - x)'}, and {text}"
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
    if _is_root_of_square(found, other):
        return _ROOTS.format(_ROOT[0 if first else 1])
    if name == "mul" and all(_is_root_of_sum(part(each), other) for each in found.inputs):
        return _PRODUCT_OF_ROOTS[0 if first else 1]
    return None


def _is_root_of_square(root: Node, x: Node) -> bool:
    if root.name != "sqrt":
        return False
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
