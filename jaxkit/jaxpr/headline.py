"""An inspection for people and for programs: its blocks and its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from jaxkit.jaxpr.cost import Cost, Costs
from jaxkit.jaxpr.memory import Peak
from jaxkit.jaxpr.units import bytes_text, flops_text, share_text
from jaxkit.report import Block, Finding, Section, SourceLine, Table, Text, Tree
from jaxkit.report.blocks import Align

if TYPE_CHECKING:
    from jaxkit.jaxpr.inspection import Inspection

_LINES = 10
_PRIMITIVES = 8
_SCOPES = 8
_UNCOUNTED = 6
_PLACE = 34
_RIGHT: tuple[Align, ...] = ("left", "right", "right", "right", "right")


def data_of_inspection(name: str, costs: Costs, peak: Peak) -> dict[str, Any]:
    """JSON values: every figure.

    Args:
      name: the function's name.
      costs: its costs.
      peak: its worst moment.
    """
    return {
        "function": name,
        "total": costs.total.to_dict(),
        "per_device": costs.per_device.to_dict(),
        "peak": {
            "bytes": peak.bytes,
            "argument_bytes": peak.argument_bytes,
            "where": _line(peak.where),
            "at": _line(peak.at),
            "arrays": [
                {"what": str(each), "bytes": each.bytes, "where": _line(each.where)}
                for each in peak.arrays
            ],
        },
        "by_line": [
            {"where": _line(line), **cost.to_dict()} for line, cost in costs.by_line.items()
        ],
        "by_scope": {scope: cost.to_dict() for scope, cost in costs.by_scope.items()},
        "by_primitive": {name: cost.to_dict() for name, cost in costs.by_primitive.items()},
        "primitives": dict(costs.primitives),
        "uncounted": [
            {
                "primitive": each.primitive,
                "where": _line(each.where),
                "reason": each.reason,
                "times": each.times,
            }
            for each in costs.uncounted
        ],
    }


def _line(line: SourceLine | None) -> dict[str, Any] | None:
    return None if line is None else line.to_dict()


def blocks_of_inspection(
    name: str,
    costs: Costs,
    peak: Peak,
    findings: Sequence[Finding],
    inspection: Callable[[], Inspection],
    *,
    linted: bool = False,
    depth: int | None = None,
) -> list[Block]:
    """What a person reads: the headline, the costly lines, scopes and primitives, what is missing.

    Args:
      name: the function's name.
      costs: its costs.
      peak: its worst moment.
      findings: those of the lints.
      inspection: gives the inspection that this is for, which is not there yet.
      linted: whether anything was looked for, so that it is said where nothing was found.
      depth: how many levels of the tree a terminal shows; None for what there is room for.
    """
    from jaxkit.jaxpr.views import figures_of, picture_of, short_tree_of, source_of, whole_tree_of

    def tree() -> Sequence[Block]:
        return short_tree_of(inspection()) if depth is None else [inspection().tree(depth=depth)]

    sums = _sums(costs)
    blocks: list[Block] = [
        Text(_headline(name, costs), style="heading"),
        Section("", [figures_of(costs, peak)], brief=[Text(_memory(peak))]),
    ]
    if sums:
        blocks += [
            Section("Source", lambda: source_of(inspection()), brief=[]),
            Section("Tree", lambda: whole_tree_of(inspection()), brief=[]),
            Section("Sums", sums, brief=sums),
            Section("", [], brief=tree),
            Section("Picture", lambda: picture_of(inspection()), brief=[]),
        ]
    if costs.uncounted:
        blocks.append(uncounted_block(costs))
    # Pages show findings by themselves, a terminal shows what is here.
    blocks.append(Section("", [], brief=[finding_block(each) for each in findings]))
    if linted and not findings:
        blocks.append(Text("lints: nothing found", style="good"))
    return blocks


def _sums(costs: Costs) -> list[Block]:
    blocks: list[Block] = []
    if costs.total.flops or costs.total.bytes:
        blocks.append(_table("line", costs.by_line, costs.total, _LINES))
    if len(costs.by_scope) > 1:
        blocks.append(_table("scope", costs.by_scope, costs.total, _SCOPES))
    if costs.by_primitive:
        blocks.append(_table("primitive", costs.by_primitive, costs.total, _PRIMITIVES))
    return blocks


def uncounted_block(costs: Costs) -> Tree:
    """What the figures leave out or count once, with the reasons.

    Args:
      costs: of a program.
    """
    shown = [_short(each.where, f"{each.primitive}: ") + each.reason for each in costs.uncounted]
    more = len(shown) - _UNCOUNTED
    rest = [f"and {more} more"] if more > 0 else []
    label = f"not in these figures, or counted once ({len(shown)}):"
    return Tree(label, [*shown[:_UNCOUNTED], *rest], style="bad")


def _headline(name: str, costs: Costs) -> str:
    total = costs.total
    parts = [f"{name}: {flops_text(total.flops)}"]
    if total.flops:
        parts[0] += f" ({share_text(total.matmul_flops, total.flops)} in matrix products)"
    parts.append(f"{bytes_text(total.bytes)} moved unfused")
    if total.bytes:
        parts.append(f"{total.intensity:.2g} FLOP a byte")
    text = ", ".join(parts)
    if costs.per_device != total:
        text += f"; {flops_text(costs.per_device.flops)} on each device"
    return text


def _memory(peak: Peak) -> str:
    arguments = f"{bytes_text(peak.argument_bytes)} of it arguments"
    text = f"peak memory about {bytes_text(peak.bytes)} ({arguments})"
    if peak.where is None:
        return text
    held = peak.by_line.get(peak.where, 0)
    return f"{text}; {bytes_text(held)} made at {_place(peak.where)}"


def _table(title: str, costs: Mapping[Any, Cost], total: Cost, limit: int) -> Table:
    shown = [(key, cost) for key, cost in costs.items() if cost.flops or cost.bytes]
    rows = [_row(_key(title, key), cost, total) for key, cost in shown[:limit]]
    rest = Cost()
    for _, cost in shown[limit:]:
        rest += cost
    if rest.flops or rest.bytes:
        rows.append(_row(f"{len(shown) - limit} others", rest, total))
    return Table([title, "FLOPs", "share", "bytes", "runs"], rows, align=_RIGHT)


def _row(label: str, cost: Cost, total: Cost) -> tuple[str, ...]:
    return (
        label,
        flops_text(cost.flops),
        share_text(cost.flops, total.flops),
        bytes_text(cost.bytes),
        str(cost.equations),
    )


def _key(title: str, key: Any) -> str:
    if title == "line":
        return _place(key)
    text = str(key) or "no scope"
    return text if len(text) <= _PLACE else f"...{text[3 - _PLACE :]}"


def _place(line: SourceLine | None) -> str:
    """The file's name and line, and the function as far as there is room."""
    if line is None:
        return "not known"
    place = f"{PurePath(line.file).name}:{line.line}"
    function = line.function.rpartition("<locals>.")[2]
    whole = f"{place} in {function}" if function else place
    return whole if len(whole) <= _PLACE else place[-_PLACE:]


def _short(line: SourceLine | None, text: str) -> str:
    return text if line is None else f"{_place(line)}, {text}"


def finding_block(finding: Finding) -> Tree:
    """A finding as a terminal shows it.

    Args:
      finding: the finding.
    """
    place = "" if finding.where is None else f"  {finding.where}"
    fix = [f"fix: {finding.fix}"] if finding.fix else []
    return Tree(f"{finding.severity} {finding.kind}{place}", [finding.message, *fix])
