"""A report as a JSON document: `jaxkit/report/schema.json` describes it."""

from __future__ import annotations

import json

from jaxkit.report.report import Report

__all__ = ["render_json"]


def render_json(report: Report) -> str:
    """The JSON document of a report.

    Pure ASCII: a file's name need not be valid Unicode, and JSON can say even that.

    Args:
        report: Any report.

    Returns:
        The document, indented, with a line break at its end.
    """
    return json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n"
