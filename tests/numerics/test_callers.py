"""Findings in a helper that somebody else has called before are on the line of the call."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import jaxkit
from tests.strangers import leave_lines, module

LINE = 6  # of the helper in the second file

FUNCTION = """
def f(x):
    y = x * 1.5
    return {helper}
"""
X = np.array([1.1, 2.2, 3.3, 4.4], np.float32)


def second_of(folder: Path, helper: str, x: Any) -> ModuleType:
    text = FUNCTION.format(helper=helper)
    leave_lines(module(folder / "first.py", text), x)
    return module(folder / "second.py", f"\n{text}")


def place(finding: jaxkit.Finding) -> tuple[str, int]:
    assert finding.where is not None
    return finding.where.file, finding.where.line


@pytest.mark.parametrize(
    ("tool", "helper", "x"),
    [
        (jaxkit.nan_origin, "jnp.linalg.norm(jnp.log(y))", -X),
        (jaxkit.nan_origin, "jnp.linalg.norm(jnp.linalg.inv(y))", np.zeros((3, 3), np.float32)),
        (jaxkit.nan_origin, "jnp.std(y - y) / jnp.std(y - y)", X),
        (jaxkit.shadow, "jnp.linalg.norm(y)", np.full(4, 1e30, np.float32)),
        (jaxkit.shadow, "jnp.var(y * 1e25)", X),
    ],
)
def test_findings_have_the_line_of_the_call(tool: Any, helper: str, x: Any, tmp_path: Path) -> None:
    second = second_of(tmp_path, helper, x)
    report = tool(second.f)(x)
    assert report.findings
    for finding in report.findings:
        assert place(finding) == (second.__file__, LINE)
    assert "first.py" not in str(report)


def test_emulate_selects_by_the_line_and_the_function_of_the_call(tmp_path: Path) -> None:
    second = second_of(tmp_path, "jnp.var(y)", X)
    low = jaxkit.emulate(second.f, dtype="bf16", where=f"line:second.py:{LINE}")(X)
    assert low != second.f(X)
    with pytest.raises(ValueError, match="matches no floating-point equation"):
        jaxkit.emulate(second.f, dtype="bf16", where="line:first.py:5")(X)
