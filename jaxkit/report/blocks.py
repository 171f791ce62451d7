r"""What a report looks like, said without saying how it is drawn.

A tool puts blocks into its report; a renderer draws them, each in its medium. No string in a block
is markup: what came from the user's program is safe in any of them, and a line break in one is
shown as `\n`, not obeyed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from jaxkit.report.check import check_one_of, check_type
from jaxkit.report.finding import SourceLine

__all__ = [
    "Align",
    "Block",
    "Figures",
    "Graph",
    "HeatLine",
    "Node",
    "Section",
    "SourceHeat",
    "Style",
    "Table",
    "Text",
    "TimeSpan",
    "Timeline",
    "Tree",
]

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
        share: How much of the whole is here, from 0 to 1: drawn as a bar.
        where: The line of the user's source that it comes from.
        folded: Whether the children are hidden at first, where they can be unfolded.
    """

    label: str
    children: Sequence[Tree | str] = ()
    style: Style = "plain"
    share: float | None = None
    where: SourceLine | None = None
    folded: bool = False

    def __post_init__(self) -> None:
        check_one_of("style", self.style, get_args(Style))
        _check_share(self.share)
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


@dataclass(frozen=True)
class HeatLine:
    """A line of source, and how much of the whole it stands for.

    Args:
        number: Counted from 1.
        text: The line, without its line break.
        share: From 0 to 1; None where the line stands for nothing.
        label: The same as a person reads it, as `3.1 GFLOP`.
        notes: What is to be said about the line, a sentence each.
    """

    number: int
    text: str
    share: float | None = None
    label: str = ""
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_type("number", self.number, int)
        _check_share(self.share)
        object.__setattr__(self, "notes", tuple(self.notes))


@dataclass(frozen=True)
class SourceHeat:
    """A file of the user's with what each line stands for.

    Example:
        >>> SourceHeat("train.py", [HeatLine(41, "    y = x @ w", 0.9, "8.6 MFLOP")]).lines[0].label
        '8.6 MFLOP'

    Args:
        file: The file, as the user would open it.
        lines: The lines to show, in their order; where numbers are left out, lines are.
        title: What the shares are of.
    """

    file: str
    lines: Sequence[HeatLine]
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(self.lines))


@dataclass(frozen=True)
class Node:
    """A box of a `Graph`.

    Args:
        label: What stands in it.
        inputs: Which nodes it comes from, by their position in the graph.
        share: How much of the whole it is, from 0 to 1; None where that means nothing.
        where: The line of the user's source that it comes from.
        detail: A second, smaller line in the box.
    """

    label: str
    inputs: Sequence[int] = ()
    share: float | None = None
    where: SourceLine | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        _check_share(self.share)
        object.__setattr__(self, "inputs", tuple(self.inputs))


@dataclass(frozen=True)
class Graph:
    """Boxes, each below those that it comes from.

    Example:
        >>> len(Graph([Node("x"), Node("sin", inputs=[0])]).nodes)
        2

    Args:
        nodes: In an order in which each comes after its inputs.
        title: What the picture shows.

    Raises:
        ValueError: A node comes before one of its inputs.
    """

    nodes: Sequence[Node]
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        for i, node in enumerate(self.nodes):
            for source in node.inputs:
                if not 0 <= source < i:
                    raise ValueError(
                        f"inputs must be positions of earlier nodes, got {source} in nodes[{i}]"
                    )


@dataclass(frozen=True)
class Figures:
    """The few numbers that a person looks for first.

    Example:
        >>> Figures([("peak memory", "4.1 GiB", "1.2 GiB of it arguments")]).items[0][1]
        '4.1 GiB'

    Args:
        items: Of each its name, its value, and what else is to be said of it in a few words.
    """

    items: Sequence[tuple[str, str, str]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))


@dataclass(frozen=True)
class TimeSpan:
    """A stretch of time in which something ran, or a moment at which something happened.

    Args:
        name: What ran.
        start: Seconds since the origin of its timeline.
        seconds: How long; None for a moment.
        track: Where it ran, such as a thread's name.
        category: Its kind, in a word; what shows timelines can filter by it.
        details: What else is to be said of it, by name.

    Raises:
        ValueError: A start that is not finite, or a length that is negative or not finite.
    """

    name: str
    start: float
    seconds: float | None = 0.0
    track: str = "MainThread"
    category: str = ""
    details: Mapping[str, str | int | float | None] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if not math.isfinite(self.start):
            raise ValueError(f"start must be finite, got start={self.start!r}")
        if self.seconds is not None and not 0 <= self.seconds < math.inf:
            raise ValueError(f"seconds must be finite and 0 or more, got seconds={self.seconds!r}")


@dataclass(frozen=True)
class Timeline:
    """What ran when, on which thread.

    Example:
        >>> timeline = Timeline([TimeSpan("step", 0.0, 0.5), TimeSpan("load", 0.1, 0.2)])
        >>> timeline.seconds
        0.5

    Args:
        spans: What ran, in any order.
        title: What the timeline shows.
        origin: The time that starts are counted from, as seconds since the epoch.
        process: The number of the process.
        left_out: How many spans are not among them, because there were too many.
    """

    spans: Sequence[TimeSpan]
    title: str = ""
    origin: float = 0.0
    process: int = 0
    left_out: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "spans", tuple(self.spans))

    @property
    def seconds(self) -> float:
        """From the first begin to the last end."""
        ends = [span.start + (span.seconds or 0.0) for span in self.spans]
        return max(ends) - min(span.start for span in self.spans) if ends else 0.0


@dataclass(frozen=True)
class Section:
    """Blocks under a heading, made when they are drawn.

    Example:
        >>> Section("Tree", lambda: [Tree("step")], brief=[]).whole
        (Tree(label='step', children=(), style='plain', share=None, where=None, folded=False),)

    Args:
        title: The heading; blocks of an empty title stand under none.
        blocks: The blocks, or a function that makes them.
        brief: What is drawn instead, without the heading, where there is little room, as on a
            terminal; None for the blocks themselves.
    """

    title: str
    blocks: Sequence[Block] | Callable[[], Sequence[Block]]
    brief: Sequence[Block] | Callable[[], Sequence[Block]] | None = None

    @functools.cached_property
    def whole(self) -> tuple[Block, ...]:
        """The blocks."""
        return tuple(self.blocks() if callable(self.blocks) else self.blocks)

    @functools.cached_property
    def short(self) -> tuple[Block, ...]:
        """What is drawn where there is little room."""
        if self.brief is None:
            return (Text(self.title, style="heading"), *self.whole) if self.title else self.whole
        return tuple(self.brief() if callable(self.brief) else self.brief)


Block = Text | Table | Tree | SourceHeat | Graph | Figures | Timeline | Section


def _check_share(share: float | None) -> None:
    if share is not None and not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1, or None, got share={share!r}")
