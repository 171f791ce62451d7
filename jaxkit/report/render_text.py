"""A report on a terminal: wrapped to its width, coloured only where a terminal shows colour.

Structure is shown by indentation alone, in plain ASCII: it survives pipes, log files and any
encoding. A line that has to be wrapped goes on further to the right than it began, so that the next
line of the same level stands out.
"""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.box import Box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text as RichText

from jaxkit.report.blocks import (
    Block,
    Figures,
    Graph,
    Section,
    SourceHeat,
    Table,
    Text,
    Timeline,
    Tree,
)
from jaxkit.report.escape import escape
from jaxkit.report.finding import Finding
from jaxkit.report.report import Report

__all__ = ["print_report", "render_text", "renderable", "terminal_width"]

_NARROWEST = 80
# Longer lines are hard to read, however wide the terminal is.
_WIDEST = 120
_INDENT = 2
_HANG = 2
_BARRED = 16

_STYLES = {"plain": "", "heading": "bold", "dim": "dim", "good": "green", "bad": "red"}
_SEVERITY_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}

# Nothing but a line below the columns' names, which needs no more than ASCII.
_RULED = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def terminal_width() -> int:
    """The columns to wrap at: the terminal's, from 80 to 120, and 80 when there is no terminal."""
    columns = shutil.get_terminal_size(fallback=(_NARROWEST, 24)).columns
    return min(max(columns, _NARROWEST), _WIDEST)


def render_text(report: Report, *, width: int = _NARROWEST) -> str:
    """A report as plain text, without colour.

    Args:
        report: The report.
        width: Columns to wrap at.

    Returns:
        Lines, each with its line break, none with blanks at its end.
    """
    out = io.StringIO()
    # Every setting is given, so that no environment variable and no notebook changes what is saved.
    console = Console(
        file=out,
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        force_interactive=False,
        legacy_windows=False,
        no_color=True,
    )
    console.print(renderable(report))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def print_report(report: Report, file: TextIO) -> None:
    """Writes a report to a stream: in colour if it is a terminal, plain if not.

    Whatever cannot be said in the stream's encoding is written as an escape: printing never raises
    for that.

    Args:
        report: The report.
        file: The stream, such as `sys.stderr`.
    """
    terminal = Console(file=file, width=terminal_width())
    with terminal.capture() as captured:
        terminal.print(renderable(report))
    encoding = file.encoding or "utf-8"  # typing does not say so, but a StringIO has None
    file.write(captured.get().encode(encoding, "backslashreplace").decode(encoding))
    file.flush()


def renderable(report: Report) -> Group:
    """What rich draws for a report: its blocks, or its findings if it has none."""
    if report.blocks:
        return Group(*(_draw(block) for block in report.blocks))
    return Group(*_draw_findings(report))


def _draw(block: Block) -> RenderableType:
    if isinstance(block, Text):
        return _Line(_styled(block.text, block.style))
    if isinstance(block, Tree):
        return Group(*_draw_tree(block))
    if isinstance(block, SourceHeat):
        return Group(*_draw_heat(block))
    if isinstance(block, Section):
        return Group(*(_draw(each) for each in block.short))
    if isinstance(block, Figures):
        parts = (f"{name} {value}{note and f' ({note})'}" for name, value, note in block.items)
        return _Line(RichText(escape(", ".join(parts))))
    if isinstance(block, Graph):
        return _Line(_styled(f"{block.title or 'picture'}: {len(block.nodes)} boxes", "dim"))
    if isinstance(block, Timeline):
        return _Line(_styled(_sum_up(block), "dim"))
    return _draw_table(block)


def _sum_up(timeline: Timeline) -> str:
    """There is no room for a timeline on a terminal."""
    title = timeline.title or "timeline"
    spans = "1 span" if len(timeline.spans) == 1 else f"{len(timeline.spans)} spans"
    return f"{title}: {spans} in {timeline.seconds:.3g} s; save it as .trace.json to look at it"


def _draw_tree(tree: Tree | str) -> Iterator[RenderableType]:
    """Bars stand below each other at the left, so that they can be compared."""
    stack: list[tuple[Tree | str, int]] = [(tree, 0)]  # it may be deeper than Python recurses
    barred = isinstance(tree, Tree) and tree.share is not None
    while stack:
        node, level = stack.pop()
        if isinstance(node, str):
            node = Tree(node)
        bar = "" if node.share is None else f"{_bar(node.share)} "
        bar = bar.ljust(_BARRED if barred else 0)
        yield _Line(_styled(node.label, node.style), level * _INDENT, bar)
        stack.extend((child, level + 1) for child in reversed(node.children))


def _bar(share: float) -> str:
    """Ten characters and a number: what is not nothing is not drawn as nothing."""
    full = min(math.ceil(10 * share), 10)
    number = " <1%" if 0 < share < 0.01 else f"{share:4.0%}"
    return f"{'#' * full}{'.' * (10 - full)} {number}"


def _draw_heat(heat: SourceHeat) -> Iterator[RenderableType]:
    title = f"{heat.file}  {heat.title}" if heat.title else heat.file
    yield _Line(_styled(title, "heading"))
    width = max((len(line.label) for line in heat.lines), default=0)
    digits = len(str(max((line.number for line in heat.lines), default=0)))
    for line in heat.lines:
        bar = " " * 15 if line.share is None else _bar(line.share)
        text = f"{bar} {line.label:>{width}} {line.number:>{digits}} {line.text}"
        yield _Line(_styled(text, "plain" if line.share else "dim"))
        for note in line.notes:
            yield _Line(_styled(note, "bad"), 15 + width + digits + 3)


def _draw_table(table: Table) -> RenderableType:
    drawn = RichTable(box=_RULED, show_edge=False, pad_edge=False, title_justify="left")
    if table.title is not None:
        drawn.title = RichText(escape(table.title), style="bold")
    for column, align in zip(table.columns, table.align, strict=True):
        drawn.add_column(RichText(escape(column)), justify=align, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(RichText(escape(str(cell))) for cell in row))
    return drawn


def _draw_findings(report: Report) -> Iterator[RenderableType]:
    tool = escape(report.tool)
    if not report.findings:
        yield _Line(_styled(f"{tool}: nothing found", "good"))
        return
    yield _Line(_styled(f"{tool}: {_count(report.findings)}", "heading"))
    for finding in report.findings:
        yield from _draw_finding(finding)


def _draw_finding(finding: Finding) -> Iterator[RenderableType]:
    head = RichText()
    head.append(finding.severity, style=_SEVERITY_STYLES[finding.severity])
    head.append(f" {finding.kind}", style="bold")
    if finding.where is not None:
        head.append(f"  {escape(str(finding.where))}")
    yield _Line(head, _INDENT)
    yield _Line(RichText(escape(finding.message)), 2 * _INDENT)
    if finding.fix is not None:
        yield _Line(RichText(f"fix: {escape(finding.fix)}"), 2 * _INDENT)


def _count(findings: Sequence[Finding]) -> str:
    total = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    by_severity = [
        f"{count} {severity}"
        for severity in _SEVERITY_STYLES
        if (count := sum(finding.severity == severity for finding in findings))
    ]
    return f"{total} ({', '.join(by_severity)})"


def _styled(text: str, style: str) -> RichText:
    # As a span: the style that a rich Text has of its own is lost where its lines are drawn.
    drawn = RichText(escape(text))
    drawn.stylize(_STYLES[style])
    return drawn


@dataclass(frozen=True)
class _Line:
    """A line that takes more than one on the terminal if it must, the further ones hanging."""

    text: RichText
    indent: int = 0
    lead: str = ""  # at the left of the indentation

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        # However deep it is, half the width remains for what is said.
        indent = min(self.indent, (options.max_width - len(self.lead)) // 2)
        width = max(options.max_width - len(self.lead) - indent - _HANG, 1)
        whole = self.text.cell_len <= options.max_width - len(self.lead) - indent
        lines = [self.text.copy()] if whole else self.text.wrap(console, width, overflow="fold")
        for i, line in enumerate(lines):
            line.rstrip()
            lead = " " * len(self.lead) if i else self.lead
            yield Segment(lead + " " * (indent + (_HANG if i else 0)))
            yield from line.render(console)
            yield Segment.line()
