"""The Python of docs/numerics.md runs, and its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import jax.numpy as jnp
import pytest

from jaxkit.cli.kinds import PRECISION
from jaxkit.numerics.comparing.accuracy import default_rtol
from jaxkit.numerics.precision import classify, suspects
from jaxkit.numerics.precision.tolerance import rtol_of

PAGE = (Path(__file__).parents[2] / "docs" / "numerics.md").read_text("utf-8")
BLOCKS = re.findall(r"### (.*?)\n.*?```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("title", "block"), BLOCKS, ids=[title for title, _ in BLOCKS])
def test_the_bugs_are_found_and_the_remedies_are_sound(title: str, block: str) -> None:
    exec(compile(block, f"{title}.py", "exec"), {"__name__": "numerics"})


def test_there_are_five_and_every_kind_is_explained() -> None:
    assert len(BLOCKS) == 5
    rows = PAGE.split("## Kinds of findings")[1].split("## Five bugs")[0]
    assert set(re.findall(r"`([a-z-]+)`", rows)) == set(PRECISION)


def test_the_thresholds_are_those_of_the_code() -> None:
    row = next(line for line in PAGE.splitlines() if "`eps ** (2/3)`" in line)
    for dtype, name in ((jnp.float32, "f32"), (jnp.float16, "f16"), (jnp.bfloat16, "bf16")):
        assert rtol_of(dtype) == default_rtol(dtype)
        assert f"{rtol_of(dtype):.1e} in {name}".replace("e-0", "e-") in row
    assert f"amplification above {classify.AMPLIFIES:.0f} |" in PAGE
    assert f"more than {classify.AMPLIFIES:.0f} times as large" in PAGE
    assert f"more than {suspects._SHARE:.0%} |" in PAGE
