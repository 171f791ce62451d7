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


def test_the_spans_of_a_program_stand_in_its_summary_and_on_its_timeline(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import time, jax, jaxkit, numpy as np\n"
        "step = jax.jit(lambda x: x * 2)\n"
        "for _ in range(3):\n"
        "    with jaxkit.timer('step') as t:\n"
        "        t.block(step(np.ones(3, np.float32)))\n"
    )
    reports = ["--report=out.trace.json", "--report=out.html", "--report=out.jsonl"]
    found = jaxkit("run", *reports, "train.py", cwd=tmp_path)
    assert found.code == 0
    assert "jaxkit: 3 spans of 1 name in " in found.own
    events = complete(read((tmp_path / "out.trace.json").read_text("utf-8")))
    spans = [event for event in events if event["cat"] == "span"]
    assert [event["name"] for event in spans] == ["step"] * 3
    [program] = [event for event in events if event["name"] == "<lambda>"]
    assert program["tid"] == spans[0]["tid"]
    assert spans[0]["ts"] <= program["ts"]
    assert program["ts"] + program["dur"] <= spans[0]["ts"] + spans[0]["dur"]
    assert "<h2>Spans</h2>" in (tmp_path / "out.html").read_text("utf-8")
    again = jaxkit("report", "out.jsonl", cwd=tmp_path)
    assert "jaxkit: 3 spans of 1 name in " in again.stdout.decode()


def test_a_program_that_only_measures(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("import jaxkit\nwith jaxkit.timer('load'): pass\n")
    found = jaxkit("run", "plain.py", cwd=tmp_path)
    assert found.code == 0
    assert "jaxkit: 1 span of 1 name in " in found.own


def test_timed_put_on_functions_from_outside(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import jax, numpy as np\n"
        "@jax.jit\n"
        "def step(x): return x * 2\n"
        "def train():\n"
        "    return step(np.ones(3, np.float32))\n"
        "for _ in range(3): train()\n"
    )
    applied = ["--apply", "timed@step", "--apply", "timed@train"]
    found = jaxkit("run", *applied, "train.py", cwd=tmp_path)
    assert found.code == 0
    assert "jaxkit: 3 spans of 1 name in " in found.own
    assert "under a trace, where nothing runs that could be timed: step (1x)" in found.own
