"""Where the boxes and arrows of a `Graph` go: layers from top to bottom, few crossings.

Source of the method: Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical
system structures, 1981: longest-path layers, then sweeps that order each layer by the mean
position of its neighbours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jaxkit.report.blocks import Graph, Node

_CHARACTER = 7.0
_HEIGHT = 26.0
_GAP = 18.0
_RISE = 34.0
_LONGEST = 28
_SWEEPS = 6
_MARGIN = 10.0


@dataclasses.dataclass(slots=True)
class Box:
    """A node where it is drawn: the middle of its upper edge, and its width."""

    node: Node
    label: str
    width: float
    x: float = 0.0
    y: float = 0.0


@dataclasses.dataclass(slots=True)
class Picture:
    """All of a drawing."""

    boxes: list[Box]
    curves: list[str]
    width: float
    height: float
    box_height: float = _HEIGHT


def picture(graph: Graph) -> Picture:
    """Lays out a graph.

    Args:
        graph: Up to a few hundred nodes can be read.
    """
    boxes = [Box(node, _short(node.label), _width(node.label)) for node in graph.nodes]
    layers = _layers(graph.nodes)
    _order(layers, graph.nodes)
    width = _place(layers, boxes)
    curves = [
        _curve(boxes[source], boxes[i])
        for i, node in enumerate(graph.nodes)
        for source in dict.fromkeys(node.inputs)
    ]
    height = len(layers) * (_HEIGHT + _RISE) - _RISE + 2 * _MARGIN
    return Picture(boxes, curves, width, max(height, 0.0))


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


def _width(label: str) -> float:
    return len(_short(label)) * _CHARACTER + 16


def _layers(nodes: Sequence[Node]) -> list[list[int]]:
    depth = [0] * len(nodes)
    for i, node in enumerate(nodes):
        depth[i] = 1 + max((depth[source] for source in node.inputs), default=-1)
    layers: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for i, level in enumerate(depth):
        layers[level].append(i)
    return layers


def _order(layers: list[list[int]], nodes: Sequence[Node]) -> None:
    outputs: list[list[int]] = [[] for _ in nodes]
    for i, node in enumerate(nodes):
        for source in node.inputs:
            outputs[source].append(i)
    rank = {i: float(place) for layer in layers for place, i in enumerate(layer)}
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            neighbours = [nodes[i].inputs if down else outputs[i] for i in layer]
            means = {
                i: sum(rank[n] for n in near) / len(near) if near else rank[i]
                for i, near in zip(layer, neighbours, strict=True)
            }
            layer.sort(key=means.__getitem__)
            for place, i in enumerate(layer):
                rank[i] = place - len(layer) / 2


def _place(layers: list[list[int]], boxes: list[Box]) -> float:
    widths = [sum(boxes[i].width + _GAP for i in layer) - _GAP for layer in layers]
    whole = max(widths, default=0.0) + 2 * _MARGIN
    for level, (layer, width) in enumerate(zip(layers, widths, strict=True)):
        x = (whole - width) / 2
        for i in layer:
            boxes[i].x = x + boxes[i].width / 2
            boxes[i].y = _MARGIN + level * (_HEIGHT + _RISE)
            x += boxes[i].width + _GAP
    return whole


def _curve(source: Box, target: Box) -> str:
    top, bottom = source.y + _HEIGHT, target.y
    middle = (top + bottom) / 2
    return (
        f"M{source.x:.1f} {top:.1f}C{source.x:.1f} {middle:.1f} "
        f"{target.x:.1f} {middle:.1f} {target.x:.1f} {bottom:.1f}"
    )
