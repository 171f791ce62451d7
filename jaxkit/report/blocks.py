r"""What a report looks like, said without saying how it is drawn.

A tool puts blocks into its report; a renderer draws them, each in its medium. No string in a block
is markup: what came from the user's program is safe in any of them, and a line break in one is
shown as `\n`, not obeyed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from jaxkit.report.check import check_one_of

__all__ = ["Align", "Block", "Style", "Table", "Text", "Tree"]

Style = Literal["plain", "heading", "dim", "good", "bad"]
Align = Literal["left", "right", "center"]


@dataclass(frozen=True)
class Text:
    """One paragraph.

    Example:
        >>> Text("9 compilations of 3 functions took 4.1 s", style="heading").style
        'heading'

    Args:
        text: The paragraph; it is wrapped where it is drawn.
        style: What it is, rather than how it looks.
    """

    text: str
    style: Style = "plain"

    def __post_init__(self) -> None:
        check_one_of("style", self.style, get_args(Style))


@dataclass(frozen=True)
class Tree:
    """A line with lines below it that belong to it.

    Example:
        >>> Tree("train_step  train.py:41", ["batch['x'] changed shape"]).children
        ("batch['x'] changed shape",)

    Args:
        label: The line itself.
        children: Trees, or strings for those that have no children of their own.
        style: What the label is, rather than how it looks.
    """

    label: str
    children: Sequence[Tree | str] = ()
    style: Style = "plain"

    def __post_init__(self) -> None:
        check_one_of("style", self.style, get_args(Style))
        object.__setattr__(self, "children", tuple(self.children))


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns.

    Example:
        >>> Table(["function", "compiles"], [["train_step", 5]], align=["left", "right"]).rows
        (('train_step', '5'),)

    Args:
        columns: The columns' names.
        rows: As many cells in each as there are columns; numbers are written with `str`.
        title: What the table shows.
        align: One for each column, or none at all for all to the left.

    Raises:
        ValueError: A row, or align, of another length than columns.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]
    title: str | None = None
    align: Sequence[Align] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        rows = tuple(tuple(str(cell) for cell in row) for row in self.rows)
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "align", tuple(self.align) or ("left",) * len(self.columns))
        for i, row in enumerate(rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"each row must have one cell for each of the {len(self.columns)} columns, "
                    f"got rows[{i}] with {len(row)}"
                )
        if len(self.align) != len(self.columns):
            raise ValueError(
                f"align must be empty or have one entry for each of the {len(self.columns)} "
                f"columns, got {len(self.align)}"
            )
        for entry in self.align:
            check_one_of("align", entry, get_args(Align))


Block = Text | Table | Tree
