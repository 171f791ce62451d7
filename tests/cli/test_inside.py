"""The program's side of the line to its monitor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jaxkit.cli.inside import _Session


@pytest.fixture
def pipes() -> tuple[int, int, int, int]:
    return (*os.pipe(), *os.pipe())


def test_an_end_is_told_and_answered(
    pipes: tuple[int, int, int, int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said, say, answered, answer = pipes
    os.write(answer, b".")
    _Session(str(tmp_path / "spool"), (say, answered)).end()
    assert os.read(said, 9) == b"h."
    assert capfd.readouterr() == ("", "")
    for fd in pipes:
        os.close(fd)


def test_a_monitor_that_was_killed_is_missed(
    pipes: tuple[int, int, int, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # what the program has of its own is written to the spool
    said, say, answered, answer = pipes
    session = _Session("spool.jsonl", (say, answered))
    os.close(said)
    os.close(answer)
    session.end()
    assert capfd.readouterr().err == (
        "jaxkit: the process that was to report was killed; what was recorded is in spool.jsonl: "
        "jaxkit report spool.jsonl\n"
    )
    os.close(say)
    os.close(answered)


def test_a_file_that_got_the_number_of_the_pipe_is_left_alone(
    pipes: tuple[int, int, int, int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said, say, answered, answer = pipes
    session = _Session(str(tmp_path / "spool"), (say, answered))
    with open(tmp_path / "file", "w") as file:
        os.dup2(file.fileno(), say)
    session.end()
    assert (tmp_path / "file").read_bytes() == b""
    assert capfd.readouterr() == ("", "")
    for fd in pipes:
        os.close(fd)
    del said, answer
