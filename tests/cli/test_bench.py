"""`jaxkit bench`: figures, comparisons, JSON, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxkit.cli import bench, main
from jaxkit.timing.detect import KINDS

SPEED = """
import jax, jax.numpy as jnp

@jax.jit
def layer(x):
    return jnp.tanh(x @ x)

@jax.jit
def layers(x):
    for _ in range(6):
        x = jnp.tanh(x @ x)
    return x

def plain(x, n=1):
    return jnp.sin(x) * n

@jax.jit
def dead(x):
    y = jnp.tanh(x @ x)
    return x + 1

def raises(x):
    raise ZeroDivisionError("mine")
"""


@pytest.fixture
def speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "speed_of.py"
    path.write_text(SPEED)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield path
    sys.path[:] = before
    sys.modules.pop("speed_of", None)


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["bench", *arguments, "--max-seconds", "0.2"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_function_is_timed(
    speed: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "layer.html"
    code, out, err = ran(
        capsys, "speed_of:layer", "--args", "f32[50,50]", "--items", "50", "--report", str(path)
    )
    assert (code, err) == (0, "")
    assert out.startswith("layer: ")
    assert "items/s" in out
    assert "a call" in path.read_text()


def test_json_has_the_figures(speed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ran(capsys, "speed_of:plain", "--args", "f32[5]", "n=3", "--json")
    assert (code, err) == (0, "")
    data = json.loads(out)["data"]
    assert data["function"] == "plain"
    assert 0 < data["seconds"] < 1


def test_gradients_and_jit(speed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "speed_of:plain", "--grad", "--jit", "--args", "f32[5]")[0] == 0


def test_two_are_compared(speed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ("speed_of:layers", "--against", "speed_of:layer", "--args", "f32[100,100]")
    code, out, _ = ran(capsys, *both, "--fail-on", "slower")
    table = out.split("rounds in turns")[0]
    assert table.split("----\n")[1].startswith("layer ")
    assert "\nlayers " in table
    assert code == (1 if "slower" in table else 0)
    code, out, _ = ran(capsys, *both, "--json")
    functions = json.loads(out)["data"]["functions"]
    assert list(functions) == ["layer", "layers"]
    assert functions["layers"]["ratio"] > 1
    assert code == 0
    same = ("speed_of:layer", "--against", "speed_of:layer", "--args", "f32[10,10]")
    assert "\nspeed_of:layer (1) " in ran(capsys, *same)[1]


@pytest.mark.parametrize(
    ("fail_on", "code"), [((), 0), (("dead-code",), 1), (("warning",), 1), (("recompiled",), 0)]
)
def test_what_makes_it_fail(
    speed: Path, capsys: pytest.CaptureFixture[str], fail_on: tuple[str, ...], code: int
) -> None:
    options = [option for kind in fail_on for option in ("--fail-on", kind)]
    assert ran(capsys, "speed_of:dead", "--args", "f32[99,99]", *options)[0] == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--fail-on", "dead-cod"),
            "--fail-on: there is no kind 'dead-cod'; did you mean dead-code",
        ),
        (("--fail-on", "slower"), "--fail-on slower needs --against MODULE:FUNCTION"),
        (("--max-seconds", "0"), "max_seconds must be above 0"),
    ],
)
def test_mistakes(
    speed: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    code = main(["bench", "speed_of:layer", "--args", "f32[9,9]", *arguments])
    assert code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_what_the_function_raises(speed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = ran(capsys, "speed_of:raises", "--args", "f32[9]")
    assert code == 2
    assert "ZeroDivisionError: mine" in err


def test_the_kinds_are_all_there() -> None:
    assert bench._KINDS == KINDS
