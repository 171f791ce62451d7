import os
import stat
from pathlib import Path

import pytest

from jaxkit.errors import ReportPathError
from jaxkit.report import Report, SourceLine, Text, check_writable
from jaxkit.report.finding import Finding

REPORT = Report("compiles", blocks=[Text("hello")])


def refused(path: str | Path) -> str:
    """What saving and checking say, which is the same."""
    with pytest.raises(ReportPathError) as early:
        check_writable(path)
    with pytest.raises(ReportPathError) as late:
        REPORT.save(path)
    assert str(early.value) == str(late.value)
    assert early.value.path == os.fspath(path)
    return early.value.reason


def test_the_suffix_chooses_the_form(tmp_path: Path) -> None:
    REPORT.save(tmp_path / "out.txt")
    REPORT.save(str(tmp_path / "out.json"))
    assert (tmp_path / "out.txt").read_bytes() == b"hello\n"
    assert Report.from_json((tmp_path / "out.json").read_bytes()) == REPORT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.txt"]


def test_names_that_are_not_unicode_are_saved(tmp_path: Path) -> None:
    report = Report("c", [Finding("k", "info", "m", where=SourceLine("\udcff.py", 1))])
    report.save(tmp_path / "out.json")
    assert Report.from_json((tmp_path / "out.json").read_bytes()) == report
    report.save(tmp_path / "out.txt")
    assert rb"\udcff.py:1" in (tmp_path / "out.txt").read_bytes()


def test_a_failure_in_the_middle_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportPathError) as caught:
        REPORT.save(path)
    assert str(caught.value) == (
        f"cannot write a report to {str(path)!r}: the system says: No space left on device"
    )
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")

    def interrupted(source: str, target: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        REPORT.save(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_stay_and_new_files_have_the_usual_ones(tmp_path: Path) -> None:
    old, new, usual = tmp_path / "old.txt", tmp_path / "new.txt", tmp_path / "usual"
    old.write_text("old")
    old.chmod(0o640)
    usual.touch()
    REPORT.save(old)
    REPORT.save(new)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert new.stat().st_mode == usual.stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = tmp_path / "out.txt"
    link.symlink_to(folder / "real.txt")
    check_writable(link)
    REPORT.save(link)
    assert link.is_symlink()
    assert (folder / "real.txt").read_text() == "hello\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe.txt"
    os.mkfifo(path)
    check_writable(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    REPORT.save(path)
    assert os.read(reader, 100) == b"hello\n"
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    check_writable(path)
    check_writable(tmp_path / "run.jsonl", also=[".jsonl"])
    assert path.read_text() == "old"


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "file").touch()
    missing, inside = tmp_path / "missing", tmp_path / "file"
    assert refused(tmp_path / "folder.txt") == "it is a folder: name a file in it"
    assert (
        refused(missing / "out.txt") == f"the folder {str(missing)!r} does not exist: make it first"
    )
    assert refused(inside / "out.txt") == (
        f"{str(inside)!r} is not a folder, or is inside a file: choose another"
    )
    assert "embedded null" in refused("a\0.txt")
    assert refused(tmp_path / ("x" * 300 + ".txt")) == "the system says: File name too long"
    assert refused("out.pdf").startswith("its name must end in one of ")


def test_what_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As root, who may write anywhere, only what the system answers can be simulated.
    def denied(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "old.txt").touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *arguments: False)
        with pytest.raises(ReportPathError) as caught:
            check_writable(tmp_path / "old.txt")
    assert caught.value.reason == "the file is there and read-only: choose another"
    monkeypatch.setattr(os, "open", denied)
    assert refused(tmp_path / "out.txt") == (
        f"the folder {str(tmp_path)!r} does not let you make files: choose another"
    )
