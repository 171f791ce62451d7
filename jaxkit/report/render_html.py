"""A report as one HTML page that needs nothing else: no network, no file beside it.

Everything that came from the user's program is escaped by jinja2, and the page's own policy lets
no other script run than the one whose digest it names.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2

from jaxkit.report.blocks import (
    Block,
    Figures,
    Graph,
    HeatLine,
    Section,
    SourceHeat,
    Table,
    Text,
    Timeline,
    Tree,
)
from jaxkit.report.escape import escape
from jaxkit.report.finding import SEVERITIES, SourceLine
from jaxkit.report.html.layout import picture
from jaxkit.report.html.strips import strips
from jaxkit.report.report import Report

__all__ = ["fragment", "render_html"]

_OPEN_NODES = 60  # of a tree with more, only the first levels are unfolded
_OPEN_LEVELS = 2
_MUCH = 0.15  # and what is so large a share of the whole


def render_html(report: Report) -> str:
    """A report as an HTML page: findings, and what the tool has to show.

    Example:
        >>> from jaxkit.report import Finding, Report
        >>> page = render_html(Report("lint", [Finding("dead-code", "warning", "<b> is unused")]))
        >>> "&lt;b&gt; is unused" in page
        True

    Args:
        report: The report.

    Returns:
        The page. Trees unfold, a search field filters them, a click on a line of source shows what
        comes from it; without scripts all of it can be read.
    """
    return _environment().get_template("page.html").render(_page(report))


def fragment(report: Report) -> str:
    """A report for a notebook: the same without a page around it and without a script.

    Args:
        report: The report.
    """
    return _environment().get_template("fragment.html").render(_page(report))


def _page(report: Report) -> dict[str, Any]:
    script = _asset("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    counts = {
        severity: count
        for severity in SEVERITIES
        if (count := sum(finding.severity == severity for finding in report.findings))
    }
    return {
        "report": report,
        "title": _title(report),
        "counts": counts,
        **_halves(report),
        "sections": [b.title for b in report.blocks if isinstance(b, Section) and b.title],
        "style": _asset("style.css"),
        "script": script,
        "digest": digest,
    }


def _halves(report: Report) -> dict[str, Any]:
    """The blocks before the findings, and those after: the findings come before any section."""
    titled = [isinstance(each, Section) and bool(each.title) for each in report.blocks]
    at = titled.index(True) if True in titled else len(titled)
    blocks = [_block(each) for each in report.blocks]
    return {"head": blocks[:at], "tail": blocks[at:]}


def _title(report: Report) -> str:
    for block in report.blocks:
        if isinstance(block, Text) and block.style == "heading":
            return block.text
    return f"jaxkit {report.tool}"


def _block(block: Block) -> Mapping[str, Any]:
    """A block and the name of the macro that draws it."""
    if isinstance(block, Text):
        return {"kind": "text", "block": block}
    if isinstance(block, Table):
        return {"kind": "table", "block": block}
    if isinstance(block, Tree):
        levels = _OPEN_LEVELS if _size(block) > _OPEN_NODES else 10**6
        return {"kind": "tree", "rows": _rows(block, levels)}
    if isinstance(block, SourceHeat):
        return {"kind": "heat", "block": block, "lines": _with_gaps(block), "most": _most(block)}
    if isinstance(block, Figures):
        return {"kind": "figures", "block": block}
    if isinstance(block, Section):
        inner = [_block(each) for each in block.whole]
        return {"kind": "section", "title": block.title, "blocks": inner}
    if isinstance(block, Timeline):
        drawn, hidden = strips(block)
        return {"kind": "timeline", "block": block, "strips": drawn, "hidden": hidden}
    assert isinstance(block, Graph)
    return {"kind": "graph", "block": block, "picture": picture(block), "most": _most(block)}


def _with_gaps(heat: SourceHeat) -> list[HeatLine | None]:
    """The lines, with None where some are left out."""
    lines: list[HeatLine | None] = []
    for before, line in zip((None, *heat.lines), heat.lines, strict=False):
        if before is not None and line.number != before.number + 1:
            lines.append(None)
        lines.append(line)
    return lines


def _most(block: SourceHeat | Graph) -> float:
    """The hottest's share: colours are relative to it, or all would be pale."""
    parts = block.lines if isinstance(block, SourceHeat) else block.nodes
    return max((part.share or 0.0 for part in parts), default=0.0) or 1.0


def _size(tree: Tree) -> int:
    count, stack = 0, [tree]
    while stack:
        count += 1
        stack.extend(child for child in stack.pop().children if isinstance(child, Tree))
    return count


def _rows(tree: Tree, open_levels: int) -> list[Mapping[str, Any]]:
    """A tree as rows of opening, leaf and closing: no template recurses however deep it is."""
    rows: list[Mapping[str, Any]] = []
    stack: list[tuple[Tree | str | None, int]] = [(tree, 0)]
    while stack:
        node, level = stack.pop()
        if node is None:
            rows.append({"end": True})
        elif isinstance(node, str):
            rows.append({"leaf": True, "label": node, "style": "plain"})
        elif not node.children:
            rows.append({"leaf": True, "label": node.label, "style": node.style, **_common(node)})
        else:
            much = level < open_levels or (node.share or 0.0) >= _MUCH
            unfolded = much and not node.folded
            row = {"label": node.label, "style": node.style, "open": unfolded, **_common(node)}
            rows.append(row)
            stack.append((None, level))
            stack.extend((child, level + 1) for child in reversed(node.children))
    return rows


def _common(node: Tree) -> dict[str, Any]:
    return {"share": node.share, "where": node.where}


def _line_id(where: SourceLine | None) -> str:
    """What ties a row to a line of source."""
    return "" if where is None else f"{where.file}:{where.line}"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols"],
    )
    filters: dict[str, Any] = {
        "shown": escape,
        "line_id": _line_id,
        "percent": _percent,
        "anchor": _anchor,
    }
    environment.filters.update(filters)  # pyright: ignore[reportUnknownMemberType]
    return environment


def _anchor(title: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in title.lower())


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or not share else "<1%"


@functools.cache
def _asset(name: str) -> str:
    return resources.files("jaxkit.report.html").joinpath(name).read_text("utf-8")
