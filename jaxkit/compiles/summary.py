"""The report on a log or a recording: findings, figures, and what a person reads.

Never imports JAX.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from jaxkit.compiles.advice import fix
from jaxkit.compiles.event import CompileEvent
from jaxkit.compiles.groups import FunctionKey, FunctionStats, Group, Groups
from jaxkit.compiles.timeline import timelines
from jaxkit.compiles.wording import counted, listed, seconds, sentence
from jaxkit.report import Finding, Report, Section, SourceLine, Text, Tree

_SHOWN = 12
_NOTES = {
    "unread_frames": "{n} of JAX's signals could not be read in full: is JAX newer than jaxkit?",
    "listeners_cleared": (
        "the program called jax.monitoring.clear_event_listeners ({n}x); jaxkit listened again"
    ),
    "callback_errors": "on_compile raised {n} times; the program went on",
    "write_errors": "{n} lines of the recording could not be written",
    "not_watched": "this JAX could not be watched",
}


def build_report(
    events: Iterable[CompileEvent],
    *,
    wall_seconds: float | None = None,
    notes: Mapping[str, int] | None = None,
) -> Report:
    """The report on events that were read back.

    Args:
      events: events with their causes, as `recording.read_events` gives them.
      wall_seconds: how long the program ran; None if that is not known.
      notes: counts of what went by unread, as `CompileLog.notes`.
    """
    groups = Groups()
    kept = tuple(events)
    for event in kept:
        groups.add(event)
    return report_of(groups, wall_seconds=wall_seconds, notes=notes or {}, events=kept)


def report_of(
    groups: Groups,
    *,
    wall_seconds: float | None,
    notes: Mapping[str, int],
    events: Sequence[CompileEvent],
) -> Report:
    """The report on sums that were kept up, and on the events that are still there."""
    ranked = sorted(groups.groups.values(), key=_rank, reverse=True)
    findings = [_finding(group, groups) for group in ranked]
    data: dict[str, Any] = {
        "functions": [_function(stats, groups) for stats in groups.functions.values()],
        "events": groups.events,
        "compiles": groups.compiles,
        "wall_seconds": wall_seconds,
        "compile_seconds": groups.seconds,
        "avoidable_seconds": groups.avoidable_seconds,
        "unread_frames": notes.get("unread_frames", 0),
        "notes": dict(notes),
    }
    drawn = partial(timelines, tuple(events), left_out=groups.events - len(events))
    timeline = Section("Timeline" if events else "", drawn, brief=[])
    blocks = [*_blocks(groups, ranked, findings, wall_seconds, notes), timeline]
    return Report("compiles", findings, data, blocks)


def _rank(group: Group) -> tuple[float, int]:
    share = group.avoidable / group.recompiles if group.recompiles else 0.0
    return group.seconds * share, group.recompiles


def finding_of(groups: Groups) -> Finding:
    """The finding of sums that have a single group."""
    [group] = groups.groups.values()
    return _finding(group, groups)


def _finding(group: Group, groups: Groups) -> Finding:
    stats = groups.functions[group.function]
    name, file, line = group.function
    first, last = group.first, group.last
    site = group.sites.most_common(1)[0][0] if group.sites else None
    after = last.after if last else None
    if first is not None and first.path in group.paths:  # of one path, not of two
        after = group.paths[first.path].after
    return Finding(
        kind=group.kind,
        severity="warning" if group.avoidable else "info",
        message=f"{name}: {sentence(group)}",
        where=SourceLine(file, line, function=stats.qualname or name) if file and line else None,
        fix=fix(group, stats, groups.shapes.get(group.function, ())),
        data={
            "function": name,
            "file": file,
            "line": line,
            "compiles": stats.compiles,
            "recompiles": group.recompiles,
            "avoidable": group.avoidable,
            "paths": list(group.paths),
            "before": first.before if first else None,
            "after": after,
            "seconds": round(group.seconds, 6),
            "traced": stats.traced,
            "jax_name": stats.jax_name,
            "names": [name for name, _ in group.details.most_common(5)],
            "call_site": {"file": site[0], "line": site[1], "function": site[2]} if site else None,
        },
    )


def _function(stats: FunctionStats, groups: Groups) -> dict[str, Any]:
    avoidable = sum(
        group.avoidable
        for (function, _), group in groups.groups.items()
        if function == (stats.name, stats.file, stats.line)
    )
    return {
        "name": stats.name,
        "file": stats.file,
        "line": stats.line,
        "qualname": stats.qualname,
        "traced": stats.traced,
        "jax_name": stats.jax_name,
        "via": stats.via,
        "compiles": stats.compiles,
        "recompiles": stats.recompiles,
        "avoidable": avoidable,
        "traces": stats.traces,
        "failed": stats.failed,
        "persistent_cache_hits": stats.cache_hits,
        "seconds": round(stats.seconds, 6),
    }


# What a person reads.


def _blocks(
    groups: Groups,
    ranked: Sequence[Group],
    findings: Sequence[Finding],
    wall: float | None,
    notes: Mapping[str, int],
) -> list[Text | Tree]:
    blocks: list[Text | Tree] = [Text(_headline(groups, wall), style="heading")]
    fixes = {(f.data["function"], f.data["file"], f.data["line"], f.kind): f for f in findings}
    by_function: dict[FunctionKey, list[Group]] = {}
    for group in ranked:
        by_function.setdefault(group.function, []).append(group)
    shown = [
        key for key in by_function if groups.functions[key].via != "eager" or _traced(groups, key)
    ]
    for key in shown[:_SHOWN]:
        blocks.append(_function_tree(groups.functions[key], by_function[key], fixes))
    if len(shown) > _SHOWN:
        rest = sum(groups.functions[key].seconds for key in shown[_SHOWN:])
        blocks.append(
            Text(
                f"and {counted(len(shown) - _SHOWN, 'function')} more, {seconds(rest)}", style="dim"
            )
        )
    blocks.extend(_eager_trees(groups, by_function))
    once = _once(groups, by_function)
    if once:
        blocks.append(Text(once, style="dim"))
    for name, count in notes.items():
        blocks.append(Text(_NOTES.get(name, f"{name}: {{n}}").format(n=count), style="dim"))
    return blocks


def _headline(groups: Groups, wall: float | None) -> str:
    if not groups.compiles:
        return "jaxkit: nothing was compiled"
    compiled = [stats for stats in groups.functions.values() if stats.compiles]
    functions = [stats for stats in compiled if stats.via != "eager" or stats.traced]
    eager = groups.compiles - sum(stats.compiles for stats in functions)
    what: list[str] = []
    if functions:
        number = groups.compiles - eager
        of = counted(len(functions), "function")
        what.append(f"{counted(number, 'compilation')} of {of}")
    if eager:
        what.append(f"{eager} of eager operations" if functions else f"{eager} eager operations")
    text = f"jaxkit: {listed(what)} took {seconds(groups.seconds)}"
    if wall:
        text += f" of {seconds(wall)} ({min(groups.seconds / wall, 1):.0%})"
    avoidable = groups.avoidable_seconds
    if avoidable > 0:
        return f"{text}; {seconds(avoidable)} could have been avoided"
    return f"{text}; nothing was compiled that could have been avoided"


def _traced(groups: Groups, key: FunctionKey) -> bool:
    return groups.functions[key].traced is not None


def _function_tree(
    stats: FunctionStats, groups: Sequence[Group], fixes: Mapping[Any, Finding]
) -> Tree:
    name = f"{stats.name} of {stats.traced}" if stats.traced else stats.name
    label = f"{name}  {place(stats.file, stats.line)}  {counted(stats.compiles, 'compilation')}"
    label += f"  {seconds(stats.seconds)}"
    if stats.cache_hits:
        label += f", {stats.cache_hits} from the persistent cache"
    if stats.sites and not stats.traced:
        label += f"  called from {_sites(stats)}"
    children: list[Tree | str] = []
    for group in groups:
        found = fixes[*group.function, group.kind]
        children.append(f"{sentence(group)}{_share(group, stats)}")
        if found.fix:
            children.append(f"fix: {found.fix}")
    avoidable = any(group.avoidable for group in groups)
    return Tree(label, children, style="bad" if avoidable else "plain")


def _share(group: Group, stats: FunctionStats) -> str:
    if group.recompiles + 1 >= stats.compiles:
        return ""
    return f" ({group.recompiles} of {counted(stats.compiles - 1, 'recompilation')})"


def _sites(stats: FunctionStats) -> str:
    found = stats.sites.most_common(2)
    texts = [
        f"{place(file, line)} in {function.rpartition('.')[2]}"
        if function and function != "<module>"
        else place(file, line)
        for (file, line, function), _ in found
    ]
    more = len(stats.sites) - len(found)
    return listed(texts) + (f" and {more} more" if more > 0 else "")


def _eager_trees(groups: Groups, by_function: Mapping[FunctionKey, Sequence[Group]]) -> list[Tree]:
    """Eager operations, a line of the user's at a time."""
    lines: dict[tuple[str, int], list[FunctionStats]] = {}
    for stats in groups.functions.values():
        if stats.via == "eager" and not stats.traced:
            lines.setdefault((stats.file, stats.line), []).append(stats)
    trees: list[tuple[float, Tree]] = []
    for (file, line), operations in lines.items():
        found = [
            group
            for stats in operations
            for group in by_function.get((stats.name, stats.file, stats.line), ())
            if group.avoidable
        ]
        if not found:
            continue
        total = sum(stats.seconds for stats in operations)
        programs = sum(stats.compiles for stats in operations)
        label = (
            f"eager operations  {place(file, line)}  {programs} small programs  {seconds(total)}"
        )
        names = listed(dict.fromkeys(group.function[0].lstrip("_") for group in found))
        text = f"{names} {sentence(max(found, key=lambda g: g.recompiles))}"
        children = [text, "fix: do it in NumPy, or pad to one shape and put it inside one jit"]
        trees.append((total, Tree(label, children, style="bad")))
    trees.sort(key=lambda pair: -pair[0])
    return [tree for _, tree in trees[:_SHOWN]]


def _once(groups: Groups, by_function: Mapping[FunctionKey, Sequence[Group]]) -> str:
    """The rest, which needs no mending, in one line."""
    rest = [
        stats
        for key, stats in groups.functions.items()
        if key not in by_function and stats.compiles
    ]
    rest += [
        groups.functions[key]
        for key, found in by_function.items()
        if groups.functions[key].via == "eager"
        and not groups.functions[key].traced
        and not any(group.avoidable for group in found)
    ]
    if not rest:
        return ""
    functions = [stats for stats in rest if stats.via != "eager" or stats.traced]
    eager = [stats for stats in rest if stats.via == "eager" and not stats.traced]
    parts: list[str] = []
    if functions:
        ordered = sorted(functions, key=lambda stats: -stats.seconds)
        total = sum(stats.seconds for stats in functions)
        parts.append(f"{listed((s.name for s in ordered), 5)} ({seconds(total)})")
    if eager:
        total = sum(stats.seconds for stats in eager)
        programs = sum(stats.compiles for stats in eager)
        parts.append(f"{counted(programs, 'small program')} of eager operations ({seconds(total)})")
    return f"compiled as often as needed: {listed(parts)}"


def place(file: str, line: int) -> str:
    """``train.py:41``, relative to the current folder where it lies below it."""
    if not file:
        return "?"
    try:
        relative = os.path.relpath(file)
        if os.path.isabs(file) and not relative.startswith(".."):
            file = relative
    except (ValueError, OSError):
        pass
    return f"{file}:{line}"
