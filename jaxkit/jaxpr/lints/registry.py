"""Which lints there are: ours, and those of installed packages.

A package announces a rule in the entry-point group `jaxkit.lints`: the entry's name is the kind of
its findings, its value ``package.module:function``; the function gets a `Code` and yields findings.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from typing import Any

from jaxkit._jax.jaxprs import Program
from jaxkit.errors import PluginError, UsageError
from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.kinds import KINDS, Rule
from jaxkit.report import Finding
from jaxkit.report.finding import rank
from jaxkit.report.plugins import entries, label, load

GROUP = "jaxkit.lints"


def available() -> tuple[str, ...]:
    """The kinds of all lints, ours and those of plug-ins, sorted.

    Example:
      >>> "key-reuse" in available()
      True
    """
    return tuple(sorted({*KINDS, *_plugins()}))


def findings_of(
    program: Program,
    select: Collection[str] | None = None,
    ignore: Collection[str] = (),
    *,
    donated: tuple[int, ...] = (),
) -> tuple[Finding, ...]:
    """What the lints find in a traced function.

    Args:
      program: the function, as `jaxkit._jax.jaxprs.trace` gives it.
      select: the kinds to look for; None for those that are on by default.
      ignore: kinds to leave out.
      donated: numbers of the inputs that it may overwrite.

    Returns:
      the findings, the worst first, then by line.

    Raises:
      UsageError: a kind that there is not.
      PluginError: a lint of a plug-in is broken.
    """
    code = Code(program, donated)
    found: dict[Any, Finding] = {}
    for rule in [_rule(kind) for kind in chosen(select, ignore)]:
        for each in rule(code):
            if each.where is None:
                continue  # of the inside of JAX's: there is no line to change
            line = each.where.file, each.where.line
            found.setdefault((each.kind, line, each.message), each)
    return tuple(sorted(found.values(), key=_order))


def chosen(select: Collection[str] | None, ignore: Collection[str]) -> list[str]:
    """The kinds that a choice means.

    Args:
      select: the kinds to look for; None for those that are on by default.
      ignore: kinds to leave out.

    Raises:
      TypeError: a string, where a list of kinds is meant.
      UsageError: a kind that there is not.
    """
    plugins = _plugins()
    for name, kinds in (("select", select), ("ignore", ignore)):
        if isinstance(kinds, str):
            raise TypeError(f"{name} must be a list of kinds, got {kinds!r}: {name}=[{kinds!r}]")
        for kind in kinds or ():
            if kind not in KINDS and kind not in plugins:
                raise UsageError(f"there is no lint {kind!r}; {_hint(kind, available())}")
    if select is None:
        select = [*(kind for kind, about in KINDS.items() if about.default), *plugins]
    return [kind for kind in dict.fromkeys(select) if kind not in ignore]


def _hint(kind: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(kind, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"


def _order(finding: Finding) -> tuple[Any, ...]:
    where = finding.where
    place = (where.file, where.line) if where else ("", 0)
    return rank(finding.severity), *place, finding.kind, finding.message


def _rule(kind: str) -> Rule:
    if kind in KINDS:
        module, _, name = KINDS[kind].rule.partition(":")
        return getattr(import_module(module), name)
    return _of_plugin(kind, _plugins()[kind])


def _plugins() -> dict[str, Any]:
    """The entry point of each kind that is not ours: plug-ins add, they cannot replace."""
    return {entry.name: entry for entry in entries(GROUP) if entry.name not in KINDS}


def _of_plugin(kind: str, entry: Any) -> Rule:
    named = label(GROUP, entry)
    rule: Callable[[Code], Any] = load(GROUP, entry)
    if not callable(rule):
        raise PluginError(named, f"must be a function, got {type(rule).__name__}")

    def checked(code: Code) -> Iterator[Finding]:
        try:
            found = list(rule(code))
        except Exception as error:
            raise PluginError(named, f"failed: {type(error).__name__}: {error}") from error
        for each in found:
            if not isinstance(each, Finding) or each.kind != kind:
                got = each.kind if isinstance(each, Finding) else type(each).__name__
                raise PluginError(named, f"must yield findings of kind {kind!r}, got {got}")
            yield each

    return checked
