"""The Python of docs/rules.md runs, and is as short as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_python_blocks_run(block: str) -> None:
    exec(compile(block, "rules.md", "exec"), {"__name__": "rules"})


def test_the_rule_is_as_long_as_it_says() -> None:
    body = BLOCKS[0].split("class ")[1].split("\n\n\n")[0]
    assert f"in {sum(bool(line.strip()) for line in body.splitlines())} lines" in PAGE
