"""`jaxkit lint`: exit codes, kinds, SARIF."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxkit.cli import main

MODEL = """
import jax, jax.numpy as jnp

def bad(x):
    return -jnp.log(jax.nn.softmax(x)).mean()

def good(x):
    return -jax.nn.log_softmax(x).mean()

def unused(x, y):
    return x + 1
"""


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "linted_model.py"
    path.write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield path
    sys.path[:] = before
    sys.modules.pop("linted_model", None)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("bad", "f32[4]"), 1),
        (("good", "f32[4]"), 0),
        (("good", "--grad", "f32[4]"), 0),
        (("bad", "f32[4]", "--fail-on", "none"), 0),
        (("bad", "f32[4]", "--fail-on", "error"), 0),
        (("bad", "f32[4]", "--fail-on", "key-reuse"), 0),
        (("bad", "f32[4]", "--fail-on", "error", "--fail-on", "log-of-softmax"), 1),
        (("bad", "f32[4]", "--select", "key-reuse"), 0),
        (("unused", "f32[4]", "f32[4]"), 0),
        (("unused", "f32[4]", "f32[4]", "--fail-on", "info"), 1),
        (("unused", "f32[4]"), 2),
        (("bad", "f32[4]", "--fail-on", "log-of-softmx"), 2),
        (("bad", "f32[4]", "--select", "log-of-softmx"), 2),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    name, *rest = arguments
    assert main(["lint", f"linted_model:{name}", *rest]) == code


def test_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lint", "linted_model.py:bad", "f32[4]"])
    out = capsys.readouterr().out
    assert out.startswith("lint: 1 finding (1 warning)\n  warning log-of-softmax")
    assert "fix: use jax.nn.log_softmax(x)" in out
    assert "linted_model.py:5:" in out
    assert str(Path.cwd()) not in out
    main(["lint", "linted_model.py:good", "f32[4]"])
    assert capsys.readouterr().out == "lint: nothing found\n"
    main(["lint", "linted_model.py:bad", "f32[4]", "--fail-on", "log-of-softmx"])
    assert capsys.readouterr().err == (
        "jaxkit: --fail-on: there is no kind 'log-of-softmx'; did you mean log-of-softmax?\n"
    )


def test_sarif_for_a_code_host(tmp_path: Path) -> None:
    assert main(["lint", "linted_model:bad", "f32[4]", "--report", "out.sarif"]) == 1
    (run,) = json.loads((tmp_path / "out.sarif").read_text())["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("log-of-softmax", "warning")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "linted_model.py", "uriBaseId": "SRCROOT"}
    assert place["region"]["startLine"] == 5
