"""`jaxkit.lint` and the registry: what is looked for, what is refused, plug-ins, thresholds."""

import importlib.metadata
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit import Finding, PluginError, UsageError
from jaxkit.jaxpr.lints import (
    KINDS,
    Code,
    accumulation,
    available,
    dead_code,
    heavy,
    large_constant,
    loop_invariant,
    transposes,
    unrolled_loop,
)


def f32(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def kinds(fun: Any, *args: Any, **options: Any) -> set[str]:
    return {each.kind for each in jaxkit.lint(fun, **options)(*args).findings}


def loss(logits: Any) -> Any:
    return -jnp.log(jax.nn.softmax(logits)).mean()


def test_the_report() -> None:
    report = jaxkit.lint(loss)(f32(8, 10))
    [found] = report.findings
    assert report.tool == "lint"
    assert not report.ok
    assert report.data["function"] == "loss"
    assert "log-of-softmax" in report.data["kinds"]
    assert "default-matmul-precision" not in report.data["kinds"]
    assert found.where.function == "loss"
    assert "log-of-softmax" in str(report)
    assert jaxkit.Report.from_json(report.to_json()) == jaxkit.Report(
        "lint", report.findings, report.data, versions=report.versions
    )


def test_select_and_ignore() -> None:
    assert kinds(loss, f32(8, 10), select=["key-reuse"]) == set()
    assert kinds(loss, f32(8, 10), ignore=["log-of-softmax"]) == set()
    product = lambda x: x @ x  # noqa: E731
    assert kinds(product, f32(8, 8), select=["default-matmul-precision"]) == {
        "default-matmul-precision"
    }


def test_inspect_has_them() -> None:
    assert [each.kind for each in jaxkit.inspect(loss)(f32(8, 10)).findings] == ["log-of-softmax"]
    assert jaxkit.inspect(loss, lints=[])(f32(8, 10)).findings == ()
    assert jaxkit.inspect(loss, lints=["dead-code"])(f32(8, 10)).findings == ()


def test_an_unknown_kind() -> None:
    with pytest.raises(UsageError) as caught:
        jaxkit.lint(loss, select=["key-resue"])
    assert str(caught.value) == "there is no lint 'key-resue'; did you mean key-reuse?"
    with pytest.raises(TypeError) as wrong:
        jaxkit.lint(loss, select="key-reuse")
    assert str(wrong.value) == (
        "select must be a list of kinds, got 'key-reuse': select=['key-reuse']"
    )


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError) as caught:
        jaxkit.lint(3)  # type: ignore[arg-type]
    assert str(caught.value) == "fun must be a function, got 3 of type int"


def test_the_users_own_error_arrives_as_it_is() -> None:
    def broken(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        jaxkit.lint(broken)(f32(3))
    assert caught.value.__notes__[-1] == "jaxkit.lint was tracing 'broken'; it was not run"


@pytest.mark.parametrize(
    ("fun", "args"),
    [
        (lambda: jnp.arange(3), ()),
        (lambda x: x, (f32(0, 3),)),
        (lambda x: (x.sum(0), x @ x.T), (f32(0, 3),)),
        (lambda x, label: x, (f32(3), "label")),
        (lambda x: None, (f32(3),)),
        (lambda k: jax.random.split(k), (jax.random.key(0),)),
        (lambda x: jax.debug.print("{}", x), (f32(3),)),
    ],
)
def test_odd_programs(fun: Any, args: Any) -> None:
    assert not {each for each in kinds(fun, *args) if KINDS[each].severity != "info"}


def test_a_program_300_levels_deep() -> None:
    def deep(x: Any) -> Any:
        f = jnp.sin
        for _ in range(300):
            f = (lambda g: lambda x: jax.lax.scan(lambda c, _: (g(c), None), x, None, 2)[0])(f)
        return f(x)

    import sys

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        jaxpr = jax.make_jaxpr(deep)(1.0)
    finally:
        sys.setrecursionlimit(before)
    from jaxkit._jax.jaxprs import Program
    from jaxkit.jaxpr.lints import findings_of

    program = Program(jaxpr, jaxpr, ("x",), None, (1.0,), 0)
    assert Code(program).graph.nodes[-1].name == "sin"
    assert findings_of(program, [*KINDS]) == ()


def test_symbolic_dimensions() -> None:
    from jax import export

    [n] = export.symbolic_shape("n")
    assert kinds(lambda x: jnp.tanh(x @ x.T), f32(n, 4)) == set()


class Entry:
    """As an installed package announces a rule."""

    value = "package.module:rule"

    def __init__(self, name: str, rule: Any) -> None:
        self.name, self._rule = name, rule

    def load(self) -> Any:
        return self._rule


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(name: str, rule: Any) -> None:
        def entry_points(group: str) -> list[Entry]:
            return [Entry(name, rule)] if group == "jaxkit.lints" else []

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)

    return install


def sines(code: Code) -> Iterator[Finding]:
    for node in code.graph.nodes:
        if node.name == "sin":
            yield Finding("no-sines", "warning", "a sine", node.where)


def test_a_plug_in(plug_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in("no-sines", sines)
    assert "no-sines" in available()
    assert kinds(jnp.sin, f32(3)) == set()  # no line of the user's
    assert kinds(lambda x: jnp.sin(x), f32(3)) == {"no-sines"}
    monkeypatch.setenv("JAXKIT_NO_PLUGINS", "1")
    assert kinds(lambda x: jnp.sin(x), f32(3)) == set()


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (3, "must be a function, got int"),
        (lambda code: 1 / 0, "failed: ZeroDivisionError: division by zero"),
        (lambda code: ["a"], "must yield findings of kind 'broken', got str"),
        (
            lambda code: [Finding("other", "info", "x")],
            "must yield findings of kind 'broken', got other",
        ),
    ],
)
def test_a_broken_plug_in(plug_in: Any, rule: Any, reason: str) -> None:
    plug_in("broken", rule)
    with pytest.raises(PluginError) as caught:
        kinds(loss, f32(8, 10))
    assert str(caught.value) == (
        f"plug-in 'jaxkit.lints: broken = package.module:rule' {reason}; "
        "set JAXKIT_NO_PLUGINS=1 to go without plug-ins"
    )


# Each threshold, on both sides.


@pytest.mark.parametrize("below", [0, 1])
def test_how_large_a_constant(below: int) -> None:
    array = np.ones(large_constant.LARGE // 4 - below, np.float32)
    assert ("large-constant" in kinds(lambda x: x * array, f32())) is (below == 0)


@pytest.mark.parametrize(("extra", "found"), [(0, True), (-1, False)])
def test_how_long_a_sum(extra: int, found: bool) -> None:
    low = f32(accumulation.LONG + extra, dtype=jnp.bfloat16)
    assert ("low-precision-accumulation" in kinds(lambda x: jnp.cumsum(x), low)) is found


@pytest.mark.parametrize(("extra", "found"), [(0, True), (-1, False)])
def test_how_many_turns(extra: int, found: bool) -> None:
    def turns(x: Any) -> Any:
        for _ in range(unrolled_loop.MANY_TURNS + extra):
            x = jnp.sin(x)
        return x

    assert ("unrolled-loop" in kinds(turns, f32(3))) is found


@pytest.mark.parametrize(("extra", "found"), [(0, True), (1, False)])
def test_how_far_apart_transposes_are(extra: int, found: bool) -> None:
    def apart(x: Any) -> Any:
        y = x.T
        for _ in range(transposes.BETWEEN + extra):
            y = jnp.sin(y)
        return y.T

    assert ("transpose-pair" in kinds(apart, f32(3, 4))) is found


@pytest.mark.parametrize(("rows", "found"), [(8, True), (7, False)])
def test_how_heavy_a_product(rows: int, found: bool) -> None:
    assert (2 * rows * 8 * 8 >= heavy.HEAVY_FLOPS) is found
    twice = lambda x, w: (x @ w).sum() + (x @ w).max()  # noqa: E731
    assert ("duplicate-computation" in kinds(twice, f32(rows, 8), f32(8, 8))) is found


@pytest.mark.parametrize(("extra", "found"), [(0, True), (-1, False)])
def test_how_many_elements(extra: int, found: bool) -> None:
    x = f32(heavy.MANY_ELEMENTS + extra)
    twice = lambda x: jnp.exp(x).sum() + jnp.exp(x).max()  # noqa: E731
    assert ("duplicate-computation" in kinds(twice, x)) is found


@pytest.mark.parametrize(("extra", "found"), [(0, True), (-1, False)])
def test_how_many_elements_are_sorted(extra: int, found: bool) -> None:
    x = f32(heavy.SORTED_ELEMENTS + extra)
    twice = lambda x: jnp.sort(x)[0] + jnp.sort(x)[-1]  # noqa: E731
    assert ("duplicate-computation" in kinds(twice, x)) is found


@pytest.mark.parametrize(("extra", "found"), [(0, True), (-1, False)])
def test_how_many_elements_are_unused(extra: int, found: bool) -> None:
    def unused(x: Any) -> Any:
        jnp.sin(x)
        return x

    assert ("dead-code" in kinds(unused, f32(dead_code.SOME_ELEMENTS + extra))) is found


@pytest.mark.parametrize(
    ("extra", "turns", "found"), [(0, 64, True), (-1, 99, False), (0, 63, False)]
)
def test_how_many_elements_in_a_loop(extra: int, turns: int, found: bool) -> None:
    x = f32(loop_invariant.SOME_ELEMENTS + extra)

    def loop(x: Any) -> Any:
        return jax.lax.scan(lambda c, _: (c + jnp.exp(x), None), x, None, length=turns)[0]

    assert ("loop-invariant" in kinds(loop, x)) is found


@pytest.mark.parametrize(("turns", "found"), [(2, True), (1, False)])
def test_how_few_turns_of_a_loop(turns: int, found: bool) -> None:
    def loop(x: Any, key: Any) -> Any:
        def step(c: Any, _: Any) -> Any:
            jax.debug.print("{}", c[0, 0])
            return c + (x @ x) * jax.random.normal(key, c.shape), None

        return jax.lax.scan(step, x, None, length=turns)[0]

    kind = {"host-callback-in-loop", "loop-invariant", "key-reuse"}
    assert kinds(loop, f32(16, 16), jax.random.key(0)) == (kind if found else set())


@pytest.mark.parametrize(("size", "found"), [(2, True), (1, False)])
def test_numbers_may_have_any_dtype(size: int, found: bool) -> None:
    low = f32(size, dtype=jnp.bfloat16)
    through = lambda x: x.astype(jnp.bfloat16).astype(jnp.float32)  # noqa: E731
    donating = jax.jit(lambda x: jnp.concatenate([x, x]), donate_argnums=0)
    assert kinds(lambda x: x * np.float32(2), low) == ({"low-precision-upcast"} if found else set())
    assert kinds(through, f32(size)) == ({"convert-roundtrip"} if found else set())
    assert kinds(donating, f32(size)) == ({"donation-unusable"} if found else set())
    with jax.enable_x64(True):
        assert kinds(lambda x: x * np.sqrt(2), f32(size)) == ({"f64-upcast"} if found else set())
