"""From one run of the analysis to its report."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from jaxkit.numerics.precision.analysis import (
    Analysis,
    Attributed,
    Compared,
    UndifferentiatedError,
)
from jaxkit.numerics.precision.findings import divergence_of, elsewhere, findings_of, unattributed
from jaxkit.numerics.precision.outputs import Leaf, Name, Table, fine_leaves
from jaxkit.numerics.precision.page import blocks_of
from jaxkit.report import Finding, FrozenMapping, SourceLine
from jaxkit.report.blocks import Block
from jaxkit.report.finding import rank
from jaxkit.report.versions import installed_versions

__all__ = ["report_of"]

# Of an output's error, what a shadow that takes the program's branches must account for.
_EXPLAINED = 0.1
_OFF = ("wrong", "tail", "nonfinite")
# How many outputs are attributed, each by a program of its own.
_ATTRIBUTED = 4


def report_of(analysis: Analysis, inputs: Sequence[Any], kind: Any) -> Any:
    """Runs the analysis.

    Args:
        analysis: Its programs.
        inputs: The arrays that enter it.
        kind: The report's class.
    """
    finish = analysis.begin(inputs)
    table: list[Sequence[float]] = []
    fine = _report_of_fine(analysis, table, kind)  # as nearly always: made while the program runs
    compared = finish()
    if compared.fine is not None:
        table += compared.fine
        return fine
    name, versions = analysis.name, _versions()
    findings: list[Finding] = []
    attributed: list[Attributed] = []
    leaves = _looked_at(analysis, inputs, compared, findings, attributed)
    findings.sort(key=lambda finding: rank(finding.severity))
    lines = _by_line(attributed)
    data = _data(name, analysis.doubles, leaves, attributed, lines)
    blocks = blocks_of(name, leaves, findings, lines, analysis.doubles)
    return kind("shadow", findings, data, blocks, versions, name=name, by_line=lines)


def _report_of_fine(analysis: Analysis, table: Table, kind: Any) -> Any:
    """The report of a function whose outputs are all fine, of which a table will tell."""
    name, doubles = analysis.name, tuple(analysis.doubles)
    data = FrozenMapping.later(
        functools.partial(_data_of_fine, name, doubles, analysis.leaves, table)
    )
    blocks = _blocks_of_fine(name, len(analysis.leaves), doubles)
    return kind("shadow", (), data, blocks, _versions(), name=name, by_line={})


def _data_of_fine(
    name: str, doubles: Sequence[str], names: Sequence[Name], table: Table
) -> dict[str, Any]:
    return _data(name, doubles, fine_leaves(table, names), (), {})


@functools.lru_cache(maxsize=64)
def _blocks_of_fine(name: str, count: int, doubles: tuple[str, ...]) -> Sequence[Block]:
    """The same for each call of a function that is as it should be."""
    leaf = Leaf(0, "", 0.0, 0.0, 0.0, "fine", "fine")
    return tuple(blocks_of(name, [leaf] * count, [], {}, doubles))


@functools.cache
def _versions() -> FrozenMapping:
    """As each report reads them anew, which takes longer than many a function."""
    return FrozenMapping(installed_versions())


def _looked_at(
    analysis: Analysis,
    inputs: Sequence[Any],
    compared: Compared,
    findings: list[Finding],
    attributed: list[Attributed],
) -> list[Leaf]:
    """The verdicts of the outputs; what is off goes to the other two."""
    leaves = list(compared.leaves)
    if not analysis.repeatable:
        findings += [unattributed(leaf) for leaf in leaves if leaf.verdict in _OFF]
        return leaves
    if any(leaf.verdict == "nonfinite" for leaf in leaves):
        findings += analysis.nonfinite(inputs)
    if findings:
        return leaves
    # What is not finite is meant: the rest may be wrong.
    leaves = [
        leaf if leaf.verdict == leaf.finite else leaf._replace(verdict=leaf.finite)
        for leaf in leaves
    ]
    for place, leaf in enumerate(leaves):
        if leaf.verdict == "zero":
            leaves[place] = analysis.reconsider(leaf, inputs, compared)
    findings += _finite(analysis, leaves, inputs, compared, attributed)
    return leaves


def _finite(
    analysis: Analysis,
    leaves: Sequence[Leaf],
    inputs: Sequence[Any],
    compared: Compared,
    attributed: list[Attributed],
) -> list[Finding]:
    """The findings of outputs that are off, of those first that depend on the least.

    What has been found in one output explains all that depend on the same.
    """
    findings: list[Finding] = []
    explained: set[int] = set()
    wrong = [leaf for leaf in leaves if leaf.verdict in ("wrong", "tail", "zero")]
    sources = {leaf.index: analysis.sources_of(leaf.index) for leaf in wrong}
    for leaf in sorted(wrong, key=lambda leaf: len(sources[leaf.index])):
        if len(attributed) == _ATTRIBUTED or explained & sources[leaf.index]:
            continue
        try:
            found = analysis.attribute(leaf, inputs, compared.trips)
        except UndifferentiatedError as error:
            findings.append(unattributed(leaf, error.reason))
            continue
        attributed.append(found)
        more = _of(analysis, found, inputs, compared)
        if more:
            explained |= {id(suspect.tap.eqn.source_info) for suspect in found.suspects}
            findings += more
    return findings


def _of(
    analysis: Analysis, found: Attributed, inputs: Sequence[Any], compared: Compared
) -> list[Finding]:
    leaf = found.leaf
    if found.explained < _EXPLAINED * leaf.error:
        diverged = analysis.diverge(leaf, inputs, compared)
        if diverged is not None:
            return [divergence_of(diverged, leaf)]
    if analysis.is_partial and (finding := elsewhere(found)) is not None:
        return [finding]
    findings = findings_of(found)
    if leaf.verdict == "zero":  # noise around zero is no fault, a step beside it is one
        return [each for each in findings[:1] if each.kind == "branch-divergence"]
    return findings


def _by_line(attributed: Sequence[Attributed]) -> dict[SourceLine | None, float]:
    """Of the outputs' errors what is made on each line, the most first."""
    found: dict[SourceLine | None, float] = defaultdict(float)
    for each in attributed:
        for one in each.statistics:
            where = one.tap.where
            line = where and SourceLine(where.file, where.line, None, where.function)
            found[line] += one.weight
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _data(
    name: str,
    doubles: Sequence[str],
    leaves: Sequence[Leaf],
    attributed: Sequence[Attributed],
    lines: Any,
) -> dict[str, Any]:
    return {
        "function": name,
        "out_of_reach": list(doubles),
        "outputs": [
            {
                "name": leaf.name,
                "verdict": leaf.verdict,
                "rtol": leaf.rtol,
                "error": leaf.norm,
                "tail": leaf.tail,
                "not_compared": leaf.apart,
            }
            for leaf in leaves
        ],
        "attributions": [
            {
                "output": each.leaf.name,
                "equations": len(each.statistics),
                "closure": each.closure,
                "explained_error": each.explained,
            }
            for each in attributed
        ],
        "by_line": [
            {"where": None if line is None else line.to_dict(), "share": share}
            for line, share in lines.items()
        ],
    }
