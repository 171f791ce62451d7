"""`jaxkit.compare`: verdicts where the truth is known, foreign functions, the report."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.errors import MissingExtraError, UsageError
from jaxkit.timing.arguments import prepared
from jaxkit.timing.compare import compare
from jaxkit.timing.comparison import Comparison
from jaxkit.timing.heard import Heard
from jaxkit.timing.rounds import Samples, calls_a_block, mistaken
from jaxkit.timing.subject import Subject
from tests.timing.test_benchmark import interrupt_after
from tests.timing.test_findings import heavy, matrix


def compared(functions: Any, *args: Any, seconds: float = 0.5, **options: Any) -> Comparison:
    return compare(functions, max_seconds=seconds, min_seconds=0.05, **options)(*args)


def layers(count: int) -> Any:
    def forward(x: jax.Array) -> jax.Array:
        for _ in range(count):
            x = jnp.tanh(x @ x)
        return x

    return jax.jit(forward)


def test_sleeps_of_known_ratio() -> None:
    functions = {"short": lambda: time.sleep(0.002), "long": lambda: time.sleep(0.004)}
    found = compared(functions, seconds=1.0)
    assert 1.5 <= found["long"].ratio <= 2.2
    assert found["long"].interval[0] <= found["long"].ratio <= found["long"].interval[1]
    assert found["long"].verdict == "slower"
    assert found.baseline == found.fastest == "short"
    turned = compared(functions, seconds=1.0, baseline="long")
    assert turned["short"].verdict == "faster"
    assert turned["short"].ratio < 0.7


def test_twice_the_work_is_never_called_faster() -> None:
    found = compared({"one": layers(1), "two": layers(2)}, matrix(100))
    assert found["two"].verdict in ("slower", "undecided")
    assert found.ok


def test_a_function_with_itself() -> None:
    one = layers(2)
    found = compared({"a": one, "b": one}, matrix(60))
    assert abs(found["b"].ratio - 1) < 0.2
    assert found["a"].verdict == "same"
    assert found["a"].interval == (1.0, 1.0)


def test_numpy_and_python_by_the_same_protocol() -> None:
    x = np.ones(100, np.float32)
    functions = {
        "jax": jax.jit(jnp.sin),
        "numpy": np.sin,
        "python": lambda x: [value + 1 for value in x.tolist()],
    }
    found = compared(functions, x)
    assert list(found) == ["jax", "numpy", "python"]
    assert "numpy" in found
    assert len(found) == 3
    kinds = {(each.kind, each.data["function"]) for each in found.findings}
    assert kinds >= {("no-jax-output", "numpy"), ("no-jax-output", "python")}
    assert all(each.message.startswith(each.data["function"]) for each in found.findings)


def test_each_side_has_findings_of_its_own() -> None:
    def fresh(x: jax.Array) -> jax.Array:
        return jax.jit(lambda x: x + 1)(x)

    def nothing(x: np.ndarray) -> None:
        x.sum()

    functions = {"fresh": fresh, "jitted": jax.jit(jnp.sin), "nothing": nothing}
    found = compared(functions, np.ones((300, 300), np.float32), seconds=1.0)
    kinds = {
        (each.kind, each.data["function"]) for each in found.findings if each.severity != "info"
    }
    assert ("recompiled", "fresh") in kinds
    assert not {function for kind, function in kinds if kind != "host-transfer"} - {"fresh"}
    recompiled = next(each for each in found.findings if each.kind == "recompiled")
    assert "<lambda>" in recompiled.message


def test_pytorch_is_waited_for() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.ones(100)
    found = compared({"sin": torch.sin, "cos": torch.cos}, x)
    assert found.ok


def test_sides_that_donate() -> None:
    x = matrix(50)
    functions = {
        "kept": jax.jit(lambda x: x * 2),
        "donated": jax.jit(lambda x: x * 2, donate_argnums=0),
    }
    found = compared(functions, x)
    assert found.ok
    assert not x.is_deleted()


def test_three_sides_and_items() -> None:
    found = compared({str(n): layers(n) for n in (1, 2, 3)}, matrix(50), items=50)
    assert all(side.timing.throughput for side in found.sides.values())
    assert "throughput" in str(found)


def test_ctrl_c_returns_what_was_measured() -> None:
    one, two = layers(1), layers(2)
    one(matrix(20)), two(matrix(20))
    interrupt_after(0.7)
    found = compare({"one": one, "two": two}, max_seconds=30.0, min_seconds=30.0)(matrix(20))
    assert found.incomplete == "interrupted"
    assert "interrupted after" in str(found)


def test_without_time_nothing_is_decided() -> None:
    functions = {"a": lambda: time.sleep(0.2), "b": lambda: time.sleep(0.2)}
    found = compared(functions, seconds=0.05)
    assert found["b"].verdict == "undecided"
    assert found.incomplete == "max_seconds was over after the first call"


def test_under_a_trace_it_raises() -> None:
    with pytest.raises(UsageError) as caught:
        jax.jit(lambda x: compare({"a": jnp.sin, "b": jnp.cos})(x)["a"].seconds)(1.0)
    assert str(caught.value).startswith("jaxkit.compare was called inside of ")


NO_DICT = (
    "functions must be a dict of functions by name, got a value of type list; write "
    '{"a": f, "b": g}'
)


@pytest.mark.parametrize(
    ("functions", "options", "error", "said"),
    [
        ({"a": abs}, {}, UsageError, "functions must be two or more, got 1"),
        ({"a": abs, "b": 3}, {}, TypeError, "functions['b'] must be a function, got 3 of type int"),
        (
            {"a": abs, "b": abs},
            {"baseline": "c"},
            UsageError,
            "baseline must be one of a, b, got 'c'",
        ),
        (
            [abs, abs],
            {},
            TypeError,
            NO_DICT,
        ),
    ],
)
def test_what_is_refused(functions: Any, options: Any, error: Any, said: str) -> None:
    with pytest.raises(error) as caught:
        compare(functions, **options)
    assert str(caught.value) == said


def test_the_report() -> None:
    found = compared({"one": layers(1), "two": layers(2)}, matrix(50))
    data = json.loads(found.to_json())["data"]
    assert data["baseline"] == "one"
    assert data["functions"]["two"]["ratio"] == found["two"].ratio
    assert data["functions"]["two"]["interval_of_ratio"] == list(found["two"].interval)
    assert data["functions"]["two"]["verdict"] == found["two"].verdict
    assert data["functions"]["two"]["seconds"] == found["two"].seconds
    assert "baseline" in str(found)
    assert "two" in found._repr_html_()
    assert repr(found) == "<Comparison of one, two with one>"
    with pytest.raises(KeyError) as caught:
        found["three"]
    assert caught.value.args == ("there is no 'three'; there are one, two",)


def test_the_plot_needs_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    found = compared({"one": layers(1), "two": layers(2)}, matrix(50))
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(MissingExtraError) as caught:
            found.plot()
    assert str(caught.value).startswith("this needs the package 'matplotlib'")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "plot.png"
    found.plot(path)
    assert path.stat().st_size > 1000


def subject(seconds: float, **options: Any) -> Subject:
    given = prepared(heavy, (matrix(3),), {}, options.pop("setup", None))
    given.donated = options.pop("donated", False)
    return Subject("f", heavy, given, Heard(), estimate=seconds)


def test_alike_sides_have_blocks_of_the_same_length() -> None:
    assert calls_a_block([subject(10e-6), subject(30e-6)]) == [6, 6]
    assert calls_a_block([subject(10e-6), subject(60e-6)]) == [10, 2]
    assert calls_a_block([subject(1e-3), subject(2e-3)]) == [1, 1]
    assert calls_a_block([subject(10e-6, setup=lambda: None), subject(10e-6)]) == [1, 1]
    assert calls_a_block([subject(10e-6, donated=True), subject(10e-6)]) == [10, 10]


def test_blocks_are_chosen_again_where_the_first_calls_were_in_somebodys_way() -> None:
    def again(seconds: list[float], **options: Any) -> tuple[bool, float]:
        side = subject(200e-6, **options)
        return mistaken([side], Samples([seconds], [[]], [side.inner()])), side.estimate

    assert again([9.0, 49e-6, 1e-6]) == (True, 49e-6)
    assert again([9.0, 51e-6, 1e-6]) == (False, 200e-6)
    assert again([9.0, 49e-6, 1e-6], setup=lambda: None) == (False, 200e-6)  # never more than one
    assert not mistaken([subject(200e-6)], Samples([[9.0, 1e-6, 1e-6]], [[0]], [1]))
    both = [subject(200e-6), subject(200e-6)]
    assert mistaken(both, Samples([[200e-6] * 3, [2e-6] * 3], [[], []], [1, 1]))
    assert [side.estimate for side in both] == [200e-6, 2e-6]


def test_rounds_that_compiled_do_not_count() -> None:
    samples = Samples([[1.0, 9.0, 1.0], [2.0, 2.0, 2.0]], [[1], []], [1, 1])
    assert samples.clean(0).tolist() == [1.0, 1.0]
    assert samples.clean(1).tolist() == [2.0, 2.0, 2.0]
    assert [side.tolist() for side in samples.paired(0, 1)] == [[1.0, 1.0], [2.0, 2.0]]
    mostly = Samples([[9.0, 9.0, 1.0]], [[0, 1]], [1])
    assert mostly.clean(0).tolist() == [9.0, 9.0, 1.0]
