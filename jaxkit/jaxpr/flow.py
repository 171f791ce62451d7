"""A program as what flows where, so that two of them can be compared.

Calls are dissolved: that a part now stands in a jitted function of its own changes nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from jaxkit._jax.jaxprs import is_jaxpr, is_literal
from jaxkit._jax.source import Sources
from jaxkit.jaxpr._walk import fold, line_of
from jaxkit.jaxpr.nesting import Nested, nested
from jaxkit.jaxpr.rows import type_text
from jaxkit.report import SourceLine

_DISSOLVED = frozenset({"jit", "pjit", "closed_call", "core_call", "eval_jaxpr"})
_MOST = 300_000  # a program of which dissolving calls would make more keeps them
# Parameters that say how JAX came by an equation, not what it does.
_IGNORED = frozenset({"name", "inline", "debug", "debug_info", "name_and_src_info", "keep_unused"})
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_LONGEST = 300

# Where a value comes from: ("in", which input), ("of", which constant), ("is", value), or
# (equation, which result).
Origin = tuple[Hashable, Hashable]


@dataclasses.dataclass(slots=True)
class Entry:
    """An equation of a program whose calls are dissolved.

    Attributes:
      eqn: the equation.
      where: the user's line.
      operands: where each comes from.
      params: what its parameters say, jaxprs left out.
      bodies: what it runs.
      digests: one for each of those: equal ones do the same.
    """

    eqn: Any
    where: SourceLine | None
    operands: tuple[Origin, ...]
    params: tuple[tuple[str, Hashable], ...]
    bodies: tuple[Nested, ...]
    digests: tuple[str, ...]

    @property
    def primitive(self) -> str:
        """The name of its primitive."""
        return self.eqn.primitive.name

    @property
    def read(self) -> tuple[str, ...]:
        """The types of its operands."""
        return tuple(typed(atom.aval) for atom in self.eqn.invars)

    @property
    def made(self) -> tuple[str, ...]:
        """The types of its results."""
        return tuple(typed(var.aval) for var in self.eqn.outvars)


@dataclasses.dataclass(slots=True)
class Flow:
    """A program: its equations in their order, and where its results come from."""

    entries: list[Entry]
    results: tuple[Origin, ...]


def typed(aval: Any) -> str:
    """A type as text, with a star if its dtype is weak."""
    return type_text(aval) + ("*" if getattr(aval, "weak_type", False) else "")


class Flows:
    """Programs as flows, each jaxpr's digest made once."""

    def __init__(self, jaxpr: Any) -> None:
        self._digests: dict[int, str] = {}
        self._sizes: dict[int, int] = {}
        self._sources = Sources()
        fold(jaxpr, lambda eqn, inside: (eqn, inside), self._sum_up)

    def digest(self, jaxpr: Any) -> str:
        """Equal for two jaxprs that do the same in the same order.

        Args:
          jaxpr: one of the program's own.
        """
        return self._digests[id(jaxpr)]

    def of(
        self, jaxpr: Any, where: SourceLine | None = None, names: Sequence[str] | None = None
    ) -> Flow:
        """The flow of one of the program's jaxprs.

        Args:
          jaxpr: one of the program's own.
          where: the line of the equation that holds it.
          names: of its inputs; their positions if left out.
        """
        reader = _Reader(self, self._sources, self._sizes[id(jaxpr)] <= _MOST)
        return reader.read(jaxpr, where, names)

    def _sum_up(self, jaxpr: Any, values: list[Any]) -> tuple[str, int]:
        numbers = {var: i for i, var in enumerate((*jaxpr.constvars, *jaxpr.invars))}
        text = hashlib.sha256(repr([typed(var.aval) for var in numbers]).encode())
        size = 0
        for eqn, inside in values:
            operands = [_literal(a) if is_literal(a) else numbers[a] for a in eqn.invars]
            digests = [found[0] for _, found in inside]
            made = [typed(var.aval) for var in eqn.outvars]
            row = eqn.primitive.name, operands, params_of(eqn), made, digests
            text.update(repr(row).encode("utf-8", "replace"))
            for var in eqn.outvars:
                numbers[var] = len(numbers)
            calls = eqn.primitive.name in _DISSOLVED
            size += sum(found[1] for _, found in inside) if calls else 1
        results = [_literal(a) if is_literal(a) else numbers[a] for a in jaxpr.outvars]
        text.update(repr(results).encode("utf-8", "replace"))
        self._digests[id(jaxpr)], self._sizes[id(jaxpr)] = text.hexdigest(), size
        return self._digests[id(jaxpr)], size


@dataclasses.dataclass(slots=True)
class _Frame:
    """A jaxpr that is being read, and the call that it is read for."""

    jaxpr: Any
    eqns: Iterator[Any]
    origins: dict[Any, Origin]
    where: SourceLine | None
    call: Any = None


class _Reader:
    def __init__(self, flows: Flows, sources: Sources, dissolve: bool) -> None:
        self._flows, self._sources, self._dissolve = flows, sources, dissolve
        self._entries: list[Entry] = []

    def read(self, jaxpr: Any, where: SourceLine | None, names: Sequence[str] | None) -> Flow:
        known = range(len(jaxpr.invars)) if names is None else names
        origins: dict[Any, Origin] = {var: ("of", i) for i, var in enumerate(jaxpr.constvars)}
        origins.update((var, ("in", name)) for var, name in zip(jaxpr.invars, known, strict=True))
        frames = [_Frame(jaxpr, iter(jaxpr.eqns), origins, where)]
        while True:
            frame = frames[-1]
            eqn = next(frame.eqns, None)
            if eqn is not None:
                self._equation(eqn, frame, frames)
                continue
            results = tuple(_origin(atom, frame.origins) for atom in frame.jaxpr.outvars)
            frames.pop()
            if not frames:
                return Flow(self._entries, results)
            frames[-1].origins.update(zip(frame.call.outvars, results, strict=True))

    def _equation(self, eqn: Any, frame: _Frame, frames: list[_Frame]) -> None:
        where = line_of(self._sources.of(eqn, frame.jaxpr), frame.where)
        operands = tuple(_origin(atom, frame.origins) for atom in eqn.invars)
        bodies = tuple(each for each in nested(eqn) if each.role != "combiner")
        if self._dissolve and eqn.primitive.name in _DISSOLVED and len(bodies) == 1:
            inner = bodies[0].jaxpr
            inputs = (*inner.constvars, *inner.invars)
            fixed = len(inputs) - len(operands)
            # Constants of a call's own have no name outside: by the digest and their place.
            known: dict[Any, Origin] = {
                var: ("is", (self._flows.digest(inner), i)) for i, var in enumerate(inputs[:fixed])
            }
            known.update(zip(inputs[fixed:], operands, strict=True))
            frames.append(_Frame(inner, iter(inner.eqns), known, where, eqn))
            return
        digests = tuple(self._flows.digest(each.jaxpr) for each in bodies)
        number = len(self._entries)
        self._entries.append(Entry(eqn, where, operands, params_of(eqn), bodies, digests))
        frame.origins.update({var: (number, i) for i, var in enumerate(eqn.outvars)})


def _origin(atom: Any, origins: dict[Any, Origin]) -> Origin:
    return ("is", _literal(atom)) if is_literal(atom) else origins[atom]


def _literal(atom: Any) -> str:
    return f"{atom.val!r}"


def params_of(eqn: Any) -> tuple[tuple[str, Hashable], ...]:
    """The parameters of an equation that say what it does, comparable between programs.

    Args:
      eqn: the equation.
    """
    return tuple(
        (name, _comparable(value))
        for name, value in sorted(eqn.params.items())
        if name not in _IGNORED and not is_jaxpr(value)
    )


def _comparable(value: Any) -> Hashable:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (tuple, list)):
        items = cast("tuple[Any, ...]", value)
        return tuple("program" if is_jaxpr(each) else _comparable(each) for each in items)
    if isinstance(value, np.dtype):
        return str(cast("np.dtype[Any]", value))
    if isinstance(value, np.ndarray):
        array = cast("np.ndarray[Any, Any]", value)
        return str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return _ADDRESS.sub("", repr(value))[:_LONGEST]
