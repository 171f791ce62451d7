"""What an inspection shows where there is room: figures, source with heat, a tree, a picture."""

from __future__ import annotations

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
        (
            "peak memory",
            f"~{bytes_text(peak.bytes)}",
            f"{bytes_text(peak.argument_bytes)} arguments",
        ),
        ("moved unfused", bytes_text(total.bytes), "read and written by all equations"),
        ("intensity", f"{total.intensity:.2g}", "operations a byte moved"),
        ("equations", f"{total.equations:,}", "as often as they run"),
    ]
    if each != total:
        items.insert(1, ("on each device", flops_text(each.flops), "of the operations"))
    return Figures(items)


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
