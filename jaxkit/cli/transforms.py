"""`jaxkit transforms`: what can be put around a function, with `--apply` or in code."""

from __future__ import annotations

import inspect
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxkit.cli import docstring
from jaxkit.report import Block, Finding, Report, Table, Text, Tree

if TYPE_CHECKING:
    from jaxkit.transforms import Entry, Transform

__all__ = ["transforms"]


def transforms(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="One of them, to read all about it.", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a document for programs instead.")
    ] = False,
) -> None:
    """List the transforms that are installed, with their options.

    Those of other packages are found by the entry-point group jaxkit.transforms; one that cannot
    be used is listed with the reason. JAXKIT_NO_PLUGINS=1 leaves them out.

    \b
    Examples:
      jaxkit transforms
      jaxkit transforms clip_gradients
      jaxkit transforms --json
    """  # noqa: D301  # typer's \b keeps the examples' lines
    context.obj.append(partial(_transforms, name, as_json))


def _transforms(name: str | None, as_json: bool) -> int:
    from jaxkit.report.render_text import print_report
    from jaxkit.transforms import available, get

    if name is None:
        report = _list(list(available().values()))
    else:
        found = get(name)
        report = _help(found, available()[name])
    if as_json:
        print(report.to_json(), end="")
    else:
        print_report(report, sys.stdout)
    return 0


def _list(entries: list[Entry]) -> Report:
    sound = [entry for entry in entries if entry.error is None]
    rows = [
        (entry.name, ", ".join(_options(entry)) or "-", entry.origin, entry.summary)
        for entry in sound
    ]
    broken = [_finding(entry) for entry in entries if entry.error is not None]
    blocks: list[Block] = [Table(["name", "options", "from", "what it does"], rows)]
    if broken:
        blocks.append(Text(""))
        blocks.extend(Tree(f"{each.message}", [f"fix: {each.fix}"], style="bad") for each in broken)
    blocks.append(Text(""))
    blocks.append(Text("jaxkit transforms NAME tells all about one of them", style="dim"))
    return Report("transforms", broken, {"transforms": [_data(each) for each in entries]}, blocks)


def _finding(entry: Entry) -> Finding:
    if entry.origin == "jaxkit":
        return Finding(
            "broken-transform",
            "error",
            f"{entry.name}: {entry.error}",
            fix="install jaxkit-debug anew",
            data={"name": entry.name, "origin": entry.origin},
        )
    return Finding(
        "broken-plugin",
        "warning",
        f"plug-in {entry.name} of {entry.origin} {entry.error}",
        fix=f"update or uninstall {entry.origin}, or set JAXKIT_NO_PLUGINS=1",
        data={"name": entry.name, "origin": entry.origin},
    )


def _help(found: Transform, entry: Entry) -> Report:
    from jaxkit.transforms import TAGS

    blocks: list[Block] = [
        Text(f"{found.name}(fun{', *, ' if _options(entry) else ''}{', '.join(_options(entry))})"),
        Text(f"from {entry.origin}, {found.factory.__module__}", style="dim"),
        *(Text(f"it {TAGS[tag]}", style="dim") for tag in sorted(found.tags)),
        Text(""),
        *docstring.blocks(found.doc),
    ]
    data = {"transforms": [{**_data(entry), "tags": sorted(found.tags), "doc": found.doc}]}
    return Report("transforms", [], data, blocks)


def _data(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "origin": entry.origin,
        "summary": entry.summary,
        "options": None if entry.options is None else _options_data(entry.options),
        "error": entry.error,
    }


def _options_data(options: inspect.Signature) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "required": each.default is each.empty and each.kind is each.KEYWORD_ONLY,
            "default": None if each.default is each.empty else repr(each.default),
            "annotation": None
            if each.annotation is each.empty
            else inspect.formatannotation(each.annotation),
        }
        for each in options.parameters.values()
    ]


def _options(entry: Entry) -> list[str]:
    """Each option as it would be written in a call; those that must be given have dots."""
    parameters = [] if entry.options is None else entry.options.parameters.values()
    return [
        f"**{each.name}"
        if each.kind is each.VAR_KEYWORD
        else f"{each.name}={'...' if each.default is each.empty else repr(each.default)}"
        for each in parameters
    ]
