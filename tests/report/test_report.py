import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxkit import __version__
from jaxkit.errors import FindingsError, RecompilationError
from jaxkit.report import Finding, Report, SourceLine, Table, Text, Tree
from tests.strategies import reports

BAD = Finding("shape-change", "warning", "x changed shape", where=SourceLine("train.py", 41))
WORSE = Finding("non-finite", "error", "a NaN was born\x1b[2J")
NOTE = Finding("first", "info", "compiled once")


@given(reports)
def test_json_round_trip(report: Report) -> None:
    again = Report.from_json(report.to_json())
    assert again == report
    assert again.to_json() == report.to_json()
    assert Report.from_json(report.to_json().encode()) == report
    assert pickle.loads(pickle.dumps(report)) == report
    assert hash(again) == hash(report)


@given(reports, st.sampled_from(["error", "warning", "info"]))
def test_ok_and_raise_if_found_agree_with_the_findings(report: Report, severity: Any) -> None:
    order = ["error", "warning", "info"]
    worst = min((order.index(finding.severity) for finding in report.findings), default=3)
    assert report.ok == (worst > 1)
    if worst <= order.index(severity):
        with pytest.raises(FindingsError) as caught:
            report.raise_if_found(severity)
        assert caught.value.report is report
    else:
        assert report.raise_if_found(severity) is report


def test_the_exception_says_what_was_found() -> None:
    report = Report("compiles", [NOTE, BAD, WORSE])
    with pytest.raises(FindingsError) as caught:
        report.raise_if_found("warning")
    assert str(caught.value) == (
        "compiles: 2 findings of severity warning or worse\n"
        "  shape-change: train.py:41: x changed shape\n"
        r"  non-finite: a NaN was born\x1b[2J"
    )
    with pytest.raises(FindingsError) as caught:
        Report("compiles", [WORSE] * 8).raise_if_found()
    lines = str(caught.value).splitlines()
    assert lines[0] == "compiles: 8 findings of severity error"
    assert (len(lines), lines[-1]) == (7, "  and 3 more")


def test_exceptions_survive_pickling() -> None:
    error = RecompilationError(Report("compiles", [BAD]), "compiled again")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is RecompilationError
    assert (str(again), again.report) == ("compiled again", error.report)


@pytest.mark.not_under_beartype
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tool": ""}, ValueError, "tool must be the name of an analysis, got tool=''"),
        ({"tool": 1}, TypeError, "tool must be str, got tool=1 of type int"),
        (
            {"findings": [NOTE, "bad"]},
            TypeError,
            "findings must hold only Finding, got findings[1]='bad' of type str",
        ),
        (
            {"blocks": ["bad"]},
            TypeError,
            (
                "blocks must hold only Text, Table, Tree, SourceHeat, Graph, Figures, "
                "Timeline, Section, got blocks[0]='bad' of type str"
            ),
        ),
        (
            {"versions": {"jax": 12}},
            TypeError,
            "versions must hold only str, got versions[0]=12 of type int",
        ),
        ({"data": [1]}, TypeError, "data must be Mapping, got data=[1] of type list"),
    ],
)
def test_a_report_refuses(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        Report(**({"tool": "compiles"} | arguments))
    assert str(caught.value) == message


@pytest.mark.not_under_beartype
def test_an_unknown_severity_is_refused() -> None:
    with pytest.raises(ValueError) as caught:
        Report("compiles").raise_if_found("fatal")  # type: ignore[arg-type]
    assert str(caught.value) == "severity must be one of error, warning, info, got severity='fatal'"


def test_versions_are_the_installed_ones() -> None:
    versions = Report("compiles").versions
    assert versions is not None
    assert set(versions) == {"jaxkit", "python", "jax", "jaxlib"}
    assert versions["jaxkit"] == __version__


def test_blocks_are_for_people_only() -> None:
    blocks = [Text("hello"), Table(["a"], [["1"]]), Tree("t", ["c"])]
    report = Report("compiles", blocks=blocks)
    assert report == Report("compiles")
    assert "hello" in str(report)
    assert "hello" not in report.to_json()


def test_notebooks_get_escaped_html() -> None:
    html = Report("compiles", blocks=[Text("</pre><script>")])._repr_html_()
    assert "&lt;/pre&gt;&lt;script&gt;" in html
    assert "<script" not in html
    assert "<html" not in html
