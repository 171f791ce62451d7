"""The dimensions of a jaxtyping annotation, read from the text that the user wrote.

`dim_str` is not documented, but carries no underscore and keeps what nested subscripts add
(jaxtyping 0.2.20 to 0.3.11); the classes in `dims` are private and changed in 0.3.11.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Axis", "evaluate", "names_in", "parse_axes", "under"]


@dataclass(frozen=True)
class Axis:
    """One word of the text.

    Attributes:
        kind: `variadic` stands for any number of dimensions.
        text: the name, empty for one that binds nothing; the expression of a symbolic one.
        size: of a fixed one.
        broadcastable: whether 1 will do as well.
        per_leaf: whether each leaf of a tree has a size of its own.
    """

    kind: Literal["named", "fixed", "symbolic", "variadic"]
    text: str = ""
    size: int = 0
    broadcastable: bool = False
    per_leaf: bool = False


@functools.lru_cache(maxsize=1024)
def parse_axes(text: str) -> tuple[Axis, ...]:
    """The dimensions, in their order. jaxtyping has refused what is no annotation."""
    return tuple(_parse_word(word) for word in text.split())


def _parse_word(word: str) -> Axis:
    if word == "...":
        return Axis("variadic")
    marks: set[str] = set()
    while word:
        if word[0] in "#*_?":
            marks.add(word[0])
            word = word[1:]
        elif word.count("=") == 1:
            word = word.partition("=")[2]
        else:
            break
    broadcastable, per_leaf = "#" in marks, "?" in marks
    name = "" if "_" in marks else word
    if "*" in marks:
        return Axis("variadic", name, 0, broadcastable, per_leaf)
    if not word or word.isidentifier():
        return Axis("named", name, 0, broadcastable, per_leaf)
    try:
        return Axis("fixed", word, int(word), broadcastable)
    except ValueError:
        return Axis("symbolic", word, 0, broadcastable)


def under(axes: tuple[Axis, ...], prefix: str) -> tuple[Axis, ...]:
    """The dimensions at one leaf of a tree: names that each leaf has for itself become its own."""
    return tuple(
        replace(axis, text=f"{prefix}{axis.text}", per_leaf=False)
        if axis.per_leaf and axis.text
        else axis
        for axis in axes
    )


@functools.lru_cache(maxsize=1024)
def names_in(expression: str) -> tuple[str, ...]:
    """The dimensions that an expression is made of; what it calls is none."""
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        return ()
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return tuple(dict.fromkeys(node.id for node in names if id(node) not in called))


@functools.lru_cache(maxsize=1024)
def _compiled(expression: str) -> object:
    return compile(expression, "<dimension>", "eval")


def evaluate(expression: str, sizes: Mapping[str, int]) -> int | None:
    """The size that an expression has, as jaxtyping finds it; None where it is no whole number."""
    try:
        value = eval(_compiled(expression), dict(sizes))  # type: ignore[arg-type]
        whole = int(value)
    except (ArithmeticError, TypeError, ValueError, NameError, SyntaxError):
        return None
    return whole if whole == value else None
