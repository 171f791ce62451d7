"""`jaxkit report`: recordings read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jaxkit.cli import main
from tests.cli.both import python

EVENT = {
    "schema": "jaxkit.compile/1",
    "index": 0,
    "process": 0,
    "thread": "MainThread",
    "time": 1.0,
    "outcome": "compiled",
    "function": {
        "name": "step",
        "qualname": "step",
        "module": "__main__",
        "file": "train.py",
        "line": 4,
        "id": "1",
    },
    "call_site": {"file": "train.py", "line": 9, "function": "main"},
    "via": "jit",
    "stages": ["trace", "lower", "compile"],
    "seconds": {"trace": 0.1, "lower": 0.1, "compile": 0.3},
    "persistent_cache": "off",
    "recompile": False,
    "structure": "",
    "options": {},
    "config": {},
    "signature": [],
    "causes": [{"kind": "first"}],
}
HEADER = {"schema": "jaxkit.run/1", "start": 1.0, "pid": 1}
END = {"schema": "jaxkit.run/1", "end": 2.0, "wall_seconds": 2.0, "exit": None, "notes": {}}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (HEADER, EVENT, END)), "utf-8")
    return path


def test_a_recording_reads_back(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(recording), "--report", str(recording.with_suffix(".json"))]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("jaxkit: 1 compilation of 1 function took 0.5 s of 2.0 s (25%)")
    assert said.err == ""
    assert json.loads(recording.with_suffix(".json").read_text("utf-8"))["tool"] == "compiles"


def test_several_are_shown_one_after_the_other(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(recording), str(recording)]) == 0
    assert capsys.readouterr().out.count("jaxkit: 1 compilation") == 2


def test_a_cut_recording_is_used_as_far_as_it_goes(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = recording.read_bytes()
    second = json.dumps(EVENT).encode()
    recording.write_bytes(whole[: whole.index(b'{"schema": "jaxkit.run/1", "end"')] + second[:99])
    assert main(["report", str(recording)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("jaxkit: 1 compilation of 1 function took 0.5 s")
    problem, end = said.err.splitlines()
    assert problem.startswith(
        f"jaxkit: {recording}: line 3 could not be read (the last line is cut)"
    )
    assert end == (
        f"jaxkit: {recording}: the recording has no end: its program was killed or is still running"
    )


@pytest.mark.parametrize("content", ["", "no json\n", '{"schema": "other/1"}\n'])
def test_what_is_no_recording_is_refused(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    assert main(["report", str(tmp_path / "x.jsonl")]) == 2
    assert "must be a recording of jaxkit (.jsonl)" in capsys.readouterr().err


def test_jax_need_not_be_installed(recording: Path) -> None:
    blocked = "import sys; sys.modules.update(jax=None, jaxlib=None, numpy=None, equinox=None)"
    call = f"from jaxkit.cli import main; raise SystemExit(main(['report', {str(recording)!r}]))"
    found = python("-c", f"{blocked}; {call}")
    assert (found.code, found.stderr) == (0, b"")
    assert found.stdout.startswith(b"jaxkit: 1 compilation of 1 function")


def test_recordings_left_behind_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "jaxkit-run-12-ab.jsonl").write_text("")
    assert main(["report"]) == 0
    assert f"  jaxkit report {tmp_path / 'jaxkit-run-12-ab.jsonl'}\n" in capsys.readouterr().out
