"""What a person reads of a shadow: the findings, the outputs, the source with what it loses."""

from __future__ import annotations

import linecache
from collections import defaultdict
from collections.abc import Mapping, Sequence

from jaxkit.compiles.wording import counted
from jaxkit.numerics.precision.outputs import Leaf
from jaxkit.report import Finding, HeatLine, Section, SourceHeat, SourceLine, Table, Text, Tree
from jaxkit.report.blocks import Align, Block

__all__ = ["blocks_of"]

_OUTPUTS = 12
_AROUND = 3
_LEAST = 0.001
_WRONG = ("wrong", "tail", "nonfinite")


def blocks_of(
    name: str,
    leaves: Sequence[Leaf],
    findings: Sequence[Finding],
    lines: Mapping[SourceLine | None, float],
    doubles: Sequence[str] = (),
) -> list[Block]:
    """The blocks of a report.

    Args:
        name: The function's.
        leaves: Its outputs.
        findings: The guilty lines, most guilty first.
        lines: What is made on each line of the outputs' error.
        doubles: Outputs that were computed in double precision themselves.
    """
    blocks: list[Block] = [Text(_head(name, leaves, findings), style="heading")]
    if doubles:
        names = ", ".join(doubles[:_OUTPUTS])
        blocks.append(
            Text(
                "computed in double precision itself, so that lost digits are out of reach (NaN "
                f"and infinities are not): {names}"
            )
        )
    apart = [f"{x.name} ({counted(x.apart, 'element')})" for x in leaves if x.apart]
    if apart:
        names = ", ".join(apart[:_OUTPUTS])
        blocks.append(Text(f"not compared, as finite and in double precision not: {names}"))
    blocks += [_tree(finding) for finding in findings]
    off = sorted((x for x in leaves if x.verdict in _WRONG), key=_rank)
    if off:
        blocks.append(_table(off[:_OUTPUTS], len(off)))
    heats = _source(findings, lines)
    if heats:
        blocks.append(Section("Source", heats, brief=[]))
    return blocks


def _head(name: str, leaves: Sequence[Leaf], findings: Sequence[Finding]) -> str:
    outputs = counted(len(leaves), "output")
    bad = sum(_is_bad(leaf) for leaf in leaves)
    off = sum(leaf.verdict in _WRONG for leaf in leaves) - bad
    if off:
        text = f"{name}: {off} of {outputs} further from double precision than allowed"
        return f"{text}, {bad} not finite" if bad else text
    if bad:
        return f"{name}: {bad} of {outputs} not finite"
    if findings:
        return f"{name}: {outputs}, each as close to double precision as allowed"
    if not leaves:
        return f"{name}: no floating-point output, nothing to compare"
    return f"{name}: {outputs}, as close to double precision as allowed: nothing to report"


def _is_bad(leaf: Leaf) -> bool:
    return leaf.verdict == "nonfinite"


def _rank(leaf: Leaf) -> tuple[bool, float]:
    return not _is_bad(leaf), -leaf.norm


def _tree(finding: Finding) -> Tree:
    where = "" if finding.where is None else f"  {finding.where}"
    children = [finding.message] + ([f"fix: {finding.fix}"] if finding.fix else [])
    style = "plain" if finding.severity == "info" else "bad"
    return Tree(
        f"{finding.severity} {finding.kind}{where}", children, style=style, where=finding.where
    )


def _table(leaves: Sequence[Leaf], count: int) -> Table:
    rows = [(leaf.name, *_figures(leaf), f"{leaf.rtol:.1e}") for leaf in leaves]
    more = f", the {len(leaves)} worst of {count}" if count > len(leaves) else ""
    right: list[Align] = ["right"] * 3
    columns = ("output", "error", "tail", "allowed")
    return Table(columns, rows, f"relative errors{more}", ["left", *right])


def _figures(leaf: Leaf) -> tuple[str, str]:
    """Its norm and its tail; those of the finite elements alone say nothing of the others."""
    if _is_bad(leaf):
        return "not finite", ""
    return f"{leaf.norm:.1e}", f"{leaf.tail:.1e}"


def _source(
    findings: Sequence[Finding], lines: Mapping[SourceLine | None, float]
) -> list[SourceHeat]:
    """The files with what is made on each line of the error, and the digits that are lost there."""
    total = sum(value for value in lines.values() if value == value) or 1.0
    shares: dict[str, dict[int, float]] = defaultdict(dict)
    for line, value in lines.items():
        if line is not None and value > _LEAST * total:
            of_file = shares[line.file]
            of_file[line.line] = of_file.get(line.line, 0.0) + value / total
    notes: dict[str, dict[int, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    for finding in findings:
        if finding.where is not None:
            notes[finding.where.file][finding.where.line].append(finding)
    files = sorted({*shares, *notes}, key=lambda file: (file not in notes, file))
    return [_heat(file, shares.get(file, {}), notes.get(file, {})) for file in files]


def _heat(
    file: str, shares: Mapping[int, float], notes: Mapping[int, Sequence[Finding]]
) -> SourceHeat:
    text = linecache.getlines(file)
    told = {*shares, *notes}
    last = max(len(text), *told)
    shown = {n for at in told for n in range(at - _AROUND, at + _AROUND + 1) if 0 < n <= last}
    lines = [
        HeatLine(
            number,
            text[number - 1].rstrip() if number <= len(text) else "",
            min(shares[number], 1.0) if number in shares else None,
            _label(shares.get(number), notes.get(number, ())),
            [f"{each.kind}: {each.message}" for each in notes.get(number, ())],
        )
        for number in sorted(shown)
    ]
    return SourceHeat(file, lines, "what is made on each line of the outputs' error")


def _label(share: float | None, findings: Sequence[Finding]) -> str:
    lost = [each.data.get("digits_lost") for each in findings]
    digits = max((each for each in lost if isinstance(each, float)), default=0.0)
    parts = [] if share is None else [f"{share:.0%} of the error"]
    parts += [f"{digits:.1f} digits lost"] if digits >= 0.1 else []
    return ", ".join(parts)
