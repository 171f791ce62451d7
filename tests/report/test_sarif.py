"""Reports as SARIF, against the schema that OASIS published for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from jaxkit.report import Finding, Report, SourceLine, render
from tests.strategies import reports

SCHEMA = json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(
    SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def document(report: Report) -> Any:
    text = render(report, ".sarif")
    assert isinstance(text, str)
    made = json.loads(text)
    VALIDATOR.validate(made)
    return made


def results(*findings: Finding) -> Any:
    return document(Report("lint", findings))["runs"][0]["results"]


def test_the_schema_refuses_what_is_wrong() -> None:
    for wrong in ({}, {"version": "2.1.0"}, {"version": "2.1.0", "runs": [{"results": []}]}):
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate(wrong)


@settings(max_examples=40)
@given(reports)
def test_any_report_is_sarif(report: Report) -> None:
    run = document(report)["runs"][0]
    assert len(run["results"]) == len(report.findings)
    for finding, result in zip(report.findings, run["results"], strict=True):
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == finding.kind
    prints = [result["partialFingerprints"]["jaxkitFinding/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(tmp_path / "my model" / "train%1.py")
    where = SourceLine(file, 41, 5, "Model.loss")
    report = Report("lint", [Finding("key-reuse", "warning", "key is used twice", where, "split")])
    made = document(report)
    (run,) = made["runs"]
    (result,) = run["results"]
    assert result.pop("partialFingerprints").keys() == {"jaxkitFinding/v1"}
    assert result == {
        "ruleId": "key-reuse",
        "ruleIndex": 0,
        "level": "warning",
        "message": {"text": "key is used twice. Fix: split"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {
                        "uri": "my%20model/train%251.py",
                        "uriBaseId": "SRCROOT",
                    },
                    "region": {"startLine": 41, "startColumn": 5},
                },
                "logicalLocations": [{"fullyQualifiedName": "Model.loss", "kind": "function"}],
            }
        ],
    }
    assert run["originalUriBaseIds"]["SRCROOT"]["uri"] == f"{tmp_path.as_uri()}/"
    assert run["tool"]["driver"]["rules"] == [
        {
            "id": "key-reuse",
            "name": "KeyReuse",
            "shortDescription": {"text": "key reuse"},
            "defaultConfiguration": {"level": "warning"},
        }
    ]


def test_severities_are_levels() -> None:
    severities = ("error", "warning", "info")
    made = results(*(Finding("dead-code", each, each) for each in severities))
    assert [result["level"] for result in made] == ["error", "warning", "note"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/usr/lib/a b.py", {"uri": "file:///usr/lib/a%20b.py"}),
        ("<stdin>", {"uri": "%3Cstdin%3E"}),
        ("src/a.py", {"uri": "src/a.py", "uriBaseId": "SRCROOT"}),
        ("../a.py", {"uri": "../a.py"}),
        ("naïve\udcff.py", {"uri": "na%C3%AFve%ED%B3%BF.py", "uriBaseId": "SRCROOT"}),
    ],
)
def test_places(file: str, expected: dict[str, str]) -> None:
    (result,) = results(Finding("dead-code", "info", "x", SourceLine(file, 0)))
    location = result["locations"][0]["physicalLocation"]
    assert location == {"artifactLocation": expected}


def test_a_finding_that_moved_keeps_its_fingerprint() -> None:
    def prints(*lines: int, message: str = "unused") -> list[str]:
        found = [
            Finding("dead-code", "warning", message, SourceLine("a.py", n, function="f"))
            for n in lines
        ]
        return [each["partialFingerprints"]["jaxkitFinding/v1"] for each in results(*found)]

    assert prints(3) == prints(30)
    assert prints(3, 4) == prints(5, 9)
    assert len(set(prints(3, 4))) == 2
    assert prints(3) != prints(3, message="another")


def test_a_file_by_its_suffix(tmp_path: Path) -> None:
    Report("lint", [Finding("dead-code", "info", "x")]).save(tmp_path / "out.sarif")
    VALIDATOR.validate(json.loads((tmp_path / "out.sarif").read_text("utf-8")))
