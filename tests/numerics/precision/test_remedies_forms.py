"""What is advised for vectors, loops, derivatives, polynomials and casts; and that it cures."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxkit
from jaxkit.numerics.precision.classify import Diagnosis
from jaxkit.numerics.precision.patterns import uses_of
from jaxkit.numerics.precision.remedies import _GROWS, remedy
from jaxkit.numerics.precision.suspects import Statistics
from tests.numerics.precision.test_remedies import X, Y, advice, taps_of
from tests.numerics.precision.test_remedies_cure import TOLERANCE, f32, off
from tests.numerics.precision.test_remedies_pairs import NEAR

RANDOM = np.random.default_rng(6)
U = RANDOM.normal(size=(5, 8))
VECTORS = f32(U, U + 1e-3 * RANDOM.normal(size=(5, 8)))
LOGITS = f32(U, U + 1e-2 * RANDOM.normal(size=(5, 8)))


def norm(x):
    return jnp.linalg.norm(x, axis=-1, keepdims=True)


def unit(x):
    return x / norm(x)


def byol(u, v):
    return 2.0 - 2.0 * (unit(u) * unit(v)).sum(-1)


def byol_cured(u, v):
    return ((unit(u) - unit(v)) ** 2).sum(-1)


def cosine(u, v):
    return 1 - (u * v).sum(-1) / (norm(u) * norm(v))[:, 0]


def cosine_cured(u, v):
    return 0.5 * ((u / norm(u) - v / norm(v)) ** 2).sum(-1)


def divergence(p, q):
    p, q = jax.nn.log_softmax(p), jax.nn.log_softmax(q)
    return (jnp.exp(p) * p).sum(-1) - (jnp.exp(p) * q).sum(-1)


def divergence_cured(p, q):
    d = jax.nn.log_softmax(q) - jax.nn.log_softmax(p)
    return (jax.nn.softmax(p) * (jnp.expm1(d) - d)).sum(-1)


def squares(x):
    n = (x * x).sum(-1)
    return (n[:, None] + n[None, :] - 2.0 * x @ x.T)[np.triu_indices(5, 1)]


def squares_cured(x):
    return ((x[:, None] - x[None]) ** 2).sum(-1)[np.triu_indices(5, 1)]


def rapidity(s, d):
    return jnp.log((s + d) / (s - d))


def rapidity_cured(s, d):
    return 2 * jnp.arctanh(d / s)


def refraction(x, c):
    return jnp.sqrt(x * x + c) + x


def refraction_cured(x, c):
    return c / (jnp.sqrt(x * x + c) - x)


def comet(x, e):
    return x - e * jnp.sin(x)


def comet_cured(x, e):
    return (1 - e) * x + e * (x**3 / 6 * (1 - x**2 / 20 * (1 - x**2 / 42)))


def jitter(x, h):
    return 12.0 * jnp.tan(x + h) - 12.0 * jnp.tan(x)


def jitter_cured(x, h):
    return 12.0 * jnp.sin(h) / (jnp.cos(x + h) * jnp.cos(x))


def horner(x):
    value = jnp.zeros_like(x)
    for c in (1.0, -4.0, 6.0, -4.0, 1.0):
        value = value * x + c
    return value


def kept(b):
    def turn(p, b):
        return p * (1 - b), 1 - p * (1 - b)

    return lax.scan(turn, jnp.ones_like(b[0]), b)[1]


def kept_cured(b):
    def turn(q, b):
        q = q + b * (1 - q)
        return q, q

    return lax.scan(turn, jnp.zeros_like(b[0]), b)[1]


SMALL = f32(np.full(7, 3e-6))
CASES = [
    (byol, byol_cured, VECTORS, "1 - u . v of vectors of length 1 is 0.5 * sum((u - v) ** 2)"),
    (cosine, cosine_cured, VECTORS, "is 0.5 * sum((u / |u| - v / |v|) ** 2)"),
    (divergence, divergence_cured, LOGITS, "sum(p * (expm1(d) - d))"),
    (squares, squares_cured, f32(1 + 1e-3 * U), "a variance or distance by moments"),
    (rapidity, rapidity_cured, f32(0.94, 8e-6), "log((s + d) / (s - d)) is 2 * arctanh(d / s)"),
    (refraction, refraction_cured, f32(-80.0, 0.4), "c / (sqrt(x ** 2 + c) - x) where x < 0"),
    (comet, comet_cured, f32(np.linspace(0.002, 0.03, 9), 0.99995), "is (1 - e) * x + e * (x - f"),
    (jitter, jitter_cured, f32(np.linspace(0.3, 1.2, 9), 2e-5), "is sin(a - b) / (cos(a) * cos"),
    (horner, lambda x: (x - 1) ** 4, f32(np.linspace(1.05, 1.1, 9)), "write it by its factors"),
    (kept, kept_cured, SMALL, "with q = 1 - p, p * (1 - b) is 1 - (q + b * (1 - q))"),
]


@pytest.mark.parametrize(("fun", "cured", "args", "text"), CASES)
def test_computed_as_advised_it_is_right(fun: Any, cured: Any, args: Any, text: str) -> None:
    assert text in str(advice(fun, *args)) or text in str(jaxkit.shadow(fun)(*args).findings[0].fix)
    assert off(fun, cured, args) > TOLERANCE
    assert off(cured, cured, args) < TOLERANCE


@pytest.mark.parametrize(
    ("text", "fun"),
    [
        ("length 1", lambda x: 2.0 - 2.0 * (x * Y).sum()),  # of any length
        ("length 1", lambda x: 1.0 - (unit(x) ** 2).sum()),  # 0, but for rounding
        ("divergence", lambda x: (x * Y).sum() - (x * jnp.sin(Y)).sum()),
        ("divergence", lambda x: (jnp.exp(Y) * x).sum() - (jnp.exp(Y) * jnp.sin(x)).sum()),
        ("sqrt(x ** 2 + c) + x", lambda x: jnp.sqrt(x * x + Y) + Y),
        ("sin(a - b)", lambda x: Y * jnp.tan(NEAR) - jnp.sin(Y) * jnp.tan(x)),
        ("polynomial", lambda x: (x * Y + 3.0) * NEAR - 2.0),  # of two variables
        ("polynomial", lambda x: x * Y - 3.0),  # of the first degree
        ("log((s + d)", lambda x: jnp.log((x + Y) / (x + NEAR))),
    ],
)
def test_another_form(text: str, fun: Any) -> None:
    assert text not in str(advice(fun, X))


def test_rounded_operands_are_said_to_be() -> None:
    rounded = "before they are rounded"
    assert rounded not in str(advice(lambda x: jnp.sqrt(x) - jnp.sqrt(Y), X))
    assert rounded in str(advice(lambda x: jnp.sqrt(x * 3) - jnp.sqrt(Y), X))


def test_windows_of_a_scan_by_doubling() -> None:
    def windows(x):
        total = lax.associative_scan(jnp.add, x)
        return total[2:] - total[:-2]

    assert "add up each window by itself" in str(advice(windows, jnp.arange(8.0)))


def test_a_derivative_that_cancels_where_the_value_does_not() -> None:
    def force(x):
        return jax.grad(lambda r: (jnp.sin(r) / r).sum())(x)

    [first, *_] = jaxkit.shadow(force)(jnp.array([0.01, 0.02])).findings
    assert str(first.fix).startswith("terms of a derivative cancel")


def up(x, n):
    return lax.scan(lambda m, n: ((1.0 / n - 5.0 * m),) * 2, x, n)[1]


def test_turns_that_magnify_are_no_slow_sum() -> None:
    n = jnp.arange(1.0, 10.0)
    found = jaxkit.shadow(up)(jnp.log(jnp.float32(1.2)), n).findings[0]
    assert found.kind == "error-accumulation"
    assert "Miller" in str(found.fix)
    factor = float(str(found.fix).split(" times as large")[0].split()[-1])
    assert factor == pytest.approx(5, abs=1.5)  # of relative errors: the values shrink, too


def statistics(total: np.ndarray) -> Statistics:
    none = np.zeros_like(total)
    tap: Any = None
    return Statistics(tap, 1.0, 1.0, none, total, none, none, none, none, (total.size,))


def test_how_fast_errors_grow() -> None:
    turns = np.arange(40)
    assert statistics(1e-8 * 1.4**turns).rate == pytest.approx(1.4)
    assert statistics(1e-8 * (turns + 1)).rate == 1  # they add up
    assert statistics(np.full(40, 1e-8)).rate == 1
    assert statistics(np.array([1e-8])).rate == 1
    for factor, rate in ((15.9, 1.0), (16.1, 16.1 * 2)):  # of two turns, beyond adding up
        assert statistics(1e-8 * np.array([1.0, 2 * factor])).rate == pytest.approx(rate)
    # Where nothing is left that could be lost, errors grow no more.
    assert statistics(np.minimum(1e-8 * 3.0**turns, 1.0)).rate == pytest.approx(3, rel=0.05)


def test_slow_growth_has_another_remedy() -> None:
    taps = taps_of(up, jnp.float32(1.0), X)
    tap = next(each for each in taps if each.primitive == "sub")
    for rate, told in ((_GROWS * 1.01, True), (_GROWS, False)):
        diagnosis = Diagnosis("", (), [1.0], [1.0], 1.0, 1.0, 1e-4, 0.0, 1e-5, 1, 1, rate=rate)
        fix = remedy("error-accumulation", tap, diagnosis, uses_of(taps))
        assert ("Miller" in fix) == told


def test_casts() -> None:
    def cached(x):
        return x.astype(jnp.float8_e4m3fn).astype(jnp.float32) * 2

    small = jaxkit.shadow(cached)(jnp.array([3e-4, 2e-4])).findings[0]
    assert small.kind == "underflow"
    assert "below the smallest of float8_e4m3fn" in str(small.fix)
    assert "logarithms" not in str(small.fix)

    def angles(positions):
        return jnp.cos(positions.astype(jnp.bfloat16).astype(jnp.float32) * 0.1)

    integers = jaxkit.shadow(angles)(jnp.array([1028, 1031], jnp.int32)).findings[0]
    assert str(integers.fix).endswith("or convert them to float32")


def test_sums_say_of_how_many_values() -> None:
    def count(x):
        return jnp.zeros(2, x.dtype).at[jnp.zeros(x.size, int)].add(x)

    first = jaxkit.shadow(count)(jnp.ones(4000, jnp.float16)).findings[0]
    assert first.message.startswith("scatter-add of 2 values up to 0 and 4000 values up to 1 gives")


def test_nested_loops_say_which_turn_is_whose() -> None:
    def walk(x):
        def inner(_, x):
            return x + 0.0779

        return lax.fori_loop(0, 20, lambda _, x: lax.fori_loop(0, 50, inner, x), x)

    first = jaxkit.shadow(walk)(jnp.float32(2.2e6)).findings[0]
    assert "of the loops (the outermost first, from 0)" in first.message
