"""How the command line is read, and what it says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxkit as package
from jaxkit.cli import launch, main
from jaxkit.cli.request import Request, read_quickly
from tests.cli.both import jaxkit


def read_fully(given: list[str], monkeypatch: pytest.MonkeyPatch) -> Request | None:
    """What typer makes of it; None where it ends with an error or with help."""
    from jaxkit.cli.app import read

    found: list[Request] = []
    monkeypatch.setattr(launch, "launch", lambda request: found.append(request) or 0)
    read(["run", *given])()
    return found[0] if found else None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a.py", Request("a.py")),
        ("a.py --help -m --report x -- y", Request("a.py", "--help -m --report x -- y".split())),
        ("-m a.b --report x", Request("a.b", ["--report", "x"], module=True)),
        ("--report a.json --report=b.txt a.py", Request("a.py", reports=["a.json", "b.txt"])),
        ("-q --max-compiles 3 a.py", Request("a.py", max_compiles=3, quiet=True)),
        ("--fail-on x --fail-on=y --quiet a", Request("a", fail_on=["x", "y"], quiet=True)),
        ("--report -m a.py", Request("a.py", reports=["-m"])),
        ("--report= a.py", Request("a.py", reports=[""])),
        ("- x", Request("-", ["x"])),
    ],
)
def test_the_quick_way_reads_what_typer_reads(
    given: str, expected: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_quickly(given.split()) == expected
    assert read_fully(given.split(), monkeypatch) == expected


@pytest.mark.parametrize(
    "given",
    [
        *("", "--help", "--quiet", "--report", "--report x", "--max-compiles x a.py", "-m"),
        *("--nothing a.py", "--max-compiles -1 a.py", "--quiet=1 a.py", "-x a.py"),
        "--max-compiles= a.py",
    ],
)
def test_what_is_wrong_is_for_typer_to_say(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_quickly(given.split()) is None
    assert read_fully(given.split(), monkeypatch) is None
    said = capsys.readouterr()
    assert "Usage: jaxkit run" in said.out or "Error: " in said.err


@pytest.mark.parametrize("given", ["-- a.py", "-qm a.b x"])
def test_forms_that_only_typer_knows(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_quickly(given.split()) is None
    assert read_fully(given.split(), monkeypatch) is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ["run", "--report", "x.doc", "a.py"],
            (
                "cannot write a report to 'x.doc': its name must end in one of .html, .json, "
                ".jsonl, .sarif, .trace.json, .txt, which choose the form"
            ),
        ),
        (
            ["run", "--fail-on", "shape-chang", "a.py"],
            (
                "--fail-on must be 'warning' or the kind of a cause, got 'shape-chang'; "
                "is it 'shape-change'?; the kinds are first, shape-change, "
            ),
        ),
        (
            ["run", "--", "-x.py"],
            (
                "SCRIPT must be a file or, with -m, a module, got '-x.py'; "
                "a file of that name is ./-x.py"
            ),
        ),
        (["report", "missing.jsonl"], "cannot read the recording 'missing.jsonl': No such file"),
        (["report", "--report", "x.json"], "--report needs a recording to report on"),
        (["report", "a", "b", "--report", "x.json"], "--report takes one recording, got 2"),
    ],
)
def test_mistakes_are_named(
    given: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("raise SystemExit('the program ran')")
    assert main(given) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"jaxkit: {message}")
    assert said.err.count("\n") == 1


def test_an_unwritable_report_is_said_before_the_program_runs(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print('the program ran')")
    found = jaxkit("run", "--report", "missing/x.json", "a.py", cwd=tmp_path)
    assert (found.code, found.stdout) == (2, b"")
    folder = tmp_path / "missing"
    assert found.own == (
        "jaxkit: cannot write a report to 'missing/x.json': "
        f"the folder {str(folder)!r} does not exist: make it first\n"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("trian.py", "jaxkit: there is no file 'trian.py'; is it 'train.py'?\n"),
        ("xyz", "jaxkit: there is no file 'xyz'; a module is run by jaxkit run -m xyz\n"),
        ("no/such.py", "jaxkit: there is no file 'no/such.py'\n"),
    ],
)
def test_a_missing_script_ends_with_code_2_and_a_hint(name: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    found = jaxkit("run", name, cwd=tmp_path)
    assert found.code == 2
    assert found.stderr.decode().startswith(hint)
    assert "can't open file" in found.stderr.decode()


@pytest.mark.parametrize("command", ["run", "report", "doctor"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert "\n  Examples:\n    jaxkit " in said
    assert max(len(line) for line in said.splitlines()) <= 80


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxkit {package.__version__}\n"
