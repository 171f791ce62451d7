"""`--report x.trace.json`: what was compiled, on a timeline."""

from __future__ import annotations

from pathlib import Path

from tests.cli.both import PROGRAMS, jaxkit
from tests.report.test_trace import complete, read

RECOMPILES = PROGRAMS / "recompiles.py"


def test_a_run_and_its_recording_as_timelines(tmp_path: Path) -> None:
    reports = ["--report=out.trace.json", "--report=out.jsonl"]
    assert jaxkit("run", *reports, RECOMPILES, "return", cwd=tmp_path).code == 0
    events = complete(read((tmp_path / "out.trace.json").read_text("utf-8")))
    programs = [event for event in events if event["name"] == "step"]
    assert [event["args"]["cause"] for event in programs] == ["first"] + ["shape-change"] * 2
    assert {"trace", "lower", "compile"} <= {event["name"] for event in events}

    again = jaxkit("report", "out.jsonl", "--report", "again.trace.json", cwd=tmp_path)
    assert (again.code, again.stderr) == (0, b"")
    assert complete(read((tmp_path / "again.trace.json").read_text("utf-8"))) == events


def test_a_program_without_compilations(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("print('done')\n")
    assert jaxkit("run", "--report=out.trace.json", "plain.py", cwd=tmp_path).code == 0
    assert complete(read((tmp_path / "out.trace.json").read_text("utf-8"))) == []


def test_a_tool_without_a_timeline(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def f(x):\n    return x * 2\n")
    found = jaxkit("lint", "model:f", "f32[3]", "--report", "out.trace.json", cwd=tmp_path)
    assert found.code == 2
    assert "a report of lint has no timeline to be written as .trace.json" in found.own
