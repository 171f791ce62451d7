"""`jaxkit shadow` and `jaxkit nan-origin`: values for the arguments, exit codes, reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.cli import main
from jaxkit.cli.calling import Asked, prepared
from jaxkit.cli.shapes import read_argument
from jaxkit.cli.values import Valued, Values

NUMBERS = """
import jax, jax.numpy as jnp

def variance(x):
    mean = x.mean()
    return (x * x).mean() - mean * mean

def sound(w, x, scale=1.0):
    return jnp.tanh(x @ w).sum() * scale

def power(x, n):
    return x**n

def log_of(x):
    return jnp.log(x).sum()

def raises(x):
    raise ZeroDivisionError("mine")

def arguments():
    return jnp.linspace(1000.0, 1001.0, 8),

def half():
    return jax.ShapeDtypeStruct((4, 2), "float32"), jnp.ones((3, 4))
"""


@pytest.fixture
def numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "numbers_of.py"
    path.write_text(NUMBERS)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield path
    sys.path[:] = before
    sys.modules.pop("numbers_of", None)


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


BAD = ("numbers_of:variance", "--args", "normal(f32[64], 1e4, 1)")


def test_shadow_finds_the_line_and_fails(
    numbers: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    paths = [tmp_path / f"out{suffix}" for suffix in (".json", ".html", ".txt", ".sarif")]
    options = [option for path in paths for option in ("--report", str(path))]
    code, out, err = ran(capsys, "shadow", *BAD, *options)
    assert (code, err) == (1, "")
    assert "cancellation" in out
    assert "numbers_of.py:6" in "".join(out.split())
    assert all(path.stat().st_size > 100 for path in paths)
    document = json.loads(paths[0].read_text())
    assert document["findings"][0]["kind"] == "cancellation"
    assert document["findings"][0]["where"]["line"] == 6
    assert document["data"]["arguments"] == {
        "written": ["normal(f32[64], 1e4, 1)"],
        "seed": 0,
        "drawn": False,
    }


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--fail-on", "cancellation"), 1),
        (("--fail-on", "overflow"), 0),
        (("--fail-on", "none"), 0),
        (("--rtol", "1e30"), 0),
    ],
)
def test_what_makes_it_fail(
    numbers: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: int
) -> None:
    assert ran(capsys, "shadow", *BAD, *options)[0] == code


def test_random_values_are_said_and_those_of_a_seed(
    numbers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = ("numbers_of:sound", "--grad", "--args", "f32[8,3]", "f32[4,8]", "scale=2.0")
    code, out, err = ran(capsys, "shadow", *sound, "--seed", "3")
    assert (code, err) == (0, "")
    assert "called with random values (--seed 3)" in " ".join(out.split())


def values(*texts: str, seed: int = 0) -> list[Any]:
    given = [read_argument(text, {}) for text in texts]
    source = Values(seed)
    return [source.of(each) for each in given]


def test_values_that_are_drawn() -> None:
    normal, again, integers, flags, key = values(
        "f32[1000]", "f32[1000]", "i32[9]", "bool[9]", "key"
    )
    assert abs(float(normal.mean())) < 0.1
    assert abs(float(normal.std()) - 1) < 0.1
    assert not np.array_equal(normal, again)
    assert np.array_equal(normal, values("f32[1000]")[0])
    assert not np.array_equal(normal, values("f32[1000]", seed=1)[0])
    assert set(np.asarray(integers)) == {0, 1}
    assert flags.dtype == bool
    assert jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    [weak] = values("weak f32[]")
    assert type(weak) is float
    assert values("c64[2]")[0].dtype == np.complex64


def test_values_that_are_written() -> None:
    one, low, key = values("f32([[1, 2.5]])", "bf16(0.1)", "key(3)")
    assert np.array_equal(one, np.float32([[1, 2.5]]))
    assert (low.dtype, low.shape) == (jnp.bfloat16, ())
    assert jnp.array_equal(jax.random.key_data(key), jax.random.key_data(jax.random.key(3)))
    uniform, near, many, whole = values(
        "uniform(f32[99], -1, 1)",
        "normal(f32[999], 1e4, 1)",
        "loguniform(f32[99], 1e-8, 1)",
        "uniform(i32[99], 2, 5)",
    )
    assert -1 <= uniform.min() < -0.5 < 0.5 < uniform.max() < 1
    assert abs(float(near.mean()) - 1e4) < 1
    assert 1e-8 <= many.min() < 1e-4 < many.max() < 1
    assert set(np.asarray(whole)) == {2, 3, 4}
    [tree] = [read_argument("{'x': f32([1]), 'y': [f32[2]]}", {})]
    assert isinstance(tree["x"], Valued)
    assert tree["x"].struct.shape == (1,)


def test_values_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("two.npz", x=np.float32([1, 2]), y=np.arange(3))
    np.savez("one.npz", x=np.float64([1, 2]))
    np.save("alone.npy", np.float32([[3]]))
    both, named, one, alone = values("two.npz", "two.npz:y", "one.npz", "alone.npy")
    assert sorted(both) == ["x", "y"] if isinstance(both, dict) else True
    assert np.array_equal(named, [0, 1, 2])
    assert (one.dtype, alone.shape) == (np.float32, (1, 1))  # as 64-bit types are off
    assert sorted(read_argument("two.npz", {})) == ["x", "y"]


def test_shapes_are_enough_where_nothing_is_run(
    numbers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = ran(capsys, "inspect", "numbers_of:power", "f32([1, 2])", "2")
    assert code == 0
    assert out.startswith("power: ")


def test_numbers_with_a_point_are_values_and_others_options(numbers: Path) -> None:
    fun, args, kwargs = prepared(Asked("numbers_of.py:power", ["0.5", "2"]), Values(0))
    assert (args, kwargs) == ((0.5,), {})
    assert fun(*args) == 0.25


def test_arguments_of_a_function(numbers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = ran(capsys, "shadow", "numbers_of:variance", "--args-from", "arguments")
    assert code == 1
    code, out, _ = ran(capsys, "shadow", "numbers_of:sound", "--args-from", "half")
    assert code == 0
    assert "called with random values" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("f32[2]", "--fail-on", "cancelation"), "--fail-on: there is no kind 'cancelation'; "),
        (("f33([1])",), "--args number 1, 'f33([1])': there is no dtype 'f33'; did you mean f32?"),
        (("f32('x')",), "--args number 1, \"f32('x')\": 'x' is no array of float32: "),
        (
            ("uniform(f32[2])",),
            (
                "--args number 1, 'uniform(f32[2])': 'uniform(f32[2])': values are written "
                "f32([1.5, 2]), uniform(f32[8], 0, 1), normal(...), loguniform(...)"
            ),
        ),
        (("gone.npz",), "--args number 1, 'gone.npz': there is no file 'gone.npz'"),
        (("f32[2]", "--report", "x.doc"), "cannot write a report to 'x.doc'"),
    ],
)
def test_mistakes(
    numbers: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = ran(capsys, "shadow", "numbers_of:variance", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"jaxkit: {message}")


def test_what_the_function_raises_is_shown_whole(
    numbers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = ran(capsys, "shadow", "numbers_of:raises", "f32[2]")
    assert code == 2
    assert err.startswith("jaxkit: running numbers_of:raises failed:\nTraceback ")
    assert "ZeroDivisionError: mine" in err
