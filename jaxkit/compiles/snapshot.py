"""The signatures that a program compiles, in a file to be committed; a new one is a finding.

Never imports JAX.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from jaxkit.compiles.diff import leaf_text
from jaxkit.compiles.groups import MAX_SHAPES, FunctionKey, Groups
from jaxkit.compiles.leaf import Leaf
from jaxkit.errors import UsageError
from jaxkit.report import Finding, Report, SourceLine, Text
from jaxkit.report.save import write_atomically

SCHEMA = "jaxkit.snapshot/1"
Entries = dict[str, str]


def save(groups: Groups, path: str | os.PathLike[str]) -> None:
    """Writes the snapshot of a log: sorted, a line an entry, so that a diff of it can be read.

    Args:
      groups: the sums of the log.
      path: the file; replaced as a whole or not at all.

    Raises:
      ReportPathError: it cannot be written.
    """
    functions = {
        _name(groups, key): sorted(map(_entries, found), key=str)
        for key, found in _compiled(groups).items()
    }
    data = {"schema": SCHEMA, "functions": dict(sorted(functions.items()))}
    text = json.dumps(data, indent=1, ensure_ascii=False)
    write_atomically(os.fspath(path), (text + "\n").encode("utf-8", "surrogatepass"))


def check(groups: Groups, path: str | os.PathLike[str]) -> Report:
    """Compares a log with a snapshot.

    Args:
      groups: the sums of the log.
      path: the file that `save` wrote.

    Returns:
      a `Report` with a finding ``new-function`` or ``new-signature`` (warnings) for what the
      snapshot does not have, and ``missing-signature`` (info) for what was not compiled this time.

    Raises:
      UsageError: there is no such file, or it is no snapshot.
    """
    name = os.fspath(path)
    known = _load(name)
    findings: list[Finding] = []
    seen: dict[str, list[Entries]] = {}
    for key, shapes in _compiled(groups).items():
        function = _name(groups, key)
        entries = seen.setdefault(function, [])
        entries.extend(map(_entries, shapes))
        if function not in known:
            findings.append(_new_function(key, len(shapes), name))
            continue
        cut = len(known[function]) >= MAX_SHAPES
        new = [each for each in map(_entries, shapes) if each not in known[function]]
        if new and not cut:
            findings.append(_new_signatures(key, new, known[function], name))
    missing = [
        _missing(function, len(gone))
        for function, entries in known.items()
        if (gone := [each for each in entries if each not in seen.get(function, [])])
    ]
    said = "as in the snapshot" if not findings else f"{len(findings)} differ from the snapshot"
    text = Text(f"jaxkit: {len(seen)} compiled functions, {said} {name}", style="heading")
    data = {"snapshot": name, "functions": len(seen)}
    report = Report("snapshot", (*findings, *missing), data)
    return Report("snapshot", (*findings, *missing), data, (text, *_lines(report)))


def _lines(report: Report) -> list[Text]:
    return [
        Text(f"{finding.kind}: {finding.message}" + (f"; {finding.fix}" if finding.fix else ""))
        for finding in report.findings
    ]


def _compiled(groups: Groups) -> dict[FunctionKey, Sequence[tuple[Leaf, ...]]]:
    return {key: shapes for key, shapes in groups.shapes.items() if shapes}


def _name(groups: Groups, key: FunctionKey) -> str:
    """A name that outlives edits above the function: no line number in it."""
    stats = groups.functions[key]
    file = key[1]
    relative = os.path.relpath(file) if file and os.path.isabs(file) else file
    place = file if relative.startswith("..") else relative
    return f"{place.replace(os.sep, '/')}:{stats.qualname or key[0]}"


def _entries(leaves: Sequence[Leaf]) -> Entries:
    return {
        leaf.path: leaf_text(leaf) + (f" on {leaf.sharding}" if leaf.sharding else "")
        for leaf in leaves
    }


def _load(name: str) -> Mapping[str, list[Entries]]:
    try:
        with open(name, encoding="utf-8", errors="surrogatepass") as file:
            data: Any = json.load(file)
    except FileNotFoundError:
        raise UsageError(
            f"there is no snapshot {name}: log.save_snapshot({name!r}) writes one"
        ) from None
    except ValueError as error:
        raise UsageError(f"{name} is no snapshot: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise UsageError(f"{name} is no snapshot: its schema must be {SCHEMA!r}, got {found!r}")
    return data["functions"]


def _where(key: FunctionKey) -> SourceLine | None:
    name, file, line = key
    return SourceLine(file, line, function=name) if file and line else None


def _again(path: str) -> str:
    return f"if that is meant, log.save_snapshot({path!r}) and commit the file"


def _new_function(key: FunctionKey, count: int, path: str) -> Finding:
    many = "once" if count == 1 else f"for {count} signatures"
    return Finding(
        "new-function",
        "warning",
        f"{key[0]} was compiled {many}, and the snapshot does not have it",
        where=_where(key),
        fix=_again(path),
        data={"function": key[0], "signatures": count},
    )


def _new_signatures(
    key: FunctionKey, new: Sequence[Entries], known: Sequence[Entries], path: str
) -> Finding:
    first = new[0]
    nearest = min(known, key=lambda each: len(set(first.items()) ^ set(each.items())))
    paths = [p for p in {**first, **nearest} if first.get(p) != nearest.get(p)]
    changes = [f"{p} {nearest.get(p, 'absent')} -> {first.get(p, 'absent')}" for p in paths]
    shown = ", ".join(changes[:4]) + (f" and {len(changes) - 4} more" if len(changes) > 4 else "")
    many = "" if len(new) == 1 else f", and {len(new) - 1} more"
    return Finding(
        "new-signature",
        "warning",
        f"{key[0]} was compiled for {shown}{many}",
        where=_where(key),
        fix=_again(path),
        data={"function": key[0], "signatures": len(new), "paths": paths},
    )


def _missing(function: str, count: int) -> Finding:
    return Finding(
        "missing-signature",
        "info",
        f"{function}: {count} of the snapshot were not compiled",
        data={"function": function, "signatures": count},
    )
