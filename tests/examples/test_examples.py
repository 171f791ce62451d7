"""Each example runs under `jaxkit run` as it does without, and its recompilations are found."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
EAGER = {"subtract", "true_divide", "_mean", "_std"}


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run of an example left behind."""

    output: str
    printed: str
    report: dict[str, Any]

    def warnings(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            (finding["data"]["function"], finding["kind"]): finding["data"]
            for finding in self.report["findings"]
            if finding["severity"] in ("warning", "error")
        }

    def compiles(self, name: str) -> int:
        functions = self.report["data"]["functions"]
        return sum(found["compiles"] for found in functions if found["name"] == name)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Runs an example once for all tests of this file."""
    done: dict[str, Run] = {}

    def run_once(name: str) -> Run:
        if name not in done:
            done[name] = _run(name, tmp_path_factory.mktemp(name) / "out.json")
        return done[name]

    return run_once


def _run(name: str, out: Path) -> Run:
    program = EXAMPLES / f"{name}.py"
    found = subprocess.run(
        [sys.executable, "-m", "jaxkit", "run", "--report", str(out), str(program)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=EXAMPLES.parent,
        env={name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"},
    )
    assert found.returncode == 0, found.stderr
    return Run(found.stdout, found.stderr, json.loads(out.read_text("utf-8")))


def test_ragged_batches_learns(run: Callable[[str], Run]) -> None:
    losses = [float(text) for text in re.findall(r"loss (\d\.\d+)", run("ragged_batches").output)]
    assert len(losses) == 5
    assert losses[-1] < 0.2 < losses[0]


def test_ragged_batches_recompiles(run: Callable[[str], Run]) -> None:
    warnings = run("ragged_batches").warnings()
    step = warnings["train_step", "shape-change"]
    assert set(step["paths"]) == {"batch['signal']", "batch['kind']"}
    assert step["compiles"] == run("ragged_batches").compiles("train_step") == 6
    state = warnings["train_step", "weak-type"]
    assert state["paths"] == ["state['smooth_loss']"]
    assert (state["before"], state["after"]) == ("f32[] weak", "f32[]")
    eager = {name for name, kind in warnings if kind == "eager-op-shapes"}
    assert eager >= EAGER
    assert set(warnings) == {
        ("train_step", "shape-change"),
        ("train_step", "weak-type"),
        *((name, "eager-op-shapes") for name in eager),
    }


def test_ragged_batches_eager_line(run: Callable[[str], Run]) -> None:
    lines = (EXAMPLES / "ragged_batches.py").read_text("utf-8").splitlines()
    for (_, kind), data in run("ragged_batches").warnings().items():
        if kind == "eager-op-shapes":
            assert Path(data["file"]).name == "ragged_batches.py"
            assert "jnp.std(signal)" in lines[data["line"] - 1]
            assert data["compiles"] == 9  # lengths 48 to 56


def test_digits_equinox(run: Callable[[str], Run]) -> None:
    found = run("digits_equinox")
    assert _accuracy(found.output) > 0.9
    warnings = found.warnings()
    assert set(warnings) == {("train_step", "static-metadata")}
    data = warnings["train_step", "static-metadata"]
    assert data["paths"] == ["model.dropout_rate"]
    assert data["compiles"] == 5
    assert found.compiles("accuracy") == 1


def test_digits_plain_jax(run: Callable[[str], Run]) -> None:
    found = run("digits_plain_jax")
    assert _accuracy(found.output) > 0.9
    warnings = found.warnings()
    assert set(warnings) == {("train_step", "static-arg-value"), ("correct", "function-redefined")}
    config = warnings["train_step", "static-arg-value"]
    assert config["paths"] == ["config"]
    assert config["compiles"] == 5
    assert config["call_site"]["function"] == "train_epoch"
    assert warnings["correct", "function-redefined"]["compiles"] == 5


@pytest.mark.parametrize("name", ["ragged_batches", "digits_equinox", "digits_plain_jax"])
def test_summary_is_printed_beside_the_output(run: Callable[[str], Run], name: str) -> None:
    assert "jaxkit" not in run(name).output
    assert "jaxkit: " in run(name).printed
    assert f"examples/{name}.py:" in run(name).printed


@pytest.mark.parametrize("name", ["ragged_batches", "digits_equinox", "digits_plain_jax"])
def test_example_knows_nothing_of_jaxkit(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    assert "import jaxkit" not in text


def _accuracy(output: str) -> float:
    return float(re.findall(r"test accuracy (\d\.\d+)", output)[-1])
