"""What is advised on an operation by what it is a part of; and that it leaves nothing to find.

Every third cure by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxkit import nan_origin
from tests.part import part


def finding(fun: Any, *args: Any) -> Any:
    return nan_origin(fun)(*args).findings[0]


def log_det(k):
    return jnp.log(jnp.linalg.det(k))


def log_det_cured(k):
    _, logdet = jnp.linalg.slogdet(k)
    return logdet


def entropy(x):
    p = jax.nn.softmax(x)
    return -jnp.sum(p * jnp.log(p))


def entropy_by_hand(x):
    e = jnp.exp(x - jnp.max(x, -1, keepdims=True))
    p = e / jnp.sum(e)
    return -jnp.sum(p * jnp.log(p))


def entropy_cured(x):
    l = jax.nn.log_softmax(x)  # noqa: E741
    return -jnp.sum(jnp.exp(l) * l)


def bose(x):
    return jnp.sum(1.0 / (jnp.exp(x) - 1.0))


def bose_by_expm1(x):
    return jnp.sum(1.0 / jnp.expm1(x))


def bose_cured(x):
    return jnp.sum(jnp.exp(-x) / -jnp.expm1(-x))


def fermi(x):
    return jnp.sum(1.0 / (jnp.exp(x) + 1.0))


def fermi_cured(x):
    return jnp.sum(jax.nn.sigmoid(-x))


def halves(x):
    growth = jnp.exp(2 * x)
    return jnp.sum((growth - 1.0) / (growth + 1.0))


def both(x):
    return jnp.sum((jnp.exp(x) - jnp.exp(-x)) / (jnp.exp(x) + jnp.exp(-x)))


def tanh(x):
    return jnp.sum(jnp.tanh(x))


def planck(x):
    return jnp.sum(jnp.exp(x) / (jnp.exp(x) - 1.0))


def logistic(x):
    return jnp.sum(jnp.exp(-x) / (1.0 + jnp.exp(-x)))


def secant(x):
    def turn(_, state):
        x0, x1 = state
        slope = (x1**2 - x0**2) / (x1 - x0)
        return x1, x1 - (x1**2 - 4.0) / slope

    return lax.fori_loop(0, 25, turn, (x, x + 0.5))[1]


def secant_cured(x):
    def turn(_, state):
        x0, x1 = state
        rest = x1 == x0
        slope = (x1**2 - x0**2) / jnp.where(rest, 1.0, x1 - x0)
        return x1, jnp.where(rest, x1, x1 - (x1**2 - 4.0) / jnp.where(rest, 1.0, slope))

    return lax.fori_loop(0, 25, turn, (x, x + 0.5))[1]


K = np.eye(30, dtype=np.float32) * 0.011
LOGITS = np.array([0.0, -3.0, -200.0], np.float32)
X = np.array([20.0, 180.0], np.float32)
ENTROPY = "`jnp.sum(jnp.exp(l) * l)` with `l = jax.nn.log_softmax(x)`"
BOSE = "`jnp.exp(-x) / -jnp.expm1(-x)` for x > 0"


CURED = [
    (log_det, log_det_cured, K, "jnp.linalg.slogdet(x)"),
    (jax.grad(log_det), jax.grad(log_det_cured), K, "jnp.linalg.slogdet(x)"),
    (jax.jit(log_det), log_det_cured, K[:3, :3] * 1e-12, "jnp.linalg.slogdet(x)"),
    (entropy, entropy_cured, LOGITS, ENTROPY),
    (entropy_by_hand, entropy_cured, LOGITS, ENTROPY),
    (jax.grad(bose), jax.grad(bose_cured), X, BOSE),
    (jax.grad(bose_by_expm1), jax.grad(bose_cured), X, BOSE),
    (jax.grad(fermi), jax.grad(fermi_cured), X, "`jax.nn.sigmoid(-x)`"),
    (halves, tanh, X, "is `jnp.tanh(x / 2)`"),
    (both, tanh, X, "is `jnp.tanh(x)`"),
    (both, tanh, -X, "is `jnp.tanh(x)`"),
    (planck, lambda x: jnp.sum(-1 / jnp.expm1(-x)), X, "is `-1 / jnp.expm1(-x)`"),
    (logistic, lambda x: jnp.sum(jax.nn.sigmoid(-x)), -X, "is `jax.nn.sigmoid(x)`"),
    (secant, secant_cured, np.float32(1.0), "the iteration has come to rest"),
]


@pytest.mark.parametrize(("fun", "cured", "arg", "text"), part(CURED, 3))
def test_computed_as_advised_it_is_finite_and_right(
    fun: Any, cured: Any, arg: np.ndarray, text: str
) -> None:
    assert text in finding(fun, arg).fix
    assert nan_origin(cured)(arg).findings == ()
    with jax.enable_x64(True):
        want = np.asarray(cured(arg.astype(np.float64)))
    assert np.asarray(cured(arg)) == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: jnp.exp(x) / (jnp.exp(-x) + 1),  # of two exponents
        lambda x: (jnp.exp(x) + X) / (jnp.exp(x) + 1),
        lambda x: jnp.exp(2 * x) / (jnp.exp(x) + 1),
        lambda x: jnp.exp(x) / (jnp.exp(x) - 3),
    ],
)
def test_another_quotient_of_exponentials(fun: Any) -> None:
    assert " is `" not in finding(fun, X).fix


def test_a_loop_that_divides_something_by_zero_has_not_come_to_rest() -> None:
    def turn(_, x):
        return 1 / (x - 3.0) + 2.0

    assert "rest" not in finding(lambda x: lax.fori_loop(0, 1, turn, x), np.float32(3.0)).fix
    assert "rest" not in finding(lambda x: lax.fori_loop(0, 2, turn, x), np.float32(4.0)).fix


def test_the_maximum_is_not_subtracted_twice() -> None:
    for fun in (entropy, entropy_by_hand, lambda x: jnp.log(jax.nn.softmax(x, where=x < 1))):
        assert "subtract the maximum" not in finding(fun, LOGITS).fix
    far = np.array([-300.0, -400.0], np.float32)
    assert "subtract the maximum" in finding(lambda x: jnp.log(jnp.exp(x).sum()), far).fix
    assert "subtract the maximum" in finding(lambda x: jnp.log(jnp.exp(x - x[0] - 300)), far).fix


def descend(x):
    def step(x, _):
        return x - 0.3 * (4.0 * x**3 - 2.0 * x), None

    return lax.scan(step, x, None, length=12)[0]


def descend_while(x):
    return lax.while_loop(
        lambda c: c[0] < 12, lambda c: (c[0] + 1, jax.jit(_descent)(c[1])), (0, x)
    )


def _descent(x):
    return x - 0.3 * (4.0 * x**3 - 2.0 * x)


@pytest.mark.parametrize("fun", [descend, descend_while])
def test_what_grows_in_a_loop_may_diverge(fun: Any) -> None:
    text = finding(fun, np.array([0.5, 3.0], np.float32)).fix
    assert "the iteration may diverge, so take a smaller step" in text
    assert "float16" not in text
    assert "float32 or bfloat16" in finding(fun, np.array([0.5, 3.0], np.float16)).fix


def test_what_is_too_large_at_once_does_not_grow() -> None:
    def squares(xs):
        return lax.scan(lambda total, x: (total + 1, x * x), 0.0, xs)[1]

    assert "diverge" not in finding(squares, np.array([1.0, 1e30], np.float32)).fix
    assert "diverge" not in finding(descend, np.array([1e30], np.float32)).fix


@pytest.mark.parametrize(
    ("dtype", "rest"),
    [
        (np.float16, "or compute this in a type of more range (float32 or bfloat16)"),
        (np.float32, "or work with logarithms"),
        (jnp.bfloat16, "or work with logarithms"),
    ],
)
def test_more_range_is_offered_where_there_is_more(dtype: Any, rest: str) -> None:
    large = jnp.full(2, jnp.finfo(dtype).max / 2, dtype)
    assert finding(lambda x: x * x, large).fix == (
        f"scale the operands before, divide by their largest magnitude, {rest}"
    )


def test_a_scope_is_told_where_it_has_a_name() -> None:
    def root(x):
        return jnp.sqrt(x).sum()

    def named(x):
        with jax.named_scope("distances"):
            return root(x)

    zero = np.zeros(2, np.float32)
    for fun in (root, jax.vmap(root)):
        plain = finding(jax.grad(lambda x, fun=fun: fun(x[None]).sum()), zero)
        assert "in scope" not in plain.message
        assert re.search(r"jvp\(", plain.data["scope"])
    assert "in scope jvp(distances)" in finding(jax.grad(named), zero).message


@pytest.mark.parametrize(("small", "none"), [(1e-8, True), (1e-7, False)])
def test_a_small_number_that_is_none_in_its_type(small: float, none: bool) -> None:
    def normalised(x: Any) -> Any:
        return x * lax.rsqrt(x.var() + jnp.asarray(small, x.dtype))

    found = nan_origin(normalised)(jnp.ones(3, jnp.float16)).findings
    assert bool(found) == none
    if none:
        assert found[0].fix.startswith("0 is added to the operand as a constant")
        assert "float16 has none as small" in found[0].fix


@pytest.mark.parametrize(
    ("factor", "starts"), [(32768.0, "the factor 32768 is too large here"), (-0.5, "scale the")]
)
def test_a_factor_that_is_too_large(factor: float, starts: str) -> None:
    def scaled(x: Any) -> Any:
        return (x * x) * jnp.float16(factor) if factor > 1 else (factor * x) * (x * x)

    [found] = nan_origin(scaled)(jnp.float16(90.0)).findings
    assert found.kind == "overflow"
    assert found.fix.startswith(starts)


def test_equal_eigenvalues_have_no_eigenvectors_to_differentiate() -> None:
    def axis(x: Any) -> Any:
        return jnp.sum(jnp.linalg.eigh(x)[1][:, -1])

    finding_ = finding(jax.grad(axis), np.eye(2, dtype=np.float32))
    assert finding_.fix.startswith("equal eigenvalues have no eigenvectors to differentiate")
