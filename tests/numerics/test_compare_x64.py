"""`jaxkit.compare_x64`: how far each output is from double precision, and when that is said."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.report import Report

X = np.float32([1000, 1001, 1002])


def kinds(report: Report) -> list[str]:
    return [found.kind for found in report.findings]


def leaf(report: Report, path: str = "output") -> Any:
    return next(each for each in report.data["leaves"] if each["path"] == path)


def variance(x: jax.Array) -> jax.Array:
    return (x**2).mean() - x.mean() ** 2


@pytest.mark.parametrize("fun", [variance, jax.jit(variance)])
def test_a_cancellation(fun: Any) -> None:
    report = jaxkit.compare_x64(fun)(X)
    [found] = report.findings
    assert (found.kind, found.severity) == ("inaccurate-output", "warning")
    assert found.message.startswith("output f32[] is off by ")
    assert "of 7.2 digits are right; 0.6" in found.message
    assert found.where is not None
    assert found.where.function == "variance"
    figures = leaf(report)
    assert figures["worst"]["expected"] == pytest.approx(2 / 3, rel=1e-9)
    assert figures["digits"] < 2
    assert figures["max_ulps"] > 1e5
    assert str(report).startswith("variance: 1 output beside double precision; 1 further from it")


def test_what_is_sound_has_no_finding() -> None:
    def step(w: jax.Array, x: jax.Array, key: jax.Array) -> Any:
        noise = jax.random.normal(key, (16,))
        value, slope = jax.value_and_grad(lambda w: jnp.tanh(x @ w + noise).mean())(w)
        where = jnp.argmax(value), jnp.where(x > 0, x, -jnp.inf).max(), x[:0], None
        return {"w": w - 0.1 * slope, "loss": value, "where": where, "key": key, "n": 3}

    key = jax.random.key(1)
    w, x = jax.random.normal(key, (8,)), jax.random.normal(key, (16, 8))
    report = jaxkit.compare_x64(step)(w, x, key)
    assert report.findings == ()
    assert report.ok
    assert leaf(report, "output['w']")["digits"] > 5.5
    assert leaf(report, "output['key']") == {
        "path": "output['key']",
        "type": "key<fry>[]",
        "different": 0,
        "worst": None,
    }
    assert str(report).startswith("step: 7 outputs beside double precision; as close as rounding")
    assert not jax.config.jax_enable_x64


def test_random_bits_and_integers_are_the_same_in_both() -> None:
    report = jaxkit.compare_x64(lambda k: jax.random.normal(k, (1000,)))(jax.random.key(0))
    assert report.ok
    assert leaf(report)["digits"] > 6
    wraps = jaxkit.compare_x64(lambda n: n * n)(np.int32(70000))
    assert leaf(wraps)["different"] == 0


def test_integers_that_follow_from_floats() -> None:
    report = jaxkit.compare_x64(lambda x, y: jnp.floor((x + y) - y).astype(int))(
        np.float32([1, 2]), np.float32(2**24)
    )
    [found] = report.findings
    assert found.kind == "integer-output-differs"
    assert found.message == "output i32[2] has 1 other value, the first 0 for 1 at [0]"
    assert leaf(report)["different"] == 1


def test_a_value_that_should_be_zero_is_no_fault() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000).astype(np.float32)
    for fun in (lambda x: jnp.sum(x - x.mean()), lambda x: x - x, lambda x: jnp.sin(jnp.pi) * x[0]):
        assert jaxkit.compare_x64(fun)(x).ok
    # But what is as large as the inputs is.
    report = jaxkit.compare_x64(lambda x, y: ((x + y) - y) - x)(np.float32(0.3), np.float32(1e8))
    figures = leaf(report)
    assert figures["zeros"] == (1 if figures["at_zero"] else 0)


def test_not_finite_on_one_side() -> None:
    def norm(x: jax.Array) -> jax.Array:
        return jnp.sqrt((x * x).sum())

    report = jaxkit.compare_x64(norm)(np.float32([1e30, 1.0]))
    [found] = report.findings
    assert (found.kind, found.severity) == ("non-finite-output", "error")
    assert found.message == (
        "output f32[] is not finite where double precision is; inf for 1.0000000150"
    )
    assert jaxkit.compare_x64(jnp.exp)(np.float32([1, 2000])).ok  # in double precision as well
    text = str(jaxkit.compare_x64(jnp.exp)(np.float32([1, 2000])))
    assert "output: 1 value not finite in either precision, in the same way" in text
    other = jaxkit.compare_x64(lambda x: 1 / (x * x))(np.float32([1e-30, 3e-30]))
    assert "has 2 of 2 values not finite where double precision is" in other.findings[0].message
    assert leaf(other)["lost"] == 2


def test_control_flow_is_each_sides_own() -> None:
    def loop(x: jax.Array) -> Any:
        x = jax.lax.while_loop(lambda c: c[0] < 10.0, lambda c: (c[0] + x, c[1] + 1), (x, 0))
        y = jax.lax.cond(x[0] > 10.2, lambda: 1.0, lambda: 2.0)
        return x, y, jax.lax.scan(lambda c, _: (c + 0.1, c), x[0], length=5)[0] * 0

    assert jaxkit.compare_x64(loop)(np.float32(0.5)).ok
    report = jaxkit.compare_x64(loop)(np.float32(0.4))
    assert kinds(report) == ["inaccurate-output", "integer-output-differs", *kinds(report)[2:]]
    # 25 times 0.4 are less than ten in f32, rounded at each step, and a little more in f64.
    assert leaf(report, "output[0][1]")["worst"] == {"index": (), "got": 25, "expected": 24}
    assert leaf(report, "output[1]")["worst"] == {"index": (), "got": 1.0, "expected": 2.0}


def test_low_precision_and_complex_numbers() -> None:
    x = jnp.linspace(0, 1, 64, dtype=jnp.bfloat16)
    assert jaxkit.compare_x64(lambda x: x * x + 1)(x).ok
    summed = jaxkit.compare_x64(lambda x: jax.lax.fori_loop(0, 64, lambda i, s: s + x[i], x[0] * 0))
    assert leaf(summed(x))["type"] == "bf16[]"
    turned = jaxkit.compare_x64(lambda z: jnp.exp(1j * z))(np.float32([1.0, 2.0]))
    assert leaf(turned)["type"] == "c64[2]"
    assert turned.ok


def test_rtol_is_what_a_finding_is_held_to() -> None:
    tight = jaxkit.compare_x64(jnp.sin, rtol=1e-12)(np.float32([0.1, 0.2]))
    assert kinds(tight) == ["inaccurate-output"]
    assert jaxkit.compare_x64(variance, rtol=0.5)(X).ok


def test_traced_anew_constants_are_exact() -> None:
    def above(x: jax.Array) -> jax.Array:
        return x * (jnp.asarray(2.0**25 + 1) - 2.0**25 + 3)

    assert jaxkit.compare_x64(above)(X).ok  # twice 2**25 + 0, as the constant has been rounded
    [found] = jaxkit.compare_x64(above, retrace=True)(X).findings
    assert found.kind == "rounded-constants"
    assert found.message == (
        "output f32[3] is another one if above is traced in 64 bits, by 2.5e-01: a constant in it "
        "was rounded, or a dtype was chosen"
    )


def test_traced_anew_with_another_structure() -> None:
    def shapes(x: jax.Array) -> jax.Array:
        return x if x.dtype == jnp.float32 else jnp.concatenate([x, x])

    [found] = jaxkit.compare_x64(shapes, retrace=True)(X).findings
    assert found.kind == "other-structure"
    assert found.message == "shapes in 64 bits output f32[3] is float64[6]"

    def carries(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, _: (c + x.mean(), None), jnp.float32(0), length=2)[0]

    report = jaxkit.compare_x64(carries, retrace=True)(X)
    assert kinds(report) == ["other-structure"]
    assert report.findings[0].message.startswith("carries raises in 64 bits: TypeError: ")

    def trees(x: jax.Array) -> Any:
        return (x,) if x.dtype == jnp.float32 else [x]

    assert kinds(jaxkit.compare_x64(trees, retrace=True)(X)) == ["other-structure"]
    drawn = jaxkit.compare_x64(lambda k: jax.random.normal(k), retrace=True)(jax.random.key(0))
    assert drawn.ok
    assert "random numbers are others in 64 bits" in str(drawn)


def test_effects_happen_once() -> None:
    asked: list[float] = []

    def ask(x: Any) -> Any:
        asked.append(float(x))
        return np.float32(len(asked))

    def calls(x: jax.Array) -> jax.Array:
        jax.debug.callback(lambda v: asked.append(-1.0), x)
        got = jax.experimental.io_callback(ask, jax.ShapeDtypeStruct((), np.float32), x)
        return got + jnp.sin(x)

    report = jaxkit.compare_x64(calls)(np.float32(2))
    jax.effects_barrier()
    assert report.ok
    assert sorted(asked) == [-1.0, 2.0]

    def in_a_loop(x: jax.Array) -> jax.Array:
        def turn(_: Any, c: jax.Array) -> jax.Array:
            shape = jax.ShapeDtypeStruct((), np.float32)
            return jax.experimental.io_callback(ask, shape, c)

        return jax.lax.fori_loop(0, 2, turn, x)

    asked.clear()
    assert jaxkit.compare_x64(in_a_loop)(np.float32(2)).ok
    assert asked == [2.0, 1.0]  # the second turn is given what the first was answered


def test_a_program_in_64_bits_has_nothing_beyond_it() -> None:
    with jaxkit.x64():
        report = jaxkit.compare_x64(variance)(X.astype(np.float64))
    assert report.ok
    assert "in double precision itself, so that nothing is known of: output" in str(report)


def test_reports_of_all_forms(tmp_path: Any) -> None:
    report = jaxkit.compare_x64(lambda x: (jnp.log(x), variance(x)))(np.float32([-1e3, 1e3, 1001]))
    for suffix in (".html", ".json", ".txt", ".sarif"):
        report.save(tmp_path / f"out{suffix}")
    assert Report.from_json(report.to_json()) == report


def test_mistakes() -> None:
    with pytest.raises(TypeError, match="fun must be a function, got 3 of type int"):
        jaxkit.compare_x64(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rtol must be positive, got rtol=0; None chooses by the"):
        jaxkit.compare_x64(jnp.sin, rtol=0)
    with pytest.raises(jaxkit.UsageError) as caught:
        jax.jit(lambda x: jaxkit.compare_x64(jnp.sin)(x))(1.0)
    assert str(caught.value) == (
        "compare_x64 needs values, got a tracer at [0][0]: it was called inside of jax.jit, "
        "jax.grad or jax.vmap; call it outside, on the function that they make: "
        "jaxkit.compare_x64(jax.grad(f))(x)"
    )
    with pytest.raises(ZeroDivisionError):
        jaxkit.compare_x64(lambda: 1 / 0)()
