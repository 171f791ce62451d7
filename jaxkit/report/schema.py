"""Reading reports back: the same rules as `schema.json`, with messages for people.

History of the format:

- `jaxkit.report/1` (2026-11): the first. Properties may be added to it; readers ignore those they
  do not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from jaxkit.errors import ReportFormatError
from jaxkit.report.finding import Finding, SourceLine
from jaxkit.report.report import SCHEMA, Report

__all__ = ["SCHEMA", "read", "validate"]

_Made = TypeVar("_Made")

_NAMES = {dict: "an object", list: "an array", str: "a string", int: "an integer"}


def read(text: str | bytes) -> Report:
    """The report of a JSON document.

    Example:
        >>> read(Report("compiles").to_json()).tool
        'compiles'

    Args:
        text: The document.

    Returns:
        The report, without blocks.

    Raises:
        ReportFormatError: It is no JSON, or no report.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReportFormatError("", f"is not JSON: {error}") from error
    return _report(document)


def validate(document: Any) -> None:
    """Checks that a JSON document, as the json module reads it, is a report.

    Example:
        >>> validate({"schema": "jaxkit.report/1"})
        Traceback (most recent call last):
        ...
        jaxkit.errors.ReportFormatError: not a report: the document lacks 'tool'

    Args:
        document: What `json.loads` returned.

    Raises:
        ReportFormatError: It is not; the message names the first place where it is not, and the
            rule.
    """
    _report(document)


def _report(document: Any) -> Report:
    _check_type("", document, dict)
    _check_schema(document)
    tool = _member("", document, "tool", str)
    versions = _member("", document, "versions", dict)
    for name in versions:
        _member("versions", versions, name, str)
    findings = [
        _finding(f"findings[{i}]", each)
        for i, each in enumerate(_member("", document, "findings", list))
    ]
    data = _member("", document, "data", dict)
    return _build("", Report, tool=tool, versions=versions, findings=findings, data=data)


def _check_schema(document: dict[str, Any]) -> None:
    schema = _member("", document, "schema", str)
    if schema == SCHEMA:
        return
    if schema.startswith("jaxkit.report/"):
        reason = f"is {schema!r}, of another version of jaxkit; this one reads {SCHEMA!r}"
    else:
        reason = f"must be {SCHEMA!r}, got {schema!r}"
    raise ReportFormatError("schema", reason)


def _finding(place: str, value: Any) -> Finding:
    _check_type(place, value, dict)
    where = _member(place, value, "where", dict, optional=True)
    return _build(
        place,
        Finding,
        kind=_member(place, value, "kind", str),
        severity=_member(place, value, "severity", str),
        message=_member(place, value, "message", str),
        where=None if where is None else _where(f"{place}.where", where),
        fix=_member(place, value, "fix", str, optional=True),
        data=_member(place, value, "data", dict),
    )


def _where(place: str, value: dict[str, Any]) -> SourceLine:
    return _build(
        place,
        SourceLine,
        file=_member(place, value, "file", str),
        line=_member(place, value, "line", int),
        column=_member(place, value, "column", int, optional=True),
        function=_member(place, value, "function", str),
    )


def _member(
    place: str, value: dict[str, Any], name: str, expected: type, *, optional: bool = False
) -> Any:
    if name not in value:
        raise ReportFormatError(place, f"lacks {name!r}")
    member = value[name]
    if not (optional and member is None):
        _check_type(f"{place}.{name}" if place else name, member, expected)
    return member


def _check_type(place: str, value: Any, expected: type) -> None:
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise ReportFormatError(place, f"must be {_NAMES[expected]}, got {_short(value)}")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _build(place: str, make: Callable[..., _Made], /, **members: Any) -> _Made:
    """The object itself holds the remaining rules, and says them."""
    try:
        return make(**members)
    except (TypeError, ValueError) as error:
        raise ReportFormatError(place, f"is refused: {error}") from error
