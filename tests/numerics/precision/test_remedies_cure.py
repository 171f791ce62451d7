"""What is advised cures: computed as the text says, the digits are there that were lost.

Every sixth remedy by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxkit
from jaxkit.numerics.precision.angles import _EXACT
from jaxkit.numerics.precision.remedies import remedy
from tests.numerics.precision.test_remedies import taps_of
from tests.part import part

TOLERANCE = float(jnp.finfo(jnp.float32).eps) ** (2 / 3)
RANDOM = np.random.default_rng(3)


def f32(*values: Any) -> tuple[Any, ...]:
    return tuple(jnp.asarray(np.asarray(value), jnp.float32) for value in values)


def off(fun: Callable[..., Any], exact: Callable[..., Any], args: Any) -> float:
    """By how much float32 is off from what another form gives in float64."""
    with jax.enable_x64(True):
        wide = [jnp.asarray(np.asarray(each), jnp.float64) for each in args]
        want = np.asarray(exact(*wide))
    here = np.asarray(fun(*args), np.float64)
    return float(np.linalg.norm(here - want) / np.linalg.norm(want))


def unit(v):
    return v / jnp.linalg.norm(v)


def by_acos(u, v):
    return jnp.arccos(jnp.dot(unit(u), unit(v)))


def by_atan2(u, v):
    return jnp.arctan2(jnp.linalg.norm(jnp.cross(u, v)), jnp.dot(u, v))


def by_norms(u, v):
    u, v = unit(u), unit(v)
    return 2 * jnp.arctan2(jnp.linalg.norm(u - v), jnp.linalg.norm(u + v))


def apart(lat1, lon1, lat2, lon2):
    across = jnp.cos(lat1) * jnp.cos(lat2) * jnp.cos(lon2 - lon1)
    return jnp.arccos(jnp.clip(jnp.sin(lat1) * jnp.sin(lat2) + across, -1.0, 1.0))


def haversine(lat1, lon1, lat2, lon2):
    across = jnp.cos(lat1) * jnp.cos(lat2) * jnp.sin((lon2 - lon1) / 2) ** 2
    return 2 * jnp.arcsin(jnp.sqrt(jnp.sin((lat2 - lat1) / 2) ** 2 + across))


def posterior(p, r):
    return lax.fori_loop(0, 5, lambda _, p: (1 - p / (p + r)) * p, p)


def posterior_cured(p, r):
    return lax.fori_loop(0, 5, lambda _, p: r / (p + r) * p, p)


def covariance(x, y):
    return 31 * jnp.sum(x * y) - jnp.sum(x) * jnp.sum(y)


def covariance_cured(x, y):
    return 31 * jnp.sum((x - jnp.mean(x)) * (y - jnp.mean(y)))


def across(u, v):
    return jnp.dot(v, v) - jnp.dot(u, v) ** 2


def across_cured(u, v):
    w = v - jnp.dot(u, v) * u
    return jnp.dot(w, w)


def lorentz(beta):
    return 1.0 / jnp.sqrt(1.0 - beta**2) - 1.0


def lorentz_cured(beta):
    s = jnp.sqrt(1 - beta**2)
    return beta**2 / (s * (1 + s))


def arccosh_cured(x):
    u = 2 * jnp.sinh(x / 2) ** 2
    return jnp.log1p(u + jnp.sqrt(u * (u + 2)))


LENGTHS = f32(*RANDOM.normal(size=(2, 64)))
NEAR = f32(1.0823 * np.exp(np.cumsum(2e-6 * RANDOM.normal(size=40))))
VECTORS = f32([1.0, 2.0, 3.0], [1.006, 1.998, 2.995])
SMALL = f32(np.linspace(2e-6, 2e-5, 6))
YEARS = np.arange(1990.0, 2021.0)

Case = tuple[Callable[..., Any], Callable[..., Any], Any, str]
CASES: list[Case] = [
    (by_acos, by_atan2, VECTORS, "jnp.arctan2(jnp.linalg.norm(jnp.cross(u, v)), jnp.dot(u, v))"),
    (by_acos, by_norms, VECTORS, "2 * jnp.arctan2(jnp.linalg.norm(u - v), jnp.linalg.norm(u + v))"),
    (
        jax.grad(by_acos),
        jax.grad(by_atan2),
        VECTORS,
        "jnp.arctan2(jnp.linalg.norm(jnp.cross(u, v)), jnp.dot(u, v))",
    ),
    (apart, haversine, f32(0.8, 0.1, 0.803, 0.104), "the haversine formula"),
    (
        lambda x: jnp.arctanh(1 - x),
        lambda u: 0.5 * jnp.log((2 - u) / u),
        f32(3e-6),
        "arctanh(1 - x) is 0.5 * jnp.log((2 - x) / x)",
    ),
    (
        lambda x: jnp.arccosh(jnp.cosh(x)),
        arccosh_cured,
        f32(7e-3),
        "jnp.log1p(u + jnp.sqrt(u * (u + 2)))",
    ),
    (
        lambda x: 1 - (x / 3) ** 2,
        lambda x: (3 - x) * (3 + x) / 3**2,
        f32(2.9999),
        "1 - (a / b) ** 2 is (b - a) * (b + a) / b ** 2",
    ),
    (
        lambda x: 1 - (1 - x) ** 2,
        lambda x: x * (2 - x),
        f32(3e-5),
        "1 - (1 - x) ** 2 is x * (2 - x)",
    ),
    (
        lambda x: 1 - jnp.exp(x) ** 2,
        lambda x: -jnp.expm1(2 * x),
        f32(3e-5),
        "1 - exp(x) ** 2 is -jnp.expm1(2 * x)",
    ),
    (
        lambda x: 1 - jax.nn.sigmoid(x) ** 2,
        lambda x: jax.nn.sigmoid(-x) * (1 + jax.nn.sigmoid(x)),
        f32(10.1),
        "compute 1 - x from what x is made of",
    ),
    (posterior, posterior_cured, f32(3e3, 0.0123), "1 - a / (a + c) is c / (a + c)"),
    (
        lambda a, c: a / (a + c) - 1,
        lambda a, c: -c / (a + c),
        f32(3e3, 0.0123),
        "a / (a + c) - 1 is -c / (a + c)",
    ),
    (lorentz, lorentz_cured, f32(2e-3), "1 / s - 1 with s = sqrt(1 - x) is x / (s * (1 + s))"),
    (
        lambda x: 1 - lax.rsqrt(1 - x),
        lambda x: -x / (jnp.sqrt(1 - x) * (1 + jnp.sqrt(1 - x))),
        f32(3e-5),
        "1 - 1 / s with s = sqrt(1 - x) is -x / (s * (1 + s))",
    ),
    (
        lambda a, b: jnp.sum(a * a) - jnp.sum(b * b),
        lambda a, b: jnp.sum((a - b) * (a + b)),
        (LENGTHS[0], LENGTHS[0] + 1e-5 * LENGTHS[1]),
        "sum(a ** 2) - sum(b ** 2) is sum((a - b) * (a + b))",
    ),
    (
        covariance,
        covariance_cured,
        f32(YEARS, 300 + 1.7 * (YEARS - 1990) + RANDOM.normal(size=31)),
        "sum((x - mean(x)) * (y - mean(y)))",
    ),
    (
        across,
        across_cured,
        f32([0.6, 0.8, 0.0], [180.0, 240.0, 0.3]),
        "jnp.dot(w, w) with w = v - jnp.dot(u, v) * u",
    ),
    (
        lambda p: jnp.log(p[1:] / p[:-1]),
        lambda p: jnp.log1p((p[1:] - p[:-1]) / p[:-1]),
        NEAR,
        "jnp.log1p((a - b) / b) in place of log(a / b)",
    ),
    (
        lambda a, c: jnp.log(a / (a + c)),
        lambda a, c: -jnp.log1p(c / a),
        f32(3e3, 0.0123),
        "log(a / (a + c)) is -jnp.log1p(c / a)",
    ),
    (
        lambda b: 1 - jnp.cumprod(1 - b),
        lambda b: -jnp.expm1(jnp.cumsum(jnp.log1p(-b))),
        SMALL,
        "-jnp.expm1(jnp.cumsum(jnp.log1p(-x)))",
    ),
    (
        lambda b: 1 - jnp.prod(1 - b),
        lambda b: -jnp.expm1(jnp.sum(jnp.log1p(-b))),
        SMALL,
        "-jnp.expm1(jnp.sum(jnp.log1p(-x)))",
    ),
]


@pytest.mark.parametrize(("fun", "cured", "args", "text"), part(CASES, 6))
def test_computed_as_advised_it_is_right(fun: Any, cured: Any, args: Any, text: str) -> None:
    assert off(fun, cured, args) > TOLERANCE
    assert off(cured, cured, args) < TOLERANCE
    assert off(fun, fun, args) > TOLERANCE  # in float64 the forms agree
    fixes = [str(each.fix) for each in jaxkit.shadow(fun)(*args).findings]
    assert any(text in fix for fix in fixes), fixes


@pytest.mark.parametrize(
    ("fun", "starts"),
    [
        (lambda x: jnp.arccos(x[::-1]), "near 1 arccos(x) is jnp.arctan2("),
        (lambda x: jnp.arccos(jnp.clip(-x, -1.0, 1.0)), "near 1 arccos(x) is jnp.arctan2("),
        (jnp.arcsin, "near 1 arcsin(x) is jnp.arctan2("),
        (jnp.arctanh, "near 1 arctanh(x) is"),
        (lambda x: jnp.arccos(x * x), "x is rounded before"),
        (lambda x: jnp.arccos(x.astype(jnp.bfloat16)), "x is rounded before"),
        (lambda x: jnp.arcsin(jnp.sqrt(x)), "x is rounded before"),
        (lambda x: jnp.arctanh(jnp.tanh(x)), "x is rounded before"),
        (lambda x: lax.fori_loop(0, 3, lambda _, x: jnp.arccos(x), x), "x is rounded before"),
    ],
)
def test_a_formula_of_x_is_offered_where_x_is_exact(fun: Any, starts: str) -> None:
    taps = taps_of(fun, jnp.linspace(0.5, 0.99, 4))
    [tap] = [tap for tap in taps if tap.primitive in ("acos", "asin", "atanh")]
    assert remedy("ill-conditioned", tap, None).startswith(starts)


def test_the_formulas_of_an_exact_x_are_true() -> None:
    x = jnp.float32(1.25)
    for name, text in _EXACT.items():
        short, _, rest = text.removeprefix("near 1 ").partition(" is ")
        formula, _, given = rest.partition(" with u = ")
        names = {"jnp": jnp, short[:-3]: getattr(jnp, short[:-3])}
        names["x"] = x if name == "acosh" else 1 / x
        names["u"] = eval(given, names) if given else None
        assert eval(formula, names) == pytest.approx(float(eval(short, names)), rel=1e-5)
