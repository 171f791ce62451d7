"""What `jaxkit run` reports, and how a run of it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.both import PROGRAMS, TIMEOUT, Outcome, environment, jaxkit, python

RECOMPILES = PROGRAMS / "recompiles.py"


def run(end: str, folder: Path, *options: str) -> Outcome:
    return jaxkit("run", *options, RECOMPILES, end, cwd=folder)


def compiles(path: Path) -> dict[str, int]:
    data = json.loads(path.read_text("utf-8"))["data"]
    return {function["name"]: function["compiles"] for function in data["functions"]}


def test_the_summary_and_every_form_of_report(tmp_path: Path) -> None:
    """The program moves to another folder and replaces both streams."""
    reports = [f"--report=out.{form}" for form in ("json", "txt", "jsonl")]
    found = run("move", tmp_path, *reports, "--report", "more.jsonl")

    assert found.code == 0
    assert found.stdout == b"devices 3 []\n"
    assert found.stderr.decode() == found.own
    assert found.own.startswith("jaxkit: 3 compilations of 1 function took ")
    assert "axis 0 took 3 sizes (32, 17, 9)" in found.own
    assert (tmp_path / "out.txt").read_text("utf-8") == found.own
    assert compiles(tmp_path / "out.json") == {"step": 3}
    recording = (tmp_path / "out.jsonl").read_bytes()
    assert recording == (tmp_path / "more.jsonl").read_bytes()
    lines = [json.loads(line) for line in recording.splitlines()]
    assert [line["schema"] for line in lines if "causes" in line] == ["jaxkit.compile/1"] * 3
    assert "wall_seconds" in lines[-1]

    again = jaxkit("report", "out.jsonl", "--report", "again.json", cwd=tmp_path)
    assert (again.code, again.stderr) == (0, b"")
    assert again.stdout.decode().splitlines()[1:] == found.own.splitlines()[1:]
    assert compiles(tmp_path / "again.json") == {"step": 3}


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    for options in ((), ("--max-compiles", "9")):
        found = jaxkit("run", *options, RECOMPILES, "return", TMPDIR=str(tmp_path))
        assert found.own.startswith("jaxkit: 3 compilations")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("end", "code"), [("kill", -9), ("leave", 0)])
def test_a_program_that_is_killed_is_reported(end: str, code: int, tmp_path: Path) -> None:
    found = run(end, tmp_path, "--report", "out.json")
    assert found.code == code
    first, second = found.own.splitlines()[:2]
    assert first == "jaxkit: the program was killed, or left by os._exit; recorded until then:"
    assert second.startswith("jaxkit: 3 compilations of 1 function")
    assert compiles(tmp_path / "out.json") == {"step": 3}


def test_what_a_killed_program_was_compiling_is_said(tmp_path: Path) -> None:
    program = PROGRAMS / "dies_compiling.py"
    found = jaxkit("run", "--report", "out.jsonl", program, cwd=tmp_path)
    assert found.code == -9
    first = found.own.splitlines()[0]
    assert re.fullmatch(
        rf"jaxkit: it was compiling big_step \({program}:18\) since \d\d:\d\d:\d\d", first
    )
    again = jaxkit("report", "out.jsonl", cwd=tmp_path)
    assert again.code == 0
    assert b"it was compiling big_step" in again.stderr


@pytest.mark.parametrize(
    ("options", "end", "code", "last"),
    [
        ("--max-compiles 3", "return", 0, ""),
        ("--max-compiles 2", "leave", 3, "was compiled 3 times, --max-compiles allows 2"),
        ("--max-compiles 2", "kill", -9, ""),
        ("--max-compiles 2", "exit", 7, ""),
        ("--fail-on weak-type", "return", 0, ""),
        ("--fail-on warning --fail-on weak-type", "return", 1, "exit code 1: --fail-on warning"),
        (
            "--fail-on shape-change --max-compiles 1",
            "thread",
            3,
            "4 times, --max-compiles allows 1",
        ),
    ],
)
def test_limits_decide_the_exit_code(
    options: str, end: str, code: int, last: str, tmp_path: Path
) -> None:
    found = run(end, tmp_path, *options.split())
    assert found.code == code
    assert found.own.rstrip().endswith(last)
    assert "exit code" in found.own or not last


def test_threads_that_outlive_the_main_one_are_reported(tmp_path: Path) -> None:
    found = run("thread", tmp_path)
    assert found.stdout.endswith(b"thread done\n")
    assert found.own.startswith("jaxkit: 4 compilations of 1 function")


def test_a_forked_child_reports_nothing(tmp_path: Path) -> None:
    found = run("fork", tmp_path, "--report", "out.json")
    assert found.code == 0
    assert found.stdout.splitlines()[:2] == [b"child done", b"0"]
    assert found.own.count("jaxkit: ") == 1
    assert compiles(tmp_path / "out.json") == {"step": 3}


def test_cleared_listeners_are_noticed_and_said(tmp_path: Path) -> None:
    found = run("clear", tmp_path)
    assert found.code == 0
    assert "jax.monitoring.clear_event_listeners" in found.own
    assert found.own.startswith("jaxkit: 5 compilations")


def test_a_report_that_cannot_be_written_any_more(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    found = jaxkit(
        "run",
        "--report",
        "reports/out.json",
        RECOMPILES,
        "remove",
        cwd=tmp_path,
        TMPDIR=str(tmp_path),
    )
    assert found.code == 0
    assert "jaxkit: cannot write a report to" in found.own
    (recording,) = tmp_path.glob("jaxkit-run-*.jsonl")
    assert found.own.rstrip().endswith(
        f"jaxkit: what was recorded is in {recording}: jaxkit report {recording}"
    )
    listed = jaxkit("report", TMPDIR=str(tmp_path))
    assert f"jaxkit report {recording}" in listed.stdout.decode()


@pytest.mark.parametrize(
    "program", ["spawns_jax.py", "listens.py", "broken_jax.py", "recompiles.py"]
)
def test_programs_of_jax_behave_as_under_python(program: str, tmp_path: Path) -> None:
    expected = python(program, "wrong")
    report = ("--quiet", "--report", str(tmp_path / "out.json"))
    found = jaxkit("run", *report, program, "wrong")
    assert _without_addresses(found) == _without_addresses(expected)
    if program == "spawns_jax.py":
        assert compiles(tmp_path / "out.json") == {}


def _without_addresses(outcome: Outcome) -> Outcome:
    hidden = [re.sub(rb"0x[0-9a-f]+", b"0x", text) for text in (outcome.stdout, outcome.stderr)]
    return Outcome(outcome.code, *hidden)


def test_jax_without_a_compilation_takes_one_line(tmp_path: Path) -> None:
    (tmp_path / "idle.py").write_text("import jax")
    assert jaxkit("run", "idle.py", cwd=tmp_path) == Outcome(
        0, b"", b"jaxkit: nothing was compiled\n"
    )


def test_a_program_without_jax_takes_none(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("print('done')")
    reports = ("--report", "out.json", "--report", "out.jsonl")
    found = jaxkit("run", *reports, "plain.py", cwd=tmp_path)
    assert found == Outcome(0, b"done\n", b"")
    assert compiles(tmp_path / "out.json") == {}
    read = jaxkit("report", "out.jsonl", cwd=tmp_path)
    assert read == Outcome(0, b"jaxkit: nothing was compiled\n", b"")
    assert jaxkit("run", "plain.py", cwd=tmp_path) == found


def test_a_program_that_hides_our_modules_is_reported(tmp_path: Path) -> None:
    """Its own `rich` and `report` are not ours, and are not imported by us either."""
    for name in ("rich", "report", "typer"):
        (tmp_path / f"{name}.py").write_text(f"print('own {name}')")
    (tmp_path / "main.py").write_text(
        "import rich, jax, builtins\njax.jit(lambda x: x + 1)(1.0)\nbuiltins.print = None\n"
    )
    found = jaxkit("run", "main.py", cwd=tmp_path)
    assert found.stdout == b"own rich\n"
    assert found.own.startswith("jaxkit: 1 compilation of 1 function")


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_colour_is_for_terminals(variables: dict[str, str]) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("jaxkit")), "run", RECOMPILES, "return"],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=environment(TERM="xterm-256color", **variables),
    )
    os.close(theirs)
    assert process.wait(TIMEOUT) == 0
    said = os.read(ours, 1 << 16)
    os.close(ours)
    assert b"3 compilations of 1 function" in said
    assert (b"\x1b[31m" in said) == (not variables)
