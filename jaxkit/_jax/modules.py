"""Equinox modules by their fields, which is what their pytree is made of.

To let JAX flatten each module of a large model costs more than all else that is read of it. Read
on Equinox 0.13: ``Module`` registers each class with its dataclass fields, the static ones apart.
"""

from __future__ import annotations

import dataclasses
import sys
import weakref
from typing import Any, NamedTuple


class Fields(NamedTuple):
    """The class's name, its fields that are children, and those that are static."""

    title: str
    data: tuple[str, ...]
    static: tuple[str, ...]


_known: dict[int, tuple[weakref.ref[type], Fields | None]] = {}


def module_fields(kind: type) -> Fields | None:
    """The fields of a class of Equinox modules; None for any other class."""
    known = _known.get(id(kind))
    if known is not None and known[0]() is kind:
        return known[1]
    fields = _fields(kind)
    if len(_known) > 5_000:
        _known.clear()
    _known[id(kind)] = (weakref.ref(kind), fields)
    return fields


def _fields(kind: type) -> Fields | None:
    module: Any = getattr(sys.modules.get("equinox"), "Module", None)
    if module is None or not issubclass(kind, module):
        return None
    fields = dataclasses.fields(kind)
    static = tuple(field.name for field in fields if field.metadata.get("static", False))
    name = kind.__qualname__
    title = name if kind.__module__ == "__main__" else f"{kind.__module__}.{name}"
    return Fields(title[:120], tuple(f.name for f in fields if f.name not in static), static)
