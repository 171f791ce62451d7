import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from jaxkit.report import Finding, Report, SourceLine, Table, Text, Tree, render
from jaxkit.report.render_text import print_report, render_text
from tests.strategies import any_text, reports

SUMMARY = Report(
    "compiles",
    blocks=[
        Text("jaxkit: 9 compilations of 3 functions took 4.1 s of 9.8 s (42%)", style="heading"),
        Tree(
            "train_step  train.py:41    5 compilations  3.2 s   "
            "called from train.py:66 in main loop",
            [
                "batch['x'] changed shape: axis 0 took 5 sizes (32, 31, 17, 9, 4)",
                (
                    "fix: pad it to 32 rows, and average with its mask: 1 compilation left, "
                    "2.6 s saved, 9% padding (replayed)"
                ),
                Tree("seen before", ["f32[32,8]"], style="dim"),
            ],
        ),
        Table(
            ["function", "compiles", "seconds"],
            [["train_step", 5, "3.2"], ["evaluate", 12, "0.5"]],
            title="Functions",
            align=["left", "right", "right"],
        ),
    ],
)


def test_blocks() -> None:
    assert render(SUMMARY) == (
        "jaxkit: 9 compilations of 3 functions took 4.1 s of 9.8 s (42%)\n"
        "train_step  train.py:41    5 compilations  3.2 s   called from train.py:66 in\n"
        "  main loop\n"
        "  batch['x'] changed shape: axis 0 took 5 sizes (32, 31, 17, 9, 4)\n"
        "  fix: pad it to 32 rows, and average with its mask: 1 compilation left, 2.6 s\n"
        "    saved, 9% padding (replayed)\n"
        "  seen before\n"
        "    f32[32,8]\n"
        "Functions\n"
        "function     compiles   seconds\n"
        "-------------------------------\n"
        "train_step          5       3.2\n"
        "evaluate           12       0.5\n"
    )


def test_findings_where_there_are_no_blocks() -> None:
    report = Report(
        "compiles",
        [
            Finding(
                "shape-change",
                "warning",
                "batch['x'] changed shape: axis 0 took 5 sizes (32, 31, 17, 9, 4), one "
                "after another",
                where=SourceLine("train.py", 41, function="train_step"),
                fix="pad it to 32 rows",
            ),
            Finding("first", "info", "compiled once"),
        ],
    )
    assert render(report) == (
        "compiles: 2 findings (1 warning, 1 info)\n"
        "  warning shape-change  train.py:41 in train_step\n"
        "    batch['x'] changed shape: axis 0 took 5 sizes (32, 31, 17, 9, 4), one\n"
        "      after another\n"
        "    fix: pad it to 32 rows\n"
        "  info first\n"
        "    compiled once\n"
    )
    assert render(Report("compiles")) == "compiles: nothing found\n"


def test_nothing_from_the_program_is_markup_or_acts_on_the_terminal() -> None:
    evil = "[red]f[/red] \x1b[31m :smile:\nnext"
    shown = r"[red]f[/red] \x1b[31m :smile:\nnext"
    report = Report(
        "compiles",
        blocks=[Text(evil), Tree(evil, [evil]), Table([evil], [[evil]], title=evil)],
    )
    assert render(report) == (
        f"{shown}\n{shown}\n  {shown}\n{shown}\n{shown}\n{'-' * len(shown)}\n{shown}\n"
    )
    found = Report("compiles", [Finding("k", "info", evil, where=SourceLine(evil, 1), fix=evil)])
    assert render(found) == (
        f"compiles: 1 finding (1 info)\n  info k  {shown}:1\n    {shown}\n    fix: {shown}\n"
    )


def test_long_words_are_folded_inside_the_layout() -> None:
    path = "/data/" + "very_long_folder_name/" * 6 + "train.py"
    lines = render_text(Report("c", blocks=[Tree("step", [f"at {path}:41 in step"])])).splitlines()
    assert lines[0] == "step"
    assert lines[1].startswith("  at")
    assert all(line.startswith("    ") for line in lines[2:])
    assert "".join(line.strip() for line in lines[1:]).replace(" ", "") == f"at{path}:41instep"


def test_deep_trees_keep_half_the_width() -> None:
    tree: Tree | str = "leaf with some words to read"
    for level in range(60):
        tree = Tree(f"level {level}", [tree])
    lines = render_text(Report("c", blocks=[Tree("top", [tree])])).splitlines()
    assert lines[-1] == " " * 40 + "leaf with some words to read"


@given(reports, st.integers(20, 120))
def test_any_report_fits_the_width(report: Report, width: int) -> None:
    for line in render_text(report, width=width).splitlines():
        assert cell_len(line) <= width


@given(st.lists(st.lists(any_text, min_size=2, max_size=2), max_size=3), st.integers(20, 90))
def test_any_table_fits_the_width(rows: list[list[str]], width: int) -> None:
    report = Report("c", blocks=[Table(["first", "second"], rows)])
    for line in render_text(report, width=width).splitlines():
        assert cell_len(line) <= width


@pytest.mark.parametrize(("columns", "width"), [(None, 80), ("40", 80), ("100", 100), ("300", 120)])
def test_str_takes_the_terminals_width_within_reason(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    report = Report("compiles", blocks=[Text("word " * 100)])
    monkeypatch.setattr(sys, "__stdout__", None)
    longest = max(len(line) for line in str(report).splitlines())
    assert width - 7 <= longest <= width


@pytest.mark.not_under_beartype  # which takes no StringIO for a text stream
def test_colour_only_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    piped, terminal = io.StringIO(), Terminal()
    print_report(SUMMARY, piped)
    print_report(SUMMARY, terminal)
    assert "\x1b" not in piped.getvalue()
    assert "\x1b[1mjaxkit: 9 compilations" in terminal.getvalue()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in str(SUMMARY)
    assert "\x1b" not in render_text(SUMMARY)


@pytest.mark.not_under_beartype  # which takes no StringIO for a text stream
def test_any_encoding_will_do() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    print_report(Report("compiles", blocks=[Text("größe")]), stream)
    assert raw.getvalue() == rb"gr\xf6\xdfe" + b"\n"


def test_rich_prints_it_too() -> None:
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=80).print(Report("compiles"))
    assert out.getvalue() == "compiles: nothing found\n"
