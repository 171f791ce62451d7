"""The vocabulary of every tool: Finding, SourceLine, Report, what they look like, who draws them.

Nothing here imports JAX: a report is read, shown and converted where JAX is not installed.
"""

from jaxkit.report.blocks import (
    Align,
    Block,
    Figures,
    Graph,
    HeatLine,
    Node,
    Section,
    SourceHeat,
    Style,
    Table,
    Text,
    Timeline,
    TimeSpan,
    Tree,
)
from jaxkit.report.escape import escape
from jaxkit.report.finding import Finding, Severity, SourceLine
from jaxkit.report.frozen import FrozenMapping
from jaxkit.report.renderers import find_suffix, render, suffixes
from jaxkit.report.report import Report
from jaxkit.report.save import check_writable, write_atomically
from jaxkit.report.schema import validate

__all__ = [
    "Align",
    "Block",
    "Figures",
    "Finding",
    "FrozenMapping",
    "Graph",
    "HeatLine",
    "Node",
    "Report",
    "Section",
    "Severity",
    "SourceHeat",
    "SourceLine",
    "Style",
    "Table",
    "Text",
    "TimeSpan",
    "Timeline",
    "Tree",
    "check_writable",
    "escape",
    "find_suffix",
    "render",
    "suffixes",
    "validate",
    "write_atomically",
]
