"""Two programs beside each other: what one does that the other does not, and what that costs."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from jaxkit._jax.jaxprs import Program
from jaxkit.jaxpr.cost import Cost
from jaxkit.jaxpr.flow import Entry, Flows, typed
from jaxkit.jaxpr.matching import Match, match
from jaxkit.jaxpr.units import bytes_text, flops_text
from jaxkit.report import Block, Report, SourceLine, Table, Text, Tree

if TYPE_CHECKING:
    from jaxkit.jaxpr.inspection import Inspection

Kind = Literal["added", "removed", "changed"]

_KINDS: tuple[Kind, ...] = ("added", "removed", "changed")
_NO_EQUATIONS = ("argument", "result")
_GROUPS = 12
_ROWS = 8
_TYPES = 3
_VALUE = 60
_LISTED = 2_000


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """An equation that is in one program only, or not the same in both.

    Attributes:
      kind: ``added``, ``removed`` or ``changed``.
      primitive: its name.
      aspect: of a changed one, what changed: ``dtype f32 -> bf16``, ``shapes``, ``precision``.
      detail: the same in full.
      where: the user's line: of a removed one in the program before, else in the one after.
      path: names of what it is nested in, calls dissolved.
      flops: its operations each time that the program runs; of a changed one, how many more.
    """

    kind: Kind
    primitive: str
    aspect: str
    detail: str
    where: SourceLine | None
    path: tuple[str, ...]
    flops: int

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        where = None if self.where is None else self.where.to_dict()
        return {**dataclasses.asdict(self), "where": where, "path": list(self.path)}


def diff_of(before: Inspection, after: Inspection) -> Report:
    """What one program does otherwise than another.

    Calls of jitted functions are dissolved on both sides: a part that moved into a function of its
    own is the same part. Equations are matched by what they are and in their order; those that are
    equal and read the same are matched wherever they stand.

    Example:
      >>> import jax, jaxkit, jax.numpy as jnp
      >>> x = jax.ShapeDtypeStruct((8, 8), "float32")
      >>> once, twice = lambda x: jnp.tanh(x @ x), lambda x: jnp.tanh(x @ x @ x)
      >>> print(jaxkit.inspect(once)(x).diff(jaxkit.inspect(twice)(x)).blocks[0].text)
      <lambda>: 1 equation added; 1.09 kFLOP -> 2.11 kFLOP (+94.1%)

    Args:
      before: the one program.
      after: the other, as it is after a change.

    Returns:
      a `jaxkit.Report` without findings; its ``data`` has ``same``, how many equations were
      ``added``, ``removed`` and ``changed``, the ``differences`` themselves, and both costs.

    Raises:
      TypeError: `after` is no inspection.
    """
    if not hasattr(after, "program"):
        raise TypeError(
            f"other must be what jaxkit.inspect(fun)(*args) gave, got {type(after).__name__}"
        )
    found = list(_Comparison(before, after).differences())
    equations = [each for each in found if each.primitive not in _NO_EQUATIONS]
    counts: dict[Kind, int] = {
        kind: sum(each.kind == kind for each in equations) for kind in _KINDS
    }
    others = len(found) - len(equations)
    data = {
        "same": not found,
        **{str(kind): n for kind, n in counts.items()},
        "arguments_and_results": others,
        "differences": [each.to_dict() for each in found[:_LISTED]],
        "before": {**before.costs.total.to_dict(), "peak_bytes": before.peak_bytes},
        "after": {**after.costs.total.to_dict(), "peak_bytes": after.peak_bytes},
    }
    blocks: list[Block] = [
        Text(_headline(before, after, counts, others), style="heading"),
        _costs(before, after),
        *(_tree(kind, [each for each in found if each.kind == kind]) for kind in _KINDS),
    ]
    return Report("diff", [], data, [each for each in blocks if each != Tree("")])


class _Comparison:
    def __init__(self, before: Inspection, after: Inspection) -> None:
        self._before, self._after = before, after
        self._flows = Flows(before.jaxpr), Flows(after.jaxpr)

    def differences(self) -> Iterator[Difference]:
        """Of the programs, and of what is nested in equations that are matched."""
        a, b = _open(self._before.jaxpr), _open(self._after.jaxpr)
        yield from self._inputs(a, b)
        names = _names(self._before.program, a), _names(self._after.program, b)
        top = match(self._flows[0].of(a, None, names[0]), self._flows[1].of(b, None, names[1]))
        queue: deque[tuple[Match, tuple[str, ...], int, int]] = deque([(top, (), 1, 1)])
        seen = {(id(a), id(b))}
        while queue:
            found, path, times, times_after = queue.popleft()
            yield from self._of(found, path, times, times_after)
            for i, j in found.to.items():
                one, other = found.before.entries[i], found.after.entries[j]
                if one.digests == other.digests:
                    continue
                runs = self._before.costs.held_by(one.eqn), self._after.costs.held_by(other.eqn)
                for (x, n), (y, m) in zip(*runs, strict=False):
                    if (id(x.jaxpr), id(y.jaxpr)) in seen:
                        continue
                    seen.add((id(x.jaxpr), id(y.jaxpr)))
                    flow = self._flows[0].of(x.jaxpr, one.where)
                    inner = match(flow, self._flows[1].of(y.jaxpr, other.where))
                    queue.append((inner, (*path, y.name), times * n, times_after * m))

    def _inputs(self, a: Any, b: Any) -> Iterator[Difference]:
        x, y = (
            {name: typed(var.aval) for name, var in zip(_names(p, j), j.invars, strict=True)}
            for p, j in ((self._before.program, a), (self._after.program, b))
        )
        for name in {**x, **y}:
            if name not in x:
                yield Difference("added", "argument", "", f"{name} {y[name]}", None, (), 0)
            elif name not in y:
                yield Difference("removed", "argument", "", f"{name} {x[name]}", None, (), 0)
            elif x[name] != y[name]:
                aspect, detail = _types((x[name],), (y[name],))
                what = f"argument {aspect}"
                yield Difference("changed", "argument", what, f"{name} {detail}", None, (), 0)

    def _of(
        self, found: Match, path: tuple[str, ...], times: int, times_after: int
    ) -> Iterator[Difference]:
        for i in found.removed():
            entry = found.before.entries[i]
            yield self._only("removed", entry, path, self._flops(0, entry) * times)
        for j in found.added():
            entry = found.after.entries[j]
            yield self._only("added", entry, path, self._flops(1, entry) * times_after)
        for i, j in sorted(found.to.items()):
            one, other = found.before.entries[i], found.after.entries[j]
            change = _change(found, one, other)
            if change:
                more = self._flops(1, other) * times_after - self._flops(0, one) * times
                yield Difference("changed", other.primitive, *change, other.where, path, more)
        a, b = found.before.results, found.after.results
        for n, (x, y) in enumerate(zip(a, b, strict=False)):
            if len(a) == len(b) and not found.same_origin(x, y):
                detail = f"result {n} is another value"
                yield Difference("changed", "result", "what is returned", detail, None, path, 0)
        if len(a) != len(b):
            detail = f"{len(a)} -> {len(b)} results"
            yield Difference("changed", "result", "how many results", detail, None, path, 0)

    def _only(self, kind: Kind, entry: Entry, path: tuple[str, ...], flops: int) -> Difference:
        detail = f"{_some(entry.read)} -> {_some(entry.made)}"
        return Difference(kind, entry.primitive, "", detail, entry.where, path, flops)

    def _flops(self, which: int, entry: Entry) -> int:
        costs = (self._before, self._after)[which].costs
        return costs.of_equation(entry.eqn).flops


def _open(jaxpr: Any) -> Any:
    return getattr(jaxpr, "jaxpr", jaxpr)


def _names(program: Program, jaxpr: Any) -> list[str]:
    """The names of the inputs, captured values first."""
    captured = [f"captured value {i}" for i in range(program.captured)]
    names = [*captured, *program.arguments]
    return names if len(names) == len(jaxpr.invars) else [str(i) for i in range(len(jaxpr.invars))]


def _change(found: Match, one: Entry, other: Entry) -> tuple[str, str] | None:
    """What is not the same in two equations that were matched, in short and in full."""
    if one.params != other.params:
        a, b = dict(one.params), dict(other.params)
        names = [name for name in {**a, **b} if a.get(name) != b.get(name)]
        if one.read == other.read or one.made == other.made:
            changes = [f"{n} {_value(a.get(n))} -> {_value(b.get(n))}" for n in names]
            return ", ".join(names), "; ".join(changes)
    if (one.read, one.made) != (other.read, other.made):
        if one.made != other.made:
            return _types(one.made, other.made)
        aspect, detail = _types(one.read, other.read)
        return f"operand {aspect}", detail
    pairs = zip(one.operands, other.operands, strict=False)
    for n, (x, y) in enumerate(pairs):
        if x[0] == y[0] == "is" and x[1] != y[1]:
            return "a constant", f"{_value(x[1])} -> {_value(y[1])}"
        if not found.same_origin(x, y):
            return "what it reads", f"operand {n} is another value"
    return None


def _types(before: Sequence[str], after: Sequence[str]) -> tuple[str, str]:
    """What changed of types: dtypes, shapes, or both."""
    pairs = [(x, y) for x, y in zip_longest(before, after, fillvalue="nothing") if x != y]
    dtypes = {(x.partition("[")[0], y.partition("[")[0]) for x, y in pairs}
    moved = sorted(f"{x} -> {y}" for x, y in dtypes if x != y)
    shapes = any(x.partition("[")[2].strip("*") != y.partition("[")[2].strip("*") for x, y in pairs)
    aspects = ([f"dtype {', '.join(moved)}"] if moved else []) + (["shape"] if shapes else [])
    detail = "; ".join(f"{x} -> {y}" for x, y in pairs[:_TYPES])
    return " and ".join(aspects) or "weak type", detail


def _some(types: Sequence[str]) -> str:
    rest = len(types) - _TYPES
    return " ".join(types) if rest <= 1 else f"{' '.join(types[:_TYPES])} and {rest} more"


def _value(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 3]}..."


def _headline(before: Inspection, after: Inspection, counts: dict[Kind, int], others: int) -> str:
    names = before.name if before.name == after.name else f"{before.name} -> {after.name}"
    said = [
        f"{n} {'equation' if n == 1 else 'equations'} {kind}" if i == 0 else f"{n} {kind}"
        for i, (kind, n) in enumerate((kind, n) for kind, n in counts.items() if n)
    ]
    if others:
        said.append(f"{others} {'argument or result' if others == 1 else 'arguments and results'}")
    a, b = before.flops, after.flops
    if not said:
        return f"{names}: the same program, {flops_text(a)}"
    cost = f"{flops_text(a)} -> {flops_text(b)}{_percent(a, b)}" if a != b else flops_text(a)
    return f"{names}: {', '.join(said)}; {cost}"


def _percent(a: int, b: int) -> str:
    return f" ({100 * (b - a) / a:+.3g}%)" if a and a != b else ""


def _costs(before: Inspection, after: Inspection) -> Table:
    a, b = before.costs.total, after.costs.total
    rows = [
        ("operations", a.flops, b.flops, flops_text),
        ("of matrix products", a.matmul_flops, b.matmul_flops, flops_text),
        ("transcendentals", a.transcendentals, b.transcendentals, _count),
        ("bytes moved unfused", a.bytes, b.bytes, bytes_text),
        ("peak memory, about", before.peak_bytes, after.peak_bytes, bytes_text),
        ("equations that run", a.equations, b.equations, _count),
    ]
    names = {**before.by_primitive, **after.by_primitive}
    for name in sorted(names, key=lambda n: -abs(_of(after, n) - _of(before, n)))[:_TYPES]:
        if _of(before, name) != _of(after, name):
            rows.append((f"of {name}", _of(before, name), _of(after, name), flops_text))
    return Table(
        ["", "before", "after", "change"],
        [
            (name, say(x), say(y), _percent(x, y).strip(" ()") or ("same" if x == y else "new"))
            for name, x, y, say in rows
            if x or y
        ],
        align=["left", "right", "right", "right"],
    )


def _of(inspection: Inspection, primitive: str) -> int:
    return inspection.by_primitive.get(primitive, Cost()).flops


def _count(n: int) -> str:
    return f"{n:,}"


def _tree(kind: Kind, found: Sequence[Difference]) -> Tree:
    """Equal differences are one row; what changed alike stands together."""
    if not found:
        return Tree("")
    aspects: dict[str, list[Difference]] = {}
    for each in found:
        aspects.setdefault(each.aspect, []).append(each)
    ranked = sorted(aspects.items(), key=lambda item: -len(item[1]))
    if list(aspects) == [""]:
        return Tree(f"{kind}: {len(found)}", _rows(found))
    groups: list[Tree | str] = [
        Tree(f"{aspect}: {len(part)}", _rows(part), folded=len(part) > _ROWS)
        for aspect, part in ranked[:_GROUPS]
    ]
    rest = sum(len(part) for _, part in ranked[_GROUPS:])
    return Tree(f"{kind}: {len(found)}", [*groups, *([f"and {rest} more"] if rest else [])])


def _rows(found: Sequence[Difference]) -> list[Tree | str]:
    same: dict[tuple[Any, ...], list[Difference]] = {}
    for each in found:
        line = each.where and (each.where.file, each.where.line)
        same.setdefault((each.path, line, each.primitive, each.detail), []).append(each)
    ranked = sorted(same.values(), key=lambda part: -abs(sum(each.flops for each in part)))
    rows: list[Tree | str] = [_row(part) for part in ranked[:_ROWS]]
    rest = sum(len(part) for part in ranked[_ROWS:])
    return [*rows, *([f"and {rest} more"] if rest else [])]


def _row(part: Sequence[Difference]) -> Tree:
    first = part[0]
    flops = sum(each.flops for each in part)
    often = f"{len(part)} x " if len(part) > 1 else ""
    inside = f"  in {' / '.join(first.path)}" if first.path else ""
    sign = "" if first.kind == "added" else "-" if flops < 0 or first.kind == "removed" else "+"
    cost = f"  {sign}{flops_text(abs(flops))}" if flops else ""
    place = ""
    if first.where is not None:
        place = f"  {PurePath(first.where.file).name}:{first.where.line}"
    label = f"{often}{first.primitive}  {first.detail}{inside}{cost}{place}"
    return Tree(label, where=first.where)
