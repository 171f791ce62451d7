"""Where to point when two equations are to blame, and how to name the other one."""

from __future__ import annotations

from pathlib import PurePath

from jaxkit._jax.source import Frame
from jaxkit.jaxpr.lints.graph import Node
from jaxkit.report import SourceLine


def apart(first: Node, second: Node) -> tuple[SourceLine | None, SourceLine | None]:
    """The line of the second and that of the first of two equations.

    Where both stand on one line, as in a function that is called twice, those of the calls.

    Args:
      first: the one before.
      second: the one to blame.
    """
    one, other = list(reversed(first.place)), list(reversed(second.place))
    if not one or not other or one[-1] != other[-1] or one == other:
        return second.where, first.where
    for left, right in zip(one, other, strict=False):
        if left != right:
            return _line(right), _line(left)
    return second.where, first.where


def _line(frame: Frame) -> SourceLine:
    return SourceLine(frame.file, frame.line, frame.column or None, frame.function)


def short(line: SourceLine | None, beside: SourceLine | None = None) -> str:
    """``train.py:41``, with the column where it is the line of the finding itself.

    Args:
      line: to name.
      beside: where the finding stands.
    """
    if line is None:
        return "a line that is not known"
    place = f"{PurePath(line.file).name}:{line.line}"
    same = beside is not None and (beside.file, beside.line) == (line.file, line.line)
    return f"{place}, column {line.column}" if same and line.column else place
