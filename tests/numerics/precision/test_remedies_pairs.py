"""What is advised for two values of one function and for x - f(x): found, true, and a cure."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.numerics.precision.angles import _NEAR_ONE
from jaxkit.numerics.precision.pairs import _LOGARITHMS, _PRODUCT_OF_ROOTS, _ROOT, _SERIES, _TWO
from tests.numerics.precision.test_remedies import X, Y, advice

TOLERANCE = float(jnp.finfo(jnp.float32).eps) ** (2 / 3)
NEAR = X * jnp.float32(1.0001)


@pytest.mark.parametrize(
    ("starts", "fun"),
    [
        ("tan(a) - tan(b) is", lambda x: jnp.tan(x + 1e-4) - jnp.tan(x)),
        ("p - q with p = cbrt(a)", lambda x: jnp.cbrt(x + 1) - jnp.cbrt(x)),
        ("a ** n - b ** n is", lambda x: (x + 1) ** 0.2 - x**0.2),
        ("a ** n - b ** n is", lambda x: NEAR**3 - x**3),
        ("None", lambda x: NEAR**3 - x**4),
        ("None", lambda x: (x + 1) ** 0.2 - x**0.3),
        ("1 / r - 1 / s with", lambda x: 1 / jnp.sqrt(x) - jax.lax.rsqrt(NEAR)),
        ("log1p(a) - log1p(b) is", lambda x: jnp.log1p(NEAR) - jnp.log1p(x)),
        ("sigmoid(a) - sigmoid(b) is", lambda x: jax.nn.sigmoid(NEAR) - jax.nn.sigmoid(x)),
        ("a * log(x) - b * log(y) is", lambda x: (x + 1) * jnp.log(x + 1) - x * jnp.log(x)),
        ("a * d - b * c", lambda x: NEAR * Y - x * jnp.sin(Y)),
        ("sum(a) - sum(b) is", lambda x: jnp.sum(NEAR * Y) - jnp.sum(x * Y)),
        ("None", lambda x: jnp.sum(NEAR) - jnp.sum(x[1:])),
        ("exp(x) - 2 + exp(-x) is", lambda x: jnp.exp(x) - 2 + jnp.exp(-x)),
        ("exp(x) - 2 + exp(-x) is", lambda x: jnp.exp(-x) + jnp.exp(x) - 1 - 1),
        ("None", lambda x: jnp.exp(-x) + jnp.exp(x) - 3),
        ("None", lambda x: jnp.exp(-x) + jnp.exp(Y) - 2),
        ("x - tanh(x) is x ** 3 / 3", lambda x: x - jnp.tanh(x)),
        ("tanh(x) - x is -x ** 3 / 3", lambda x: jnp.tanh(x) - x),
        ("tan(x) - x is x ** 3 / 3", lambda x: jnp.tan(x) - x),
        ("x - log1p(x) is", lambda x: x - jnp.log(1 + x)),
        ("None", lambda x: x - jnp.log(2 + x)),
        ("None", lambda x: Y - jnp.log(1 + x)),
        ("sqrt(x ** 2 + c) - x is", lambda x: jnp.sqrt(x * x + Y) - x),
        ("x - sqrt(x - c) * sqrt(x + c) is", lambda x: x - jnp.sqrt(x - 1) * jnp.sqrt(x + 1)),
        ("None", lambda x: x - jnp.sqrt(x - 1) * jnp.sqrt(Y + 1)),
        ("one is a part of the sum", lambda x: (x + Y + NEAR) / 2 - Y),
        ("one is a part of the sum", lambda x: (x + Y) - x),
        ("None", lambda x: (x + Y) / 2 - NEAR),
        ("(1 + x) ** y - 1 is", lambda x: (1 + x) ** 0.3 - 1),
        ("1 - (1 - x) ** y is", lambda x: 1 - (1 - x) ** 7),
        ("jnp.expm1(y * jnp.log(x))", lambda x: x**7 - 1),
    ],
)
def test_the_form_is_told_from_its_terms(starts: str, fun: Any) -> None:
    assert str(advice(fun, X)).startswith(starts)


def test_what_is_subtracted_on_the_next_line_counts() -> None:
    def penalty(d):
        ratio = jnp.exp(d) - 1
        return jnp.mean(ratio - d)

    d = jnp.float32(8e-4) * jnp.cos(jnp.arange(6.0))
    first = jaxkit.shadow(penalty)(d).findings[0]
    assert first.kind == "cancellation"
    assert str(first.fix).startswith("exp(x) - 1 - x is x ** 2 / 2")


NAMES = {name: getattr(np, name) for name in "sin cos tan sinh cosh tanh exp sqrt log".split()}
NAMES |= {name: getattr(np, name) for name in "log1p expm1 cbrt".split()}
NAMES |= {"atan": np.arctan, "atan2": np.arctan2, "asin": np.arcsin, "jnp": np}
NAMES |= {"asinh": np.arcsinh, "atanh": np.arctanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
NAMES |= {"arccos": np.arccos, "arccosh": np.arccosh, "arctanh": np.arctanh}


def both(text: str, given: dict[str, Any]) -> tuple[Any, Any]:
    """The values of the two sides of `f(a) - g(b) [with s = h(a), ...] is k(a, b)`."""
    formula = text.partition(", or ")[0].partition(", in which")[0].partition(" for small")[0]
    left, right = formula.rpartition(": ")[2].split(" is ")
    left, _, defined = left.partition(" with ")
    names = dict(given)
    for name, value in re.findall(r"(\w) = (.*?\))(?:, |$)", defined):
        names[name] = eval(value, NAMES | given)
    return eval(left, NAMES | names), eval(right, NAMES | names)


def is_cured(text: str, **given: Any) -> None:
    """In float32 the left is off, and the right is what the left is in float64."""
    single = {name: np.asarray(value, np.float32) for name, value in given.items()}
    left, right = both(text, {name: value.astype(np.float64) for name, value in single.items()})
    np.testing.assert_allclose(right, left, rtol=1e-6, err_msg=text)
    here, cured = both(text, single)
    assert abs(here / left - 1).max() > TOLERANCE, text
    assert abs(cured / left - 1).max() < TOLERANCE, text


@pytest.mark.parametrize("text", sorted({*_TWO.values()}))
def test_two_values_of_one_function(text: str) -> None:
    is_cured(text, a=np.linspace(0.5, 0.7, 9), b=np.linspace(0.49996, 0.69993, 9), n=0.3)


@pytest.mark.parametrize("name", sorted(_SERIES))
def test_a_series(name: str) -> None:
    sign, series = _SERIES[name]
    x = np.linspace(0.01, 0.03, 9) / (10 if name == "log1p" else 1)
    is_cured(f"x - {name}(x) is {sign}{series} for small x", x=x)


def test_roots_and_logarithms() -> None:
    for text in (*_ROOT, *_PRODUCT_OF_ROOTS):
        is_cured(text, x=170.0, c=1.3)
    is_cured(_LOGARITHMS, a=2001.0, b=2000.0, x=0.5 + 1e-4, y=0.5)


@pytest.mark.parametrize("name", sorted(_NEAR_ONE))
def test_near_one(name: str) -> None:
    is_cured(_NEAR_ONE[name], x=np.linspace(1e-6, 5e-6, 9))


def test_the_distance_to_one_is_there_already() -> None:
    def angle(u):
        below = 1 - u
        return jnp.arccos(below)

    found = jaxkit.shadow(angle)(jnp.array([3e-6, 5e-6])).findings
    assert any(str(each.fix).startswith("arccos(1 - x) is 2 * jnp.arcsin") for each in found)


def test_both_signs_of_an_exponential() -> None:
    is_cured("exp(x) - 2 + exp(-x) is 4 * sinh(x / 2) ** 2", x=np.linspace(0.01, 0.03, 9))
