"""What stands in the rows of a tree: groups of equations, equal equations, nested programs."""

from __future__ import annotations

import dataclasses
import functools
import linecache
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxkit._jax.jaxprs import is_literal, name_stack
from jaxkit._jax.source import Sources
from jaxkit.jaxpr._walk import joined, line_of
from jaxkit.jaxpr.nesting import Nested, nested
from jaxkit.jaxpr.scopes import clean
from jaxkit.report import SourceLine

if TYPE_CHECKING:
    from jaxkit.jaxpr.inspection import Inspection

_CODE = 56
_OPERANDS = 3
_BACKWARD = " (backward)"
_NUMBER = re.compile(r"\d+")
_ALIKE = 3
_SHORT = {"float": "f", "uint": "u", "int": "i", "complex": "c"}
_LONG = re.compile(r"^(?:float(?=\d)|uint|int|complex)|(?<=^b)float")


@dataclasses.dataclass(slots=True)
class Row:
    """A row: what it says, what it costs, and how to find what is below it.

    Attributes:
      label: what it says, without the cost.
      amount: operations, or bytes, each time that the program runs.
      count: how many equations it stands for.
      where: the user's line.
      find: gives the rows below; None where there are none.
      inside: what is below, in words.
    """

    label: str
    amount: int
    count: int
    where: SourceLine | None = None
    find: Callable[[], list[Row]] | None = None
    inside: str = ""

    @property
    def holds(self) -> bool:
        """Whether there is something below it."""
        return self.find is not None

    def children(self) -> list[Row]:
        """The rows below."""
        return self.find() if self.find is not None else []


class _Item(NamedTuple):
    """An equation where it stands."""

    eqn: Any
    where: SourceLine | None
    scope: tuple[str, ...]
    direction: str
    amount: int


class _Body(NamedTuple):
    """A jaxpr where it is run: how often, from which line, in which scope."""

    jaxpr: Any
    times: int
    where: SourceLine | None
    scope: str


class Rows:
    """The rows of a program."""

    def __init__(self, inspection: Inspection) -> None:
        self._name = inspection.name
        self._jaxpr = inspection.jaxpr
        self._costs = inspection.costs
        total = self._costs.total
        self._by_flops = bool(total.flops)
        self._whole = total.flops if self._by_flops else total.bytes
        self._sources = Sources()
        self._lines: dict[Any, SourceLine | None] = {}

    def top(self) -> Row:
        """The row of the whole program."""
        body = _Body(getattr(self._jaxpr, "jaxpr", self._jaxpr), 1, None, "")
        count = len(body.jaxpr.eqns)
        find = (lambda: self._of(body)) if count else None
        return Row(self._name, self._whole, count, None, find, _equations(count))

    def _of(self, body: _Body) -> list[Row]:
        """The rows of a jaxpr; a call that is all there is stands for what it calls."""
        items = [self._item(eqn, body) for eqn in body.jaxpr.eqns]
        while len(items) == 1:
            held = self._held(items[0], body)
            if len(held) != 1 or held[0][1] != "call":
                break
            body = held[0][0]
            items = [self._item(eqn, body) for eqn in body.jaxpr.eqns]
        return self._by_direction(items, body)

    def _item(self, eqn: Any, body: _Body) -> _Item:
        cost = self._costs.of_equation(eqn)
        scope = joined(body.scope, name_stack(eqn))
        return _Item(
            eqn,
            self._line(eqn, body),
            _names(scope),
            direction_of(scope),
            (cost.flops if self._by_flops else cost.bytes) * body.times,
        )

    def _line(self, eqn: Any, body: _Body) -> SourceLine | None:
        found = self._sources.of(eqn, body.jaxpr)
        key = found, body.where
        if key not in self._lines:
            line = line_of(found, body.where)
            self._lines[key] = line and SourceLine(line.file, line.line, None, line.function)
        return self._lines[key]

    # Each of these groups by one thing, and leaves the rest to the next; where all is one group,
    # there is no row for it.

    def _by_direction(self, items: list[_Item], body: _Body) -> list[Row]:
        parts = _split(items, lambda item: item.direction)
        if len(parts) == 1 or direction_of(body.scope):
            return self._by_scope(items, body)
        rows: list[Row] = []
        for direction, part in parts.items():
            if direction:
                rows.append(self._group(direction, part, body, self._by_scope))
            else:
                rows.extend(self._by_scope(part, body))
        return rows

    def _by_scope(self, items: list[_Item], body: _Body) -> list[Row]:
        return self._by_inner_scope(items, body, len(_names(body.scope)))

    def _by_inner_scope(self, items: list[_Item], body: _Body, level: int) -> list[Row]:
        alike = _numbered({item.scope[level] for item in items if len(item.scope) > level})
        parts = _split(items, lambda i: tuple(alike.get(n, n) for n in i.scope[level : level + 1]))
        if list(parts) == [()]:
            return self._by_function(items, body)
        rows: list[Row] = []
        for name, part in parts.items():
            if name:
                find = partial(self._by_inner_scope, level=level + 1)
                rows.append(self._group(name[0], part, body, find))
            else:
                rows.extend(self._by_function(part, body))
        return rows

    def _by_function(self, items: list[_Item], body: _Body) -> list[Row]:
        parts = _split(items, lambda i: i.where and (i.where.file, i.where.function))
        if len(parts) == 1:
            return self._by_line(items, body)
        rows: list[Row] = []
        for key, part in parts.items():
            lines = {item.where for item in part}
            if key is None or len(lines) == 1:
                rows.extend(self._by_line(part, body, alone=False))
            else:
                name = key[1].rpartition("<locals>.")[2] or "module"
                label = f"{name}  {PurePath(key[0]).name}"
                rows.append(self._group(label, part, body, self._by_line))
        return rows

    def _by_line(self, items: list[_Item], body: _Body, *, alone: bool = True) -> list[Row]:
        parts = _split(items, lambda item: item.where)
        whole = body.where is None and len(items) == len(body.jaxpr.eqns)
        if alone and len(parts) == 1 and (whole or next(iter(parts)) == body.where):
            return self._equations(items, body)
        rows: list[Row] = []
        for line, part in parts.items():
            inside = self._equations(part, body)
            if line is None or len(inside) == 1:
                rows.extend(inside)
            else:
                row = self._group(_code(line), part, body, lambda _i, _b, rows=inside: rows)
                rows.append(dataclasses.replace(row, where=line))
        return rows

    def _group(
        self,
        label: str,
        items: list[_Item],
        body: _Body,
        below: Callable[[list[_Item], _Body], list[Row]],
    ) -> Row:
        amount = sum(item.amount for item in items)
        count = len(items)
        return Row(label, amount, count, None, lambda: below(items, body), _equations(count))

    def _equations(self, items: list[_Item], body: _Body) -> list[Row]:
        """A row for all equations that are the same."""
        return [self._same(part, body) for part in _split(items, _signature).values()]

    def _same(self, items: list[_Item], body: _Body) -> Row:
        first, n = items[0], len(items)
        bodies = self._held(first, body)
        amount = sum(item.amount for item in items)
        often = f"{n} x " if n > 1 else ""
        label = often + _label(first.eqn)
        if not bodies:
            return Row(label, amount, n, first.where)
        count = sum(len(inner.jaxpr.eqns) for inner, _, _ in bodies)
        inner = bodies[0][0]
        words = _turns(first.eqn, self._costs.held_by(first.eqn))
        if len(bodies) == 1:
            all_of_them = inner._replace(times=inner.times * n)
            find = (lambda: self._of(all_of_them)) if count else None
            return Row(f"{label}{words}", amount, n, first.where, find, _equations(count))

        def parts() -> list[Row]:
            return [
                self._part(inner._replace(times=inner.times * n), name) for inner, _, name in bodies
            ]

        return Row(f"{label}{words}", amount, n, first.where, parts, f"{len(bodies)} programs")

    def _part(self, body: _Body, name: str) -> Row:
        """One of several programs of an equation, as a branch."""
        cost = self._costs.of_jaxpr(body.jaxpr)
        amount = (cost.flops if self._by_flops else cost.bytes) * body.times
        count = len(body.jaxpr.eqns)
        find = (lambda: self._of(body)) if count else None
        return Row(name, amount, count, body.where, find, _equations(count))

    def _held(self, item: _Item, body: _Body) -> list[tuple[_Body, str, str]]:
        scope = joined(body.scope, name_stack(item.eqn))
        return [
            (_Body(each.jaxpr, body.times * times, item.where, scope), each.role, each.name)
            for each, times in self._costs.held_by(item.eqn)
        ]


def _names(scope: str) -> tuple[str, ...]:
    cleaned = clean(scope).removesuffix(_BACKWARD)
    return tuple(cleaned.split("/")) if cleaned else ()


def _numbered(names: set[str]) -> dict[str, str]:
    """For names that differ by a number only, as of layers, one name for all of them."""
    alike: dict[str, list[str]] = {}
    for name in names:
        if _NUMBER.search(name):
            alike.setdefault(_NUMBER.sub("#", name), []).append(name)
    return {
        name: f"{pattern}  ({len(found)} of them)"
        for pattern, found in alike.items()
        if len(found) >= _ALIKE
        for name in found
    }


def direction_of(scope: str) -> str:
    """Whether it runs ``forward`` or ``backward`` for a gradient; empty for neither.

    Args:
      scope: a name stack as JAX writes it.
    """
    return "backward" if "transpose(" in scope else "forward" if "jvp(" in scope else ""


def _split(items: Iterable[_Item], key: Callable[[_Item], Any]) -> dict[Any, list[_Item]]:
    """In the order in which they first come."""
    parts: dict[Any, list[_Item]] = {}
    for item in items:
        parts.setdefault(key(item), []).append(item)
    return parts


def _signature(item: _Item) -> Any:
    eqn = item.eqn
    inside = tuple(id(each.jaxpr) for each in nested(eqn) if each.role != "combiner")
    return eqn.primitive.name, _types(eqn.invars), _types(eqn.outvars), inside


def _types(atoms: Sequence[Any]) -> tuple[str, ...]:
    return tuple(type_text(atom.aval) for atom in atoms)


def type_text(aval: Any) -> str:
    """``f32[8,128]``, as JAX writes it; anything that is no array by its own name.

    Args:
      aval: the type of a variable.
    """
    shape, dtype = getattr(aval, "shape", None), getattr(aval, "dtype", None)
    if shape is None or dtype is None:
        return str(aval)
    return f"{_dtype_text(dtype)}[{','.join(map(str, shape))}]"


@functools.cache
def _dtype_text(dtype: Any) -> str:
    return _LONG.sub(lambda found: _SHORT[found[0]], str(dtype))


def _label(eqn: Any) -> str:
    name = eqn.primitive.name
    called = eqn.params.get("name")
    if isinstance(called, str) and called and name in ("jit", "pjit", "closed_call", "remat2"):
        name = f"{name} {called}"
    arrays = [type_text(a.aval) for a in eqn.invars if not is_literal(a)]
    results = [type_text(var.aval) for var in eqn.outvars]
    made = _some(results)
    if (len(arrays) == 1 and arrays == results) or not arrays:
        return f"{name} {made}".rstrip()
    return f"{name} {_some(arrays)} -> {made}" if made else f"{name} {_some(arrays)}"


def _some(types: Sequence[str]) -> str:
    rest = len(types) - _OPERANDS
    if rest <= 1:
        return " ".join(types)
    return f"{' '.join(types[:_OPERANDS])} and {rest} more"


def _turns(eqn: Any, held: Sequence[tuple[Nested, int]]) -> str:
    """How often a loop turns, where that is known or was said; on how many devices."""
    for each, times in held:
        if each.role in ("loop_body", "kernel"):
            if each.count is not None:
                return f", {each.count} times"
            return ", as often as it takes" if times == 1 else f", {times} times (as told)"
        if each.devices > 1:
            return f", on each of {each.devices} devices"
    return ""


def _code(line: SourceLine) -> str:
    place = f"{PurePath(line.file).name}:{line.line}"
    text = linecache.getline(line.file, line.line).strip()
    if len(text) > _CODE:
        text = f"{text[: _CODE - 3]}..."
    return f"{place}  {text}" if text else place


def _equations(count: int) -> str:
    return f"{count} equation{'' if count == 1 else 's'}"
