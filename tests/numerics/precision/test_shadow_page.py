"""What a person reads of a shadow, in each of the forms of a report."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np

import jaxkit
from jaxkit.numerics.precision.outputs import Leaf
from jaxkit.numerics.precision.page import blocks_of
from jaxkit.report import Report, Section, SourceHeat, Table, Text

X = np.float32([1000, 1001, 1002])


def spread(x: jnp.ndarray) -> dict[str, jnp.ndarray]:
    """Loses its digits in the last line."""
    mean = x.mean()
    return {"spread": (x * x).mean() - mean * mean, "n": jnp.asarray(x.size)}


LINE = spread.__code__.co_firstlineno + 3


def test_the_source_has_what_each_line_loses(tmp_path: Path) -> None:
    report = jaxkit.shadow(spread)(X)
    text = str(report)
    assert text.startswith("spread: 1 of 1 output further from double precision than allowed\n")
    assert "cancellation" in text
    assert "relative errors" in text
    sections = [block for block in report.blocks if isinstance(block, Section)]
    [heat] = [each for section in sections for each in section.whole]
    assert isinstance(heat, SourceHeat)
    assert heat.file == __file__
    [guilty] = [line for line in heat.lines if line.number == LINE]
    assert "digits lost" in guilty.label
    assert guilty.notes[0].startswith("cancellation: ")
    assert 0.99 < sum(line.share or 0 for line in heat.lines) <= 1.01
    for suffix in (".html", ".json", ".txt", ".sarif"):
        report.save(tmp_path / f"out{suffix}")
    assert "digits lost" in (tmp_path / "out.html").read_text("utf-8")
    assert "digits lost" not in text  # a terminal has the findings
    assert Report.from_json(report.to_json()).findings == report.findings


def test_what_is_sound_is_said() -> None:
    sound = "<lambda>: 1 output, as close to double precision as allowed: nothing to report\n"
    assert str(jaxkit.shadow(lambda x: x.mean())(X)) == sound
    nothing = "<lambda>: no floating-point output, nothing to compare\n"
    assert str(jaxkit.shadow(lambda x: x.argmax())(X)) == nothing


def test_what_is_not_finite_has_no_error() -> None:
    def both(x: jnp.ndarray) -> tuple[jnp.ndarray, jnp.ndarray]:
        return jnp.log(x - 1000), x * 1.0

    text = str(jaxkit.shadow(both)(X))
    assert text.startswith("both: 1 of 2 outputs not finite\n")
    [row] = [line for line in text.splitlines() if line.startswith("output[0]  ")]
    assert row.split() == ["output[0]", "not", "finite", "2.4e-05"]


def test_the_heading_counts_what_is_off_and_what_is_not_finite() -> None:
    leaves = [
        Leaf(0, "output[0]", 2e-5, 3e-2, 3e-2, "wrong", "wrong"),
        Leaf(1, "output[1]", 2e-5, 0.0, 0.0, "nonfinite", "fine"),
        Leaf(2, "output[2]", 2e-5, 1e-8, 1e-8, "fine", "fine"),
    ]
    heading, table, *_ = blocks_of("f", leaves, [], {})
    assert isinstance(heading, Text)
    assert heading.text == (
        "f: 1 of 3 outputs further from double precision than allowed, 1 not finite"
    )
    assert isinstance(table, Table)
    assert table.rows == (
        ("output[1]", "not finite", "", "2.0e-05"),
        ("output[0]", "3.0e-02", "3.0e-02", "2.0e-05"),
    )
