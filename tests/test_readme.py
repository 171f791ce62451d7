"""The README's Python runs, and its sample output is that of its example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jaxkit.compiles.event import CAUSE_KINDS

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.usefixtures("settings_of_users")
@pytest.mark.parametrize("block", BLOCKS)
def test_python_blocks_run(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    if "jaxkit.watch()" in block:
        assert "batch['x'] changed shape: axis 0 took 2 sizes (32, 4)" in printed
    if "check_function" in block:
        assert printed.startswith("attend: it means the same in every way; ")


def test_every_cause_is_listed() -> None:
    assert [kind for kind in CAUSE_KINDS if kind != "first" and f"`{kind}`" not in README] == []
