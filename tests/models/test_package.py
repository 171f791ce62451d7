"""The names of `jaxkit.models`, and what importing it costs."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from jaxkit import models
from tests.test_lazy_import import imported

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
NAMES = [
    "Attention",
    "Block",
    "Cache",
    "ConvNet",
    "GRU",
    "LinearRegression",
    "MLP",
    "Summary",
    "Transformer",
    "generate",
    "rotate",
    "summary",
]


def test_the_names_are_these() -> None:
    assert sorted(models.__all__) == NAMES == sorted(models._WHERE)
    for name in NAMES:
        value = getattr(models, name)
        assert value.__doc__
        assert value is getattr(import_module(f"jaxkit.models.{models._WHERE[name]}"), name)
    assert set(NAMES) <= set(dir(models))
    with pytest.raises(AttributeError) as caught:
        models.Mlp  # type: ignore[attr-defined] # noqa: B018
    assert str(caught.value) == "module 'jaxkit.models' has no attribute 'Mlp'"


def test_importing_it_imports_no_jax() -> None:
    loaded = {name.partition(".")[0] for name in imported("import jaxkit.models")}
    assert not {"jax", "numpy", "equinox"} & loaded


@pytest.mark.usefixtures("cheap_compilation")
def test_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    space: dict[str, Any] = {"__name__": "docs"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(block, "docs/models.md", "exec"), space)
    printed = capsys.readouterr().out
    for shown in re.findall(r"```text\n(.*?)```", PAGE, flags=re.DOTALL):
        assert shown in printed
    assert all(f"`{name}" in PAGE for name in NAMES)
