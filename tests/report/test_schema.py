import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

import jaxkit.report
from jaxkit.errors import ReportFormatError
from jaxkit.report import Report, validate
from tests.strategies import reports

SCHEMA = json.loads((Path(jaxkit.report.__file__).parent / "schema.json").read_text("utf-8"))
JUDGE = jsonschema.Draft202012Validator(SCHEMA)

GOOD: dict[str, Any] = {
    "schema": "jaxkit.report/1",
    "tool": "compiles",
    "versions": {"jax": "0.12.0"},
    "findings": [
        {
            "kind": "shape-change",
            "severity": "warning",
            "message": "x changed shape",
            "where": {"file": "train.py", "line": 41, "column": None, "function": "step"},
            "fix": None,
            "data": {},
        }
    ],
    "data": {},
}


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """GOOD with one value replaced, or taken away where the value is ... ."""
    document = copy.deepcopy(GOOD)
    inner: Any = document
    for step in path[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return document


@given(reports)
def test_what_we_write_is_valid_twice(report: Report) -> None:
    document = json.loads(report.to_json())
    validate(document)
    JUDGE.validate(document)


def test_properties_of_later_versions_are_ignored() -> None:
    document = changed(("later",), 1)
    document["findings"][0]["later"] = {"x": 1}
    document["findings"][0]["where"]["later"] = []
    validate(document)
    JUDGE.validate(document)


@pytest.mark.not_under_beartype
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), ..., "the document lacks 'schema'"),
        (("schema",), 1, "schema must be a string, got 1"),
        (("schema",), "sarif", "schema must be 'jaxkit.report/1', got 'sarif'"),
        (
            ("schema",),
            "jaxkit.report/2",
            (
                "schema is 'jaxkit.report/2', of another version of jaxkit; "
                "this one reads 'jaxkit.report/1'"
            ),
        ),
        (
            ("tool",),
            "",
            "the document is refused: tool must be the name of an analysis, got tool=''",
        ),
        (("tool",), None, "tool must be a string, got null"),
        (("versions",), [], "versions must be an object, got []"),
        (("versions", "jax"), 12, "versions.jax must be a string, got 12"),
        (("findings",), {}, "findings must be an array, got {}"),
        (("findings", 0), "bad", 'findings[0] must be an object, got "bad"'),
        (("findings", 0, "fix"), ..., "findings[0] lacks 'fix'"),
        (("findings", 0, "fix"), 1, "findings[0].fix must be a string, got 1"),
        (
            ("findings", 0, "kind"),
            "Bad",
            (
                "findings[0] is refused: kind must be kebab-case such as 'shape-change', "
                "got kind='Bad'"
            ),
        ),
        (
            ("findings", 0, "severity"),
            "fatal",
            (
                "findings[0] is refused: severity must be one of error, warning, info, "
                "got severity='fatal'"
            ),
        ),
        (
            ("findings", 0, "message"),
            "",
            "findings[0] is refused: message must say something, got message=''",
        ),
        (
            ("findings", 0, "where"),
            "x" * 99,
            f'findings[0].where must be an object, got "{"x" * 56}...',
        ),
        (
            ("findings", 0, "where", "line"),
            True,
            "findings[0].where.line must be an integer, got true",
        ),
        (
            ("findings", 0, "where", "line"),
            -1,
            "findings[0].where is refused: line must be 0 (not known) or more, got line=-1",
        ),
        (
            ("findings", 0, "where", "column"),
            0,
            "findings[0].where is refused: column must be 1 or more, or None, got column=0",
        ),
        (("findings", 0, "where", "function"), ..., "findings[0].where lacks 'function'"),
        (("data",), None, "data must be an object, got null"),
    ],
)
def test_what_is_refused_is_refused_by_the_schema_file_too(
    path: tuple[str | int, ...], value: Any, message: str
) -> None:
    document = changed(path, value)
    with pytest.raises(ReportFormatError) as caught:
        validate(document)
    assert str(caught.value) == f"not a report: {message}"
    assert not JUDGE.is_valid(document)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(ReportFormatError) as caught:
        Report.from_json("{")
    assert str(caught.value) == (
        "not a report: the document is not JSON: "
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    )
    with pytest.raises(ReportFormatError) as caught:
        Report.from_json(b"\xff\xfe\x00")
    assert str(caught.value).startswith("not a report: the document is not JSON: ")
    with pytest.raises(ReportFormatError) as caught:
        Report.from_json("[]")
    assert str(caught.value) == "not a report: the document must be an object, got []"
    with pytest.raises(ReportFormatError):
        Report.from_json("[" * 100_000)
