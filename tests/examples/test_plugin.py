"""The package to copy is complete and short, and is found once installed; `.ci/run` installs it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from jaxkit.transforms import available, get
from tests.plugins import installer

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"


def test_it_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text("utf-8"))["project"]
    points = project["entry-points"]["jaxkit.transforms"]
    (module,) = {value.partition(":")[0] for value in points.values()}
    code = (PLUGIN / "src" / module / "__init__.py").read_text("utf-8")
    installer(tmp_path, monkeypatch)(module, code, *(f"{n} = {v}" for n, v in points.items()))
    entry = available()["scale_gradient"]
    assert (entry.error, str(entry.options)) == (None, "(*, factor: 'float' = 1.0)")
    assert get("scale_gradient").tags == {"changes_grad"}
    sys.modules.pop(module)


def test_it_is_short() -> None:
    def lines(path: str) -> int:
        return sum(bool(line.strip()) for line in (PLUGIN / path).read_text("utf-8").splitlines())

    assert lines("tests/test_laws.py") == 5
    assert lines("README.md") <= 10
    assert lines("src/jaxkit_scale_gradient/__init__.py") <= 60
