"""Which renderer draws a report for which file name.

A renderer is a function from a Report to text or bytes, in a file of its own, loaded when it is
first used. Ours stand in the table below; installed packages add theirs through the entry-point
group `jaxkit.renderers`, where the entry's name is the suffix (`.md`) and its value
`package.module:function`. They add, they cannot replace.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from os import PathLike
from typing import Any

from jaxkit.errors import PluginError, ReportPathError
from jaxkit.report.plugins import entries, label, load
from jaxkit.report.report import Report

__all__ = ["GROUP", "Renderer", "find_suffix", "render", "suffixes"]

GROUP = "jaxkit.renderers"

Renderer = Callable[[Report], str | bytes]

_BUILT_IN = {
    ".html": "jaxkit.report.render_html:render_html",
    ".json": "jaxkit.report.render_json:render_json",
    ".sarif": "jaxkit.report.render_sarif:render_sarif",
    ".trace.json": "jaxkit.report.render_trace:render_trace",
    ".txt": "jaxkit.report.render_text:render_text",
}


def suffixes() -> tuple[str, ...]:
    """The endings of file names that have a renderer.

    Example:
        >>> ".json" in suffixes()
        True

    Returns:
        The suffixes, with their dot, sorted.
    """
    return tuple(sorted({*_BUILT_IN, *_plugins()}))


def find_suffix(path: str | PathLike[str], *, also: Iterable[str] = ()) -> str:
    """The suffix that chooses a path's renderer: the longest that its name ends with.

    Example:
        >>> find_suffix("runs/out.json")
        '.json'

    Args:
        path: A file name.
        also: Suffixes that the caller takes care of.

    Returns:
        The suffix, in lower case.

    Raises:
        ReportPathError: There is none; the message names those there are.
    """
    known = sorted({*suffixes(), *also})
    name = os.path.split(path)[1].lower()
    matching = [suffix for suffix in known if name.endswith(suffix) and name != suffix]
    if not matching:
        raise ReportPathError(
            os.fspath(path),
            f"its name must end in one of {', '.join(known)}, which choose the form",
        )
    return max(matching, key=len)


def render(report: Report, suffix: str = ".txt") -> str | bytes:
    r"""Draws a report.

    Example:
        >>> from jaxkit.report import Report
        >>> render(Report("compiles"))
        'compiles: nothing found\n'

    Args:
        report: The report.
        suffix: The form, as one of `suffixes()`.

    Returns:
        Text, or bytes for a form that is not text.

    Raises:
        ValueError: An unknown suffix.
        PluginError: The suffix belongs to a plug-in that cannot be loaded, or that returned
            something else.
    """
    plugins = _plugins()
    if suffix in _BUILT_IN:
        return _load(_BUILT_IN[suffix])(report)
    if suffix in plugins:
        return _render_with_plugin(plugins[suffix], report)
    raise ValueError(f"suffix must be one of {', '.join(suffixes())}, got suffix={suffix!r}")


def _load(where: str) -> Renderer:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def _plugins() -> dict[str, Any]:
    """The entry point of each suffix."""
    return {
        entry.name.lower(): entry
        for entry in entries(GROUP)
        if entry.name.startswith(".") and entry.name.lower() not in _BUILT_IN
    }


def _render_with_plugin(entry: Any, report: Report) -> str | bytes:
    renderer = load(GROUP, entry)
    if not callable(renderer):
        raise PluginError(label(GROUP, entry), f"must be a function, got {type(renderer).__name__}")
    drawn: Any = renderer(report)
    if not isinstance(drawn, (str, bytes)):
        raise PluginError(
            label(GROUP, entry), f"must return str or bytes, got {type(drawn).__name__}"
        )
    return drawn
