"""`jaxkit.nan_origin`: the report, and the transform that raises."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit import NonFiniteError, nan_origin, transforms
from jaxkit._jax.effects import settle
from jaxkit.numerics.nonfinite.classify import At, kind_of
from jaxkit.numerics.nonfinite.find import Origin, find
from jaxkit.numerics.nonfinite.programs import program_of

GOOD, BAD, ZERO = jnp.array([1.0, 4.0]), jnp.array([1.0, -1.0]), jnp.array([1.0, 0.0])
watched = transforms.get("nan_origin")


def roots(x):
    return jnp.sqrt(x).sum()


def trapped(x):
    return jnp.where(x > 0, jnp.log(x), 0.0).sum()


def line_of(fun: Any) -> int:
    """The line after that of `def`."""
    return fun.__code__.co_firstlineno + 1


def run_to_its_end(fun: Any, *args: Any) -> None:
    """With several devices the error is raised in this thread, wherever it is by then."""
    jax.block_until_ready(fun(*args))
    jax.effects_barrier()
    for _ in range(1000):
        time.sleep(0.01)


def raised(fun: Any, *args: Any) -> str:
    """The message of the error, whether JAX has wrapped it or not."""
    with pytest.raises((NonFiniteError, jax.errors.JaxRuntimeError)) as caught:
        run_to_its_end(fun, *args)
    return str(caught.value)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """JAX logs what a callback raises, and keeps it for the next barrier."""
    logger = logging.getLogger("jax._src.debugging")
    before, logger.disabled = logger.disabled, True
    yield
    settle()
    logger.disabled = before


def test_a_healthy_function_has_no_findings() -> None:
    report = nan_origin(roots)(GOOD)
    assert report.tool == "nan_origin"
    assert report.ok
    assert report.findings == ()
    assert report.data["finite"] is True
    assert "Every output is finite" in str(report)


def test_a_finding_says_what_was_made_of_what_and_where() -> None:
    def body(carry, x):
        with jax.named_scope("layer"):
            return carry + 1.0 / x, None

    def total(xs):
        return {"loss": jax.lax.scan(body, jnp.float32(0), xs)[0]}

    [finding] = nan_origin(total)(jnp.array([2.0, 1.0, 0.0, 3.0])).findings
    assert finding.kind == "division-by-zero"
    assert finding.where is not None
    assert finding.where.line == body.__code__.co_firstlineno + 2
    data = finding.data
    assert data["operation"] == "div"
    assert data["phase"] == "forward"
    assert data["iteration"] == (2,)
    assert data["operands"] == (1.0, 0.0)
    assert data["scope"] == "layer"
    assert data["leaves"] == ("output['loss']",)


def test_the_element_is_the_one_that_reaches_the_output() -> None:
    def picks(x):
        y = jnp.log(x)
        return jnp.where(x < 0, 0.0, y).sum()  # the NaN of the negative number goes nowhere

    [finding] = nan_origin(picks)(jnp.array([3.0, -1.0, 0.0])).findings
    assert finding.kind == "log-of-zero"
    assert finding.data["index"] == (2,)
    assert finding.data["operands"] == (0.0,)


def test_the_where_trap_is_explained() -> None:
    [finding] = nan_origin(jax.grad(trapped))(ZERO).findings
    assert finding.where is not None
    assert finding.where.line == line_of(trapped)
    assert finding.data["phase"] == "backward"
    assert "0 * inf is NaN" in finding.message
    assert "double where" in (finding.fix or "")


def masked(scores: Any, seen: Any) -> Any:
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
    return (weights * jnp.arange(3.0)).sum()


def test_a_nan_of_the_forward_pass_is_explained_as_one_beside_a_gradient_too() -> None:
    nothing = jnp.zeros(3, bool)
    [alone] = nan_origin(masked)(jnp.ones(3), nothing).findings
    [finding] = nan_origin(jax.value_and_grad(masked))(jnp.ones(3), nothing).findings
    assert (finding.kind, finding.where, finding.fix) == (alone.kind, alone.where, alone.fix)
    assert "where a mask of -inf covers a whole row" in (finding.fix or "")
    assert "discards" not in finding.message
    assert finding.data["discarded_by"] is None


def entropy(scores: Any) -> Any:
    weights = jnp.exp(scores)
    return jnp.where(weights > 0, weights * jnp.log(weights), 0.0).sum()


def test_the_where_that_discards_is_the_one_that_the_value_comes_to() -> None:
    scores = jnp.array([0.0, -1e9])
    assert nan_origin(entropy)(scores).ok
    [finding] = nan_origin(jax.value_and_grad(entropy))(scores).findings
    assert finding.data["discarded_by"]["line"] == line_of(entropy) + 1
    assert "0 * inf is NaN" in finding.message


def test_a_nan_that_came_in_is_named_and_nothing_blamed() -> None:
    report = nan_origin(lambda batch: {"y": batch["x"] * 2.0})({"x": jnp.array([1.0, jnp.nan])})
    assert report.findings == ()
    assert report.data["arguments"] == ("args[0]['x']",)
    assert "NaN came in as args[0]['x']" in str(report)


def test_given_infinities_are_said_to_be_given() -> None:
    report = nan_origin(lambda x: jnp.where(x > 0, x, -jnp.inf))(BAD)
    assert report.ok
    assert "as the function was given them" in str(report)


def test_two_faults_are_two_findings_the_first_first() -> None:
    def two(x):
        a = jnp.log(x)
        b = jnp.sqrt(x - 2.0)
        return a, b

    kinds = [finding.kind for finding in nan_origin(two)(ZERO).findings]
    assert kinds == ["log-of-zero", "invalid"]


def test_effects_run_once_and_what_is_printed_is_printed_once(capsys: Any) -> None:
    def talks(x):
        jax.debug.print("here")
        return jnp.log(x)

    assert not nan_origin(talks)(ZERO).ok
    jax.effects_barrier()
    assert capsys.readouterr().out == "here\n"


def test_a_second_call_compiles_nothing() -> None:
    analyse = nan_origin(jax.jit(trapped))
    other = nan_origin(roots)
    assert analyse(GOOD).ok
    assert not other(BAD).ok
    with jaxkit.watch() as log:
        assert not other(BAD + 0.0 * BAD).ok
    assert [event for event in log.events if "origins" in event.function.name] == []


def test_donated_arguments_are_analysed_too() -> None:
    step = jax.jit(lambda x: 1.0 / x, donate_argnums=0)
    assert nan_origin(step)(jnp.array([1.0, 0.0])).findings[0].kind == "division-by-zero"


def test_it_refuses_what_it_cannot_analyse() -> None:
    with pytest.raises(TypeError, match="nan_origin needs values, got an argument that is traced"):
        jax.jit(lambda x: nan_origin(roots)(x).ok)(GOOD)
    with pytest.raises(TypeError, match="fun must be a function, got 3 of type int"):
        nan_origin(3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("out", [(), (0,), {"flag": True, "none": None}])
def test_functions_without_floats(out: Any) -> None:
    assert nan_origin(lambda x: jax.tree.map(jnp.asarray, out))(GOOD).ok


@pytest.mark.parametrize(
    ("primitive", "operands", "result", "kind"),
    [
        ("div", (1.0, 0.0), np.inf, "division-by-zero"),
        ("div", (0.0, 0.0), np.nan, "division-by-zero"),
        ("div", (1e30, 1e-30), np.inf, "overflow"),
        ("div", (1.0, 1e-39), np.inf, "division-by-zero"),
        ("div", (np.inf, np.inf), np.nan, "invalid"),
        ("log", (0.0,), -np.inf, "log-of-zero"),
        ("log", (-1.0,), np.nan, "invalid"),
        ("exp", (100.0,), np.inf, "overflow"),
        ("exp", (-200.0,), 0.0, "underflow"),
        ("pow", (0.0, -1.0), np.inf, "division-by-zero"),
        ("pow", (-1.0, 0.5), np.nan, "invalid"),
        ("pow", (1e30, 2.0), np.inf, "overflow"),
        ("lgamma", (-2.0,), np.inf, "division-by-zero"),
        ("lgamma", (1e38,), np.inf, "overflow"),
        ("convert_element_type", (500.0,), np.nan, "overflow"),
        ("mul", (0.0, np.inf), np.nan, "invalid"),
    ],
)
def test_kinds(primitive: str, operands: Any, result: float, kind: str) -> None:
    values = tuple(np.asarray(operand, np.float32) for operand in operands)
    assert kind_of(primitive, At(values, np.float32(result))) == kind


CALLS = {
    "eager": (lambda f: f, roots, GOOD, BAD, "invalid"),
    "jit": (jax.jit, roots, GOOD, BAD, "invalid"),
    "grad": (jax.grad, trapped, GOOD, ZERO, "division-by-zero"),
    "jit of value_and_grad": (
        lambda f: jax.jit(jax.value_and_grad(f)),
        trapped,
        GOOD,
        ZERO,
        "division-by-zero",
    ),
    "vmap": (jax.vmap, roots, jnp.stack([GOOD, GOOD]), jnp.stack([GOOD, BAD]), "invalid"),
    "jit of vmap of grad": (
        lambda f: jax.jit(jax.vmap(jax.grad(f))),
        trapped,
        jnp.stack([GOOD, GOOD]),
        jnp.stack([GOOD, ZERO]),
        "division-by-zero",
    ),
    "scan": (
        lambda f: jax.jit(lambda xs: jax.lax.scan(lambda c, x: (c, f(x)), 0.0, xs)[1]),
        roots,
        jnp.stack([GOOD, GOOD]),
        jnp.stack([GOOD, BAD]),
        "invalid",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_transform_raises_and_else_returns_the_value(name: str) -> None:
    around, fun, good, bad, kind = CALLS[name]
    called = around(watched(fun))
    both = zip(jax.tree.leaves(called(good)), jax.tree.leaves(around(fun)(good)), strict=True)
    for found, expected in both:
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    message = raised(called, bad)
    assert f"test_nan_origin.py:{line_of(fun)}: {kind}" in message


def test_the_transform_keeps_other_derivatives() -> None:
    value, tangent = jax.jvp(watched(roots), (GOOD,), (GOOD,))
    assert (float(value), float(tangent)) == (3.0, 1.5)
    expected = jax.hessian(roots)(GOOD)
    np.testing.assert_allclose(jax.hessian(watched(roots))(GOOD), expected, rtol=1e-6)


def test_the_error_has_the_report() -> None:
    with pytest.raises(NonFiniteError) as caught:
        watched(roots)(BAD)
    [finding] = caught.value.report.findings
    assert (finding.kind, finding.data["index"]) == ("invalid", (1,))


def test_what_is_meant_does_not_stop_a_run() -> None:
    masked = watched(lambda x: jnp.where(x > 0, x, -jnp.inf))
    assert np.isneginf(jax.jit(masked)(BAD)[1])
    assert np.isneginf(masked(BAD)[1])


def test_random_keys_and_integers_go_through() -> None:
    def noisy(key, n, x):
        return jax.random.normal(key, (2,)) + jnp.log(x) * n

    called = jax.jit(watched(noisy))
    assert np.isfinite(called(jax.random.key(0), 2, GOOD)).all()
    assert "log-of-zero" in raised(called, jax.random.key(0), 2, ZERO)


def test_the_function_runs_once_a_call() -> None:
    calls = []

    def counted(x):
        calls.append(None)
        jax.debug.callback(lambda _: calls.append("ran"), x)
        return x * 2.0

    jax.block_until_ready(jax.jit(watched(counted))(GOOD))
    jax.effects_barrier()
    assert calls == [None, "ran"]


def _overflowing_scan(x):
    return jax.lax.scan(lambda c, _: (c * c, c), x, length=12)[0]


@pytest.mark.parametrize(
    ("fun", "x"),
    [
        (lambda x: jnp.log(x) * x, np.zeros(3, np.float32)),
        (jax.grad(lambda x: jnp.sqrt(jnp.sum(x * x))), np.zeros(3, np.float32)),
        (_overflowing_scan, np.float32(3.0)),
        (lambda x: jnp.sum(jnp.linalg.cholesky(x)), -np.eye(2, dtype=np.float32)),
    ],
    ids=["log", "gradient", "scan", "cholesky"],
)
def test_each_equation_by_itself_finds_the_same(fun, x) -> None:
    """The last resort, where what the compiler makes of a whole program hides a NaN."""
    program = program_of(fun, (jnp.asarray(x),), {})
    [together] = find(program, program.inputs, barriers=True)
    [apart] = Origin(program, barriers=True, apart=True).of(program.inputs)[1]
    assert apart == together
