"""A committed file of the signatures that a program compiles."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxkit
from jaxkit.compiles.groups import MAX_SHAPES
from jaxkit.compiles.log import CompileLog


def programs(*sizes: int, name: str = "total") -> CompileLog:
    def function(batch):
        return batch["x"].sum()

    function.__name__ = function.__qualname__ = name
    jitted = jax.jit(function)
    with jaxkit.watch() as log:
        for size in sizes:
            jitted({"x": np.ones(size, np.float32)})
        np.asarray(jax.numpy.sin(np.ones(len(sizes) + 50)))  # outside jit: in no snapshot
    return log


def test_the_same_program_again(tmp_path: Path) -> None:
    path = tmp_path / "compiles.json"
    programs(3, 4).save_snapshot(path)
    first = path.read_bytes()
    programs(4, 3).save_snapshot(path)
    assert path.read_bytes() == first  # neither order nor time stands in it
    report = programs(3, 4).check_snapshot(path)
    assert report.findings == ()
    assert report.raise_if_found("info") is report


def test_a_new_signature_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "compiles.json"
    programs(3, 40).save_snapshot(path)
    report = programs(3, 5).check_snapshot(path)
    assert [(f.kind, f.severity, f.message) for f in report.findings] == [
        ("new-signature", "warning", "total was compiled for batch['x'] f32[3] -> f32[5]"),
        (
            "missing-signature",
            "info",
            "tests/compiles/test_snapshot.py:total: 1 of the snapshot were not compiled",
        ),
    ]
    assert report.findings[0].fix == (
        f"if that is meant, log.save_snapshot({str(path)!r}) and commit the file"
    )
    with pytest.raises(jaxkit.FindingsError):
        report.raise_if_found("warning")


def test_a_new_function_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "compiles.json"
    programs(3).save_snapshot(path)
    report = programs(3, 4, name="mean").check_snapshot(path)
    assert [f.message for f in report.findings if f.severity == "warning"] == [
        "mean was compiled for 2 signatures, and the snapshot does not have it"
    ]


def test_a_line_more_above_the_function_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "compiles.json"
    programs(3).save_snapshot(path)
    data = json.loads(path.read_text())
    assert list(data["functions"]) == ["tests/compiles/test_snapshot.py:total"]


@pytest.mark.parametrize(
    ("known", "kinds"), [(MAX_SHAPES - 1, ["new-signature"]), (MAX_SHAPES, [])]
)
def test_a_function_of_more_signatures_than_are_kept(
    known: int, kinds: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "compiles.json"
    programs(*range(1, known + 1)).save_snapshot(path)
    report = programs(known + 1).check_snapshot(path)
    assert [f.kind for f in report.findings if f.severity == "warning"] == kinds


def test_no_snapshot(tmp_path: Path) -> None:
    log = programs(3)
    path = tmp_path / "none.json"
    with pytest.raises(jaxkit.UsageError, match=r"log\.save_snapshot\('.*none\.json'\) writes one"):
        log.check_snapshot(path)
    path.write_text("[]")
    with pytest.raises(jaxkit.UsageError, match=r"its schema must be 'jaxkit\.snapshot/1', got"):
        log.check_snapshot(path)
    path.write_text("{")
    with pytest.raises(jaxkit.UsageError, match=r"none\.json is no snapshot: Expecting"):
        log.check_snapshot(path)
