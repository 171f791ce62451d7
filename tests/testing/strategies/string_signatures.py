# ruff: noqa: F821, UP037  (dimensions are no names)
"""Annotations that are strings, since that is what `from __future__ import annotations` makes."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float, Int, PyTree

Rows = Float[Array, "n d"]


class Pair(NamedTuple):
    x: Float[Array, "n"]
    y: "Int[Array, 'n']"


@dataclasses.dataclass
class Config:
    scale: Float[Array, ""]
    sizes: tuple[int, ...] = (1, 2)


class Layer(eqx.Module):
    weight: Float[Array, "d k"]
    inner: Layer | None = None


def plain(x: Rows, y: Float[Array, "d"], *rest: Float[Array, "n+d"]): ...
def inside(x: list[Float[Array, "n"]], y: "dict[str, Int[Array, 'n']]", z: Pair | None): ...
def classes(x: Layer, y: Config, z: PyTree[Float[Array, "?n d"], "T"]): ...


def make(size: int):
    class Local(NamedTuple):
        x: Float[Array, "n"]

    def around(x: Local, y: Float[Array, "n"]):
        return Local, size

    return around


FUNCTIONS = [plain, inside, classes, make(3)]
