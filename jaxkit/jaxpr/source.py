"""The user's files with what each line costs, and the findings where they are."""

from __future__ import annotations

import ast
import linecache
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from jaxkit.jaxpr.cost import Cost
from jaxkit.jaxpr.units import bytes_text, flops_text, share_text
from jaxkit.report import Finding, HeatLine, SourceHeat

if TYPE_CHECKING:
    from jaxkit.jaxpr.inspection import Inspection

_FILES = 8
_LINES = 400
_LEAST = 0.01
_AROUND = 3
_LONG = 60  # of a longer function only what is near its costly lines is shown


def source_of(inspection: Inspection) -> list[SourceHeat]:
    """The files, the most costly first; of each the functions in which something is done.

    Args:
      inspection: what `jaxkit.inspect` gave.

    Returns:
      a block a file, of at most a few hundred lines. A line on which nothing is computed has no
      share; one whose file cannot be read has no text.
    """
    total = inspection.costs.total
    amounts: dict[str, dict[int, Cost]] = defaultdict(dict)
    for line, cost in inspection.by_line.items():
        if line is not None and line.line:
            of_file = amounts[line.file]
            of_file[line.line] = of_file.get(line.line, Cost()) + cost
    notes = _notes(inspection.findings)
    _note_peak(inspection, notes)
    for file in notes:
        amounts.setdefault(file, {})
    sums = {file: sum(lines.values(), Cost()) for file, lines in amounts.items()}
    ranked = sorted(sums, key=lambda f: (-sums[f].flops, -sums[f].bytes, f))
    return [
        _heat(file, amounts[file], notes.get(file, {}), total)
        for file in ranked[:_FILES]
        if sums[file].bytes or sums[file].flops or file in notes
    ]


def _notes(findings: Iterable[Finding]) -> dict[str, dict[int, list[str]]]:
    notes: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for finding in findings:
        if finding.where is not None and finding.where.line:
            fix = f". Fix: {finding.fix}" if finding.fix else ""
            text = f"{finding.kind}: {finding.message.rstrip('.')}{fix}"
            notes[finding.where.file][finding.where.line].append(text)
    return notes


def _note_peak(inspection: Inspection, notes: dict[str, dict[int, list[str]]]) -> None:
    peak = inspection.peak
    held = peak.by_line.get(peak.where, 0)
    if peak.where is not None and peak.where.line and held:
        text = f"made here: {bytes_text(held)} of the {bytes_text(peak.bytes)} at the memory's peak"
        notes[peak.where.file][peak.where.line].append(text)


def _heat(
    file: str, costs: Mapping[int, Cost], notes: Mapping[int, Sequence[str]], total: Cost
) -> SourceHeat:
    text = linecache.getlines(file)
    # A line that costs hardly anything has its meter, but none of its surroundings.
    costly = {
        n
        for n, cost in costs.items()
        if cost.flops > _LEAST * total.flops or cost.bytes > _LEAST * total.bytes
    }
    costly |= set(notes)
    shown = _shown(text, costly or set(costs)) | costly
    if len(shown) > _LINES:
        ranked = sorted(
            shown, key=lambda n: (n not in notes, -_share(costs.get(n, Cost()), total), n)
        )
        shown = set(ranked[:_LINES])
    lines = [
        HeatLine(
            number,
            text[number - 1].rstrip() if number <= len(text) else "",
            _share(costs[number], total) if number in costs else None,
            _label(costs.get(number, Cost())),
            notes.get(number, ()),
        )
        for number in sorted(shown)
    ]
    part = sum((cost.flops if total.flops else cost.bytes) for cost in costs.values())
    whole = total.flops or total.bytes
    of = "operations" if total.flops else "bytes"
    title = f"{share_text(part, whole)} of all {of}; on each line its operations and bytes moved"
    return SourceHeat(file or "?", lines, title if text else f"{title} (its text is not there)")


def _share(cost: Cost, total: Cost) -> float:
    part, whole = (cost.flops, total.flops) if total.flops else (cost.bytes, total.bytes)
    return min(part / whole, 1.0) if whole else 0.0


def _label(cost: Cost) -> str:
    parts = [flops_text(cost.flops)] if cost.flops else []
    parts += [f"{bytes_text(cost.bytes):>8}"] if cost.bytes else []
    return "  ".join(parts)


def _shown(text: Sequence[str], costly: set[int]) -> set[int]:
    """The functions around the lines that matter, or what is near them."""
    functions = _functions(text)
    shown: set[int] = set()
    for number in costly:
        around = [(first, last) for first, last in functions if first <= number <= last]
        first, last = min(around, key=lambda span: span[1] - span[0], default=(number, number))
        if last - first >= _LONG or first == last:
            first = max(first if around else 1, number - _AROUND)
            last = min(last if around else len(text), number + _AROUND)
        shown |= set(range(first, last + 1))
    return shown


def _functions(text: Sequence[str]) -> list[tuple[int, int]]:
    """First and last line of each function, decorators included."""
    try:
        tree = ast.parse("".join(text))
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [
        (min([node.lineno, *(each.lineno for each in node.decorator_list)]), node.end_lineno)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno
    ]
