"""Where the boxes and arrows of a `Graph` go: layers from top to bottom, few crossings.

Source of the method: Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical
system structures, 1981: longest-path layers; an arrow over several layers has a place of its own
in each that it passes, so that it runs behind no box; sweeps order each layer by the mean position
of its neighbours, and then move what is in it towards them.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Sequence

from jaxkit.report.blocks import Graph, Node

_CHARACTER = 6.7
_SMALL_CHARACTER = 5.5
_ONE_LINE, _TWO_LINES = 26.0, 40.0
_GAP = 16.0
_LANE = 4.0  # what a passing arrow takes, beside the gap
_FIRM = 30.0  # how much more a box insists on its place than an arrow
_RISE = 26.0
_LONGEST = 32
_SWEEPS = 8
_MARGIN = 10.0


@dataclasses.dataclass(slots=True)
class Box:
    """A node where it is drawn: the middle of its upper edge, and its size."""

    node: Node
    label: str
    detail: str
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


@dataclasses.dataclass(slots=True)
class Picture:
    """All of a drawing."""

    boxes: list[Box]
    curves: list[str]
    width: float
    height: float


@dataclasses.dataclass(slots=True)
class _Place:
    """A box, or where an arrow passes a layer; `above` and `below` are joined to it."""

    layer: int
    width: float
    above: list[int] = dataclasses.field(default_factory=list[int])
    below: list[int] = dataclasses.field(default_factory=list[int])
    x: float = 0.0
    side: float = 0.0  # where it begins: long arrows on both sides, the longer the further out


def picture(graph: Graph) -> Picture:
    """Lays out a graph.

    Args:
        graph: Up to a few hundred nodes can be read.
    """
    boxes = [_box(node) for node in graph.nodes]
    if not boxes:
        return Picture([], [], 0.0, 0.0)
    places, routes = _places(graph.nodes, boxes)
    layers: list[list[int]] = [[] for _ in range(max(place.layer for place in places) + 1)]
    for i, place in enumerate(places):
        layers[place.layer].append(i)
    _order(layers, places)
    _move(layers, places)
    left = min(place.x - place.width / 2 for place in places) - _MARGIN
    right = max(place.x + place.width / 2 for place in places) + _MARGIN
    height = max(box.height for box in boxes)
    for box, place in zip(boxes, places, strict=False):
        box.x, box.y = place.x - left, _MARGIN + place.layer * (height + _RISE)
    tops = [_MARGIN + layer * (height + _RISE) for layer in range(len(layers))]
    curves = [_curve(route, places, tops, boxes, left, height) for route in routes]
    return Picture(boxes, curves, right - left, tops[-1] + height + _MARGIN)


def _box(node: Node) -> Box:
    label, detail = _short(node.label), _short(node.detail)
    width = max(len(label) * _CHARACTER, len(detail) * _SMALL_CHARACTER) + 18
    return Box(node, label, detail, width, _TWO_LINES if detail else _ONE_LINE)


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


def _layers(nodes: Sequence[Node]) -> list[int]:
    """Longest paths from above; what comes from nowhere stands just above what needs it."""
    depth = [0] * len(nodes)
    first = [len(nodes)] * len(nodes)
    for i, node in enumerate(nodes):
        depth[i] = 1 + max((depth[source] for source in node.inputs), default=-1)
    for i, node in enumerate(nodes):
        for source in node.inputs:
            first[source] = min(first[source], depth[i])
    return [
        first[i] - 1 if not node.inputs and first[i] < len(nodes) else depth[i]
        for i, node in enumerate(nodes)
    ]


def _places(nodes: Sequence[Node], boxes: Sequence[Box]) -> tuple[list[_Place], list[list[int]]]:
    """A place for each box, and for each layer that an arrow passes; the arrows' routes."""
    depth = _layers(nodes)
    places = [_Place(depth[i], boxes[i].width) for i in range(len(nodes))]
    routes: list[list[int]] = []
    long = 0
    for i, node in enumerate(nodes):
        for source in dict.fromkeys(node.inputs):
            route = [source]
            for layer in range(depth[source] + 1, depth[i]):
                route.append(len(places))
                side = (depth[i] - depth[source]) * (1 if long % 2 else -1)
                places.append(_Place(layer, _LANE, side=float(side)))
            route.append(i)
            routes.append(route)
            long += len(route) > 2
            for upper, lower in itertools.pairwise(route):
                places[upper].below.append(lower)
                places[lower].above.append(upper)
    return places, routes


def _order(layers: list[list[int]], places: Sequence[_Place]) -> None:
    rank = [0.0] * len(places)
    for layer in layers:
        layer.sort(key=lambda i: places[i].side)
        _rank(layer, rank)
    best, kept = _crossings(layers, places), [list(layer) for layer in layers]
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            means: dict[int, float] = {}
            for i in layer:
                near = places[i].above if down else places[i].below
                means[i] = sum(rank[n] for n in near) / len(near) if near else rank[i]
            layer.sort(key=means.__getitem__)
            _rank(layer, rank)
        crossings = _crossings(layers, places)
        if crossings < best:
            best, kept = crossings, [list(layer) for layer in layers]
    layers[:] = kept


def _crossings(layers: Sequence[Sequence[int]], places: Sequence[_Place]) -> int:
    """How often two arrows cross."""
    count = 0
    for upper, lower in itertools.pairwise(layers):
        at = {i: n for n, i in enumerate(lower)}
        ends: list[int] = []
        for i in upper:
            to = sorted(at[n] for n in places[i].below)
            count += sum(len(ends) - bisect.bisect_right(ends, end) for end in to)
            for end in to:
                bisect.insort(ends, end)
    return count


def _rank(layer: Sequence[int], rank: list[float]) -> None:
    for place, i in enumerate(layer):
        rank[i] = place - (len(layer) - 1) / 2


def _move(layers: Sequence[Sequence[int]], places: Sequence[_Place]) -> None:
    """Each towards the mean of its neighbours, as far as its layer has room, order kept."""
    for layer in layers:
        whole = sum(places[i].width + _GAP for i in layer)
        x = -whole / 2
        for i in layer:
            places[i].x = x + (places[i].width + _GAP) / 2
            x += places[i].width + _GAP
    for sweep in range(3 * _SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted: list[float] = []
            for i in layer:
                wanted.append(_wanted(i, places))
            for i, x in zip(layer, _apart(wanted, [places[i].width for i in layer]), strict=True):
                places[i].x = x


def _wanted(i: int, places: Sequence[_Place]) -> float:
    """The mean of its neighbours; what passes by counts for a box as little as it can."""
    here = places[i]
    near = [*here.above, *here.below]
    weights = [1.0 if (places[n].width == _LANE) != (here.width == _LANE) else 8.0 for n in near]
    if not near:
        return here.x
    return sum(w * places[n].x for w, n in zip(weights, near, strict=True)) / sum(weights)


def _apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """The positions nearest to those wanted (least squares) at which none overlap.

    Where two would, they stand side by side around the mean of what they want: pool adjacent
    violators, Ayer et al., An empirical distribution function for sampling with incomplete
    information, 1955.
    """
    offsets = [0.0]
    for left, right in itertools.pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + _GAP)
    blocks: list[tuple[float, float, int]] = []  # weighted sum wanted from the left, weight, count
    for x, offset, width in zip(wanted, offsets, widths, strict=True):
        weight = 1.0 if width == _LANE else _FIRM
        total, count = weight * (x - offset), 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / weight:
            before, firm, many = blocks.pop()
            total, weight, count = total + before, weight + firm, count + many
        blocks.append((total, weight, count))
    starts = [total / weight for total, weight, count in blocks for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _curve(
    route: Sequence[int],
    places: Sequence[_Place],
    tops: Sequence[float],
    boxes: Sequence[Box],
    left: float,
    height: float,
) -> str:
    """From the lower edge of a box to the upper edge of another, straight past those between."""
    x = places[route[0]].x - left
    y = tops[places[route[0]].layer] + boxes[route[0]].height
    path = [f"M{x:.1f} {y:.1f}"]
    for i in route[1:]:
        to, top = places[i].x - left, tops[places[i].layer]
        middle = (y + top) / 2
        path.append(f"C{x:.1f} {middle:.1f} {to:.1f} {middle:.1f} {to:.1f} {top:.1f}")
        x, y = to, top
        if i != route[-1]:
            y = top + height
            path.append(f"L{x:.1f} {y:.1f}")
    return "".join(path)
