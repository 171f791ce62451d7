"""A report as SARIF 2.1.0, which code hosts and editors show at the lines it speaks of.

References:
    OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, 2020.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from jaxkit.report.finding import Finding, SourceLine
from jaxkit.report.frozen import thaw
from jaxkit.report.report import Report

__all__ = ["render_sarif"]

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_ROOT = "SRCROOT"


def render_sarif(report: Report) -> str:
    """A report as a SARIF document: a rule for each kind of finding, a result for each finding.

    Example:
        >>> from jaxkit.report import Finding
        >>> document = render_sarif(Report("lint", [Finding("dead-code", "warning", "unused")]))
        >>> json.loads(document)["runs"][0]["results"][0]["ruleId"]
        'dead-code'

    Args:
        report: The report. Only findings go into the document, neither blocks nor data.

    Returns:
        JSON. Files below the working directory are named relative to it, so that a code host finds
        them in the repository; a fingerprint of kind, function and text, not of the line's number,
        lets it tell a new finding from one that has moved.
    """
    kinds = list(dict.fromkeys(finding.kind for finding in report.findings))
    seen: Counter[str] = Counter()
    root = Path.cwd()
    results = [_result(finding, kinds, seen, root) for finding in report.findings]
    document = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(report, kinds)},
                "automationDetails": {"id": f"jaxkit/{report.tool}/"},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {_ROOT: {"uri": f"{root.as_uri()}/"}},
                "results": results,
            }
        ],
    }
    # Lone surrogates, as in names of files that are no UTF-8, stand in it as escapes.
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _driver(report: Report, kinds: Sequence[str]) -> dict[str, Any]:
    version = (report.versions or {}).get("jaxkit")
    driver: dict[str, Any] = {"name": "jaxkit", "rules": [_rule(report, kind) for kind in kinds]}
    if version:
        driver["version"] = version
    return driver


def _rule(report: Report, kind: str) -> dict[str, Any]:
    first = next(finding for finding in report.findings if finding.kind == kind)
    words = kind.replace("-", " ").replace("_", " ")
    return {
        "id": kind,
        "name": "".join(word.capitalize() for word in words.split()),
        "shortDescription": {"text": words},
        "defaultConfiguration": {"level": _LEVELS[first.severity]},
    }


def _result(
    finding: Finding, kinds: Sequence[str], seen: Counter[str], root: Path
) -> dict[str, Any]:
    fix = f". Fix: {finding.fix}" if finding.fix else ""
    found: dict[str, Any] = {
        "ruleId": finding.kind,
        "ruleIndex": kinds.index(finding.kind),
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message.rstrip(".") + fix if fix else finding.message},
        "partialFingerprints": {"jaxkitFinding/v1": _fingerprint(finding, seen, root)},
    }
    if finding.where is not None and finding.where.file:
        found["locations"] = [_location(finding.where, root)]
    if finding.data:
        found["properties"] = {"data": thaw(finding.data)}
    return found


def _location(where: SourceLine, root: Path) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(where.file, root)}
    if where.line:
        physical["region"] = {"startLine": where.line}
        if where.column:
            physical["region"]["startColumn"] = where.column
    location: dict[str, Any] = {"physicalLocation": physical}
    if where.function:
        names = [{"fullyQualifiedName": where.function, "kind": "function"}]
        location["logicalLocations"] = names
    return location


def _artifact(file: str, root: Path) -> Mapping[str, str]:
    relative = _relative(file, root)
    if relative is not None:
        return {"uri": _quoted(relative.as_posix()), "uriBaseId": _ROOT}
    path = Path(file)
    if path.is_absolute():
        return {"uri": f"file://{_quoted(path.as_posix())}"}
    return {"uri": _quoted(file)}  # no file: <stdin>, a cell of a notebook


def _relative(file: str, root: Path) -> PurePath | None:
    """The path below the working directory; None for what is elsewhere, or no file."""
    if file.startswith("<"):
        return None
    path = PurePath(os.path.normpath(os.path.join(root, file)))
    return path.relative_to(root) if path.is_relative_to(root) else None


def _quoted(path: str) -> str:
    return quote(path.encode("utf-8", "surrogatepass"), safe="/")


def _fingerprint(finding: Finding, seen: Counter[str], root: Path) -> str:
    """Of what stays when lines above are added; equal findings are counted."""
    where = finding.where
    place = ["", ""] if where is None else [str(_relative(where.file, root)), where.function]
    text = json.dumps([finding.kind, *place, finding.message])
    seen[text] += 1
    return hashlib.sha256(f"{text}{seen[text]}".encode()).hexdigest()[:32]
