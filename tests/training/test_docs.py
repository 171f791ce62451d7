"""The example of docs/training.md runs, and what it says of the result is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from jaxkit.training.result import Stopped

DOCS = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "docs"}
    for block in re.findall(r"```python\n(.*?)```", DOCS, flags=re.DOTALL):
        exec(compile(block, "docs/training.md", "exec"), space)
    result = space["result"]
    assert "fit: 150 steps, 10 epochs; finished" in capsys.readouterr().out
    assert list(result.history[-1]) == [
        "step",
        "epoch",
        "loss",
        "absolute",
        "validation_loss",
        "validation_absolute",
    ]
    assert result.history[-1]["validation_absolute"] < 0.3
    assert (tmp_path / "runs" / "sine" / "150").is_dir()


def test_each_ending_is_described() -> None:
    assert [word for word in get_args(Stopped) if f'"{word}"' not in DOCS] == []
