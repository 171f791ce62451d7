"""The examples of docs/timing.md run, one after the other as a reader would run them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jaxkit.timing.detect import KINDS

DOCS = (Path(__file__).parents[2] / "docs" / "timing.md").read_text("utf-8")


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    space: dict[str, Any] = {"__name__": "docs"}
    for block in re.findall(r"```python\n(.*?)```", DOCS, flags=re.DOTALL):
        exec(compile(block, "docs/timing.md", "exec"), space)
    printed = capsys.readouterr().out
    assert "layer: " in printed
    assert "baseline" in printed


def test_every_kind_is_described() -> None:
    assert [kind for kind in KINDS if f"| `{kind}` |" not in DOCS] == []
