"""What an inspection shows where there is room: figures, source with heat, a tree, a picture."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from jaxkit.jaxpr.cost import Costs
from jaxkit.jaxpr.memory import Peak
from jaxkit.jaxpr.units import bytes_text, flops_text, share_text
from jaxkit.report import Block, Figures

if TYPE_CHECKING:
    from jaxkit.jaxpr.inspection import Inspection

_LEVELS = 3
_ROWS = 16


def figures_of(costs: Costs, peak: Peak) -> Figures:
    """The numbers that are looked for first.

    Args:
      costs: of the program.
      peak: its worst moment.
    """
    total, each = costs.total, costs.per_device
    products = share_text(total.matmul_flops, total.flops)
    items = [
        ("operations", flops_text(total.flops), products and f"{products} in matrix products"),
        ("peak memory", f"~{bytes_text(peak.bytes)}", _held(peak)),
        ("bytes moved", bytes_text(total.bytes), "if nothing is fused"),
        ("intensity", f"{total.intensity:.2g}", "operations a byte moved"),
        ("equations", f"{total.equations:,}", "as often as they run"),
    ]
    if each != total:
        items.insert(1, ("on each device", flops_text(each.flops), "of the operations"))
    return Figures(items)


def _held(peak: Peak) -> str:
    parts = [f"{bytes_text(peak.argument_bytes)} arguments"]
    if peak.where is not None and peak.by_line.get(peak.where):
        place = f"{PurePath(peak.where.file).name}:{peak.where.line}"
        parts.append(f"{bytes_text(peak.by_line[peak.where])} of {place}")
    return ", ".join(parts)


# The others are made when they are drawn: each takes about as long as the figures do.


def source_of(inspection: Inspection) -> list[Block]:
    """The user's files with what each line costs."""
    from jaxkit.jaxpr.source import source_of

    return list(source_of(inspection))


def whole_tree_of(inspection: Inspection) -> list[Block]:
    """The program, as far as anybody unfolds it."""
    return [inspection.tree()]


def short_tree_of(inspection: Inspection) -> list[Block]:
    """The first levels."""
    return [inspection.tree(depth=_LEVELS, rows=_ROWS)]


def picture_of(inspection: Inspection) -> list[Block]:
    """The program as boxes and arrows."""
    from jaxkit.jaxpr.picture import picture_of

    return [picture_of(inspection)]
