"""`jaxkit.search_precision`: a smallest set of parts that must stay, by runs of one program."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxkit
from jaxkit.jaxpr import Rule
from jaxkit.numerics.searching import masked, progress
from jaxkit.numerics.searching.masked import Masked
from jaxkit.numerics.searching.minimal import minimal

X = jnp.linspace(1.0, 2.0, 16)


def is_minimal(part: frozenset[int], passes: Callable[[frozenset[int]], bool]) -> bool:
    return passes(part) and not any(passes(part - {each}) for each in part)


@given(st.lists(st.frozensets(st.integers(0, 15)), max_size=6), st.integers(0, 15))
def test_nothing_can_be_left_out(needed: list[frozenset[int]], least: int) -> None:
    """Also where what passes is not told by its elements one by one."""
    whole = frozenset(range(16))

    def passes(part: frozenset[int]) -> bool:
        return part == whole or len(part) >= least or any(each <= part for each in needed)

    found: list[frozenset[int]] = [whole]
    got = minimal(range(16), passes, found.append)
    assert is_minimal(got, passes)
    assert got == found[-1]
    assert got == minimal(range(16), passes)


@given(st.sets(st.frozensets(st.integers(0, 7)), max_size=40))
def test_nothing_can_be_left_out_of_anything(others: set[frozenset[int]]) -> None:
    whole = frozenset(range(8))
    passing = {whole, *others}
    asked: list[frozenset[int]] = []

    def passes(part: frozenset[int]) -> bool:
        asked.append(part)
        return part in passing

    got = minimal(range(8), passes)
    assert is_minimal(got, passing.__contains__)
    assert len(asked) == len(set(asked))


def layered(sensitive: tuple[bool, ...]) -> Callable[[Any], Any]:
    """Sensitive layers add what they take away again; the others only scale."""

    def model(x: Any) -> Any:
        for number, loses in enumerate(sensitive):
            with jax.named_scope(f"layer_{number}"):
                x = (x + 1000.0) - 1000.0 if loses else x * 1.001
        return x

    return model


@given(st.lists(st.booleans(), min_size=1, max_size=6).map(tuple))
@settings(max_examples=8)
def test_just_what_loses_digits_must_stay(sensitive: tuple[bool, ...]) -> None:
    model = layered(sensitive)
    report = jaxkit.search_precision(model, 0.05)(X)
    wanted = [f"scope=layer_{n}" for n, loses in enumerate(sensitive) if loses]
    assert list(report.data["keep"]) == wanted
    assert [finding.data["selector"] for finding in report.findings] == wanted
    assert report.data["complete"]
    assert report.ok


def network(w: Any, x: Any) -> Any:
    def layer(h: Any, w: Any) -> Any:
        with jax.named_scope("matmul"):
            h = h @ w
        with jax.named_scope("norm"):
            h = h + 20.0
            h = (h - h.mean()) / jnp.sqrt(jnp.mean(h * h) - h.mean() ** 2 + 1e-6)
        return h, None

    def loss(w: Any) -> Any:
        h = jax.lax.scan(jax.checkpoint(layer), x, w)[0]
        with jax.named_scope("loss"):
            return jnp.mean(jax.nn.log_softmax(h) ** 2)

    return jax.value_and_grad(loss)(w)


W = jax.random.normal(jax.random.key(0), (3, 8, 8)) / 2 + 0.3
H = jax.random.normal(jax.random.key(1), (4, 8))


@pytest.fixture(scope="module")
def searched() -> Any:
    return jaxkit.search_precision(network, 0.05, dtype="bf16")(W, H)


def off_by(keep: list[str]) -> float:
    """As the report counts it, of a program that `emulate` makes."""
    got, want = jaxkit.emulate(network, dtype="bf16", keep=keep or None)(W, H), network(W, H)
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True)
    return max(float(jnp.abs(a - b).max() / jnp.abs(b).max()) for a, b in pairs)


def test_a_gradient_through_a_scan(searched: Any) -> None:
    keep = list(searched.data["keep"])
    assert keep
    assert off_by(keep) <= 0.05 * 1.01
    assert off_by(keep) == pytest.approx(searched.data["error"], rel=0.05)
    for each in keep:
        assert off_by([other for other in keep if other != each]) > 0.05 * 0.99


def test_the_report(searched: Any) -> None:
    data = searched.data
    parts = {part["name"]: part for part in data["parts"]}
    assert {"matmul", "norm", "loss"} <= set(parts)
    assert sum(part["flops_share"] for part in parts.values()) == pytest.approx(1, abs=0.01)
    assert 0 <= data["bytes_saved_share"] <= 0.5
    for part in parts.values():
        assert part["lowered"] == (part["selector"] not in data["keep"])
        assert part["error_alone"] >= 0
    text = str(searched)
    assert "part" in text
    assert "off by, alone" in text
    assert "jaxkit.emulate(network" in text
    assert jaxkit.Report.from_json(searched.to_json()) == searched
    assert {finding.kind for finding in searched.findings} == {"needs-precision"}
    assert all(finding.where.file == __file__ for finding in searched.findings)


def test_it_does_the_same_each_time(searched: Any) -> None:
    again = jaxkit.search_precision(network, 0.05, dtype="bf16")(W, H)
    assert again == searched


def test_one_program_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Masked] = []
    begin = Masked.__init__

    def remember(self: Masked, *args: Any) -> None:
        made.append(self)
        begin(self, *args)

    monkeypatch.setattr(Masked, "__init__", remember)
    report = jaxkit.search_precision(layered((True, False) * 4), 1e-3)(X)
    (masked,) = made
    assert report.data["runs"] > 8
    assert masked.compiled._cache_size() == 1


def test_functions_where_there_are_no_scopes() -> None:
    def loses(x: Any) -> Any:
        return (x + 1000.0) - 1000.0

    def model(x: Any) -> Any:
        return loses(jnp.tanh(x)) * 2.0

    report = jaxkit.search_precision(model, 0.02)(X)
    assert report.data["keep"] == ("function=loses",)
    lines = jaxkit.search_precision(loses, 0.02)(X)
    (line,) = lines.data["parts"]
    assert line["selector"] == f"line={__file__}:{line['where']['line']}"
    by_line = jaxkit.search_precision(model, 0.02, by="line")(X)
    assert by_line.data["keep"] == (line["selector"],)


def test_what_stands_in_no_scope_is_divided_by_function() -> None:
    def model(x: Any) -> Any:
        with jax.named_scope("inside"):
            y = jnp.tanh(x)
        return y * 2.0

    report = jaxkit.search_precision(model, 1.0)(X)
    assert [part["name"] for part in report.data["parts"]] == ["inside", "model (no scope)"]
    assert report.data["keep"] == ()
    assert report.data["flops_share"] == pytest.approx(1.0)
    assert "2 of 2 parts of model can be bf16: 100% of the operations" in str(report)


def test_overflow_must_not_be() -> None:
    report = jaxkit.search_precision(lambda x: jnp.log(jnp.exp(x * 10)), 0.1, dtype="f16")(X)
    assert report.data["error"] <= 0.1
    assert report.data["parts"][0]["error_alone"] == "Infinity"
    assert report.data["keep"]


def test_infinities_that_are_meant() -> None:
    masked = jnp.where(X > 1.5, X, -jnp.inf)
    report = jaxkit.search_precision(lambda x: jax.nn.softmax(x) * 1.0, 0.1)(masked)
    assert report.data["keep"] == ()
    assert jaxkit.search_precision(lambda x: x * 1.0, 0.1)(masked).data["keep"] == ()


def test_integers_and_keys() -> None:
    def model(x: Any, key: Any) -> Any:
        return jnp.argsort(-x * 1.0001), key, x[:0] * 2.0, jnp.sum(x * 0.0)

    x = 1 + jnp.arange(8) * 1e-4
    report = jaxkit.search_precision(model, 0.1)(x, jax.random.key(0))
    assert len(report.data["keep"]) == 1
    assert report.data["error"] == 0


def test_a_program_of_64_bits_in_one_of_32() -> None:
    third = jaxkit.x64(lambda x: x * x / 3)
    report = jaxkit.search_precision(third, 1e-9, dtype="f32", by="line")(X)
    assert 0 < report.data["parts"][-1]["error_alone"] < 1e-6
    assert report.data["keep"]


def test_differences_that_do_not_count() -> None:
    near_zero = jaxkit.search_precision(lambda x: (x * 1.001 - x * 1.001) + (x - x), 0.1)
    assert near_zero(X).data["error"] == 0
    loses = layered((True,))
    assert jaxkit.search_precision(loses, 1e-3, atol=10.0)(X).data["keep"] == ()


def test_printing_is_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    def model(x: Any) -> Any:
        jax.debug.print("seen {}", x[0])
        return x * 1.001

    jaxkit.search_precision(model, 0.1)(X)
    jax.effects_barrier()
    assert "seen" not in capfd.readouterr().out


def test_an_interrupted_search_tells_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    error, runs = Masked.error, iter(range(100))

    def interrupted(self: Masked, lowered: Any) -> float:
        if next(runs) == 7:
            raise KeyboardInterrupt
        return error(self, lowered)

    monkeypatch.setattr(Masked, "error", interrupted)
    report = jaxkit.search_precision(layered((True, False, True, False)), 0.05)(X)
    assert not report.data["complete"]
    assert {"scope=layer_0", "scope=layer_2"} <= set(report.data["keep"])
    (finding,) = report.findings
    assert (finding.kind, finding.severity) == ("interrupted", "warning")
    assert "Interrupted: fewer parts than these may have to stay." in str(report).replace(
        "\n  ", " "
    )


def test_progress_is_for_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    jaxkit.search_precision(layered((True,)), 0.5)(X)
    assert terminal.getvalue() == ""
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    jaxkit.search_precision(layered((True, False)), 0.05)(X)
    assert "search_precision of model" in terminal.getvalue()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tolerance": -1.0}, ValueError, "tolerance must be 0 or more, and finite, got tolerance"),
        ({"tolerance": float("nan")}, ValueError, "tolerance must be 0 or more, and finite, got"),
        ({"tolerance": "1e-3"}, TypeError, "tolerance must be a number, got tolerance='1e-3' of t"),
        ({"tolerance": 0.1, "by": "file"}, ValueError, "by must be of 'auto', 'scope', 'function'"),
        ({"tolerance": 0.1, "dtype": "b16"}, ValueError, "dtype must be a format of bf16, f16"),
        ({"tolerance": 0.1, "atol": True}, TypeError, "atol must be a number, got atol=True"),
    ],
)
def test_options_that_make_no_sense(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        jaxkit.search_precision(jnp.sin, **options)
    assert str(caught.value).startswith(message)


def test_what_cannot_be_searched() -> None:
    with pytest.raises(TypeError, match="fun must be a function, got 3 of type int"):
        jaxkit.search_precision(3, 0.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"runs 'sin' many times, and needs values, got JitTracer"):
        jax.jit(jaxkit.search_precision(jnp.sin, 0.1))(X)
    with pytest.raises(TypeError, match="needs values, got ShapeDtypeStruct"):
        jaxkit.search_precision(jnp.sin, 0.1)(jax.ShapeDtypeStruct((3,), jnp.float32))
    with pytest.raises(ValueError, match="'<lambda>' has no floating-point equation that bf16 wou"):
        jaxkit.search_precision(lambda n: n + 1, 0.1)(jnp.arange(3))
    with pytest.raises(ValueError, match="'<lambda>' returns no array that could be compared"):
        jaxkit.search_precision(lambda x: None, 0.1)(X)

    def writes(x: Any) -> Any:
        jax.experimental.io_callback(lambda x: None, None, x)
        return x * 2

    with pytest.raises(ValueError, match=r"many times, and io_callback at .* would act on the"):
        jaxkit.search_precision(writes, 0.1)(X)


def test_what_the_program_says_is_what_jit_says() -> None:
    """The full-precision run is that of the function, but for how XLA fuses it."""
    program = masked.jaxprs.trace(network, (W, H), {})
    outs = jax.jit(lambda inputs: masked._run(program, Rule(), inputs))(list(program.inputs))
    for got, want in zip(outs, jax.tree.leaves(network(W, H)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
