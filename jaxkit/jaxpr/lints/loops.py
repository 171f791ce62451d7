"""Whether a line of source stands in a Python loop."""

from __future__ import annotations

import ast
import functools
import linecache
from typing import TypeGuard

from jaxkit._jax.source import Frame
from jaxkit.report import SourceLine

_LOOPS = (
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ListComp,
    ast.GeneratorExp,
    ast.SetComp,
    ast.DictComp,
)


def line_in_loop(lines: tuple[Frame, ...]) -> SourceLine | None:
    """The innermost of the lines that led to an equation that stands in a Python loop.

    Args:
      lines: those lines, the innermost first.

    Returns:
      the line; None where none does; the innermost where the source cannot be read.
    """
    for frame in lines:
        spans = _spans(frame.file)
        if spans is None:
            return _line(lines[0])
        if any(first <= frame.line <= last for first, last in spans):
            return _line(frame)
    return None


def _line(frame: Frame) -> SourceLine:
    return SourceLine(frame.file, frame.line, frame.column or None, frame.function)


def _is_reduction(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether it is `functools.reduce(...)` or `itertools.accumulate(...)`."""
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    return called in ("reduce", "functools.reduce", "accumulate", "itertools.accumulate")


@functools.lru_cache(maxsize=64)
def _spans(file: str) -> tuple[tuple[int, int], ...] | None:
    """First and last lines of the loops in a file."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None
    if not tree.body:
        return None
    spans: list[tuple[int, int]] = []
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, _LOOPS) or _is_reduction(node):
            spans.append((node.lineno, node.end_lineno or node.lineno))
        todo.extend(ast.iter_child_nodes(node))
    return tuple(spans)
