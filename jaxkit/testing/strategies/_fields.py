"""The annotated fields of a class."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any, NamedTuple, get_args, get_origin

from jaxkit.testing.strategies._node_class import ClassNode

__all__ = ["Field", "class_node"]


class Field(NamedTuple):
    """One field."""

    name: str
    annotation: Any
    has_default: bool


def class_node(annotation: Any) -> tuple[ClassNode, list[Field], dict[Any, Any]] | None:
    """A node without fields, the fields to read into it, and what its type variables stand for.

    None for what is no class that is built from its fields.

    Raises:
        TypeError: An annotation of a field cannot be resolved.
    """
    cls: Any = get_origin(annotation) or annotation
    if not isinstance(cls, type):
        return None
    reading = next((read for applies, read in _READERS if applies(cls)), None)
    if reading is None:
        return None
    node, fields = reading(cls)
    parameters = getattr(cls, "__parameters__", ())
    return node, fields, dict(zip(parameters, get_args(annotation), strict=False))


def _hints(cls: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise TypeError(f"a field of {cls.__qualname__} cannot be resolved: {error}") from error


def _of_named_tuple(cls: Any) -> tuple[ClassNode, list[Field]]:
    hints, defaults = _hints(cls), cls._field_defaults
    fields = [Field(name, hints.get(name, Any), name in defaults) for name in cls._fields]
    return ClassNode(cls, lambda value: isinstance(value, cls)), fields


def _of_typed_dict(cls: Any) -> tuple[ClassNode, list[Field]]:
    fields = [Field(name, hint, False) for name, hint in _hints(cls).items()]
    node = ClassNode(dict, lambda value: isinstance(value, dict))
    node.optional = frozenset(cls.__optional_keys__)
    return node, fields


def _of_dataclass(cls: Any) -> tuple[ClassNode, list[Field]]:
    hints = _hints(cls)
    fields = [
        Field(each.name, hints.get(each.name, each.type), _has_default(each))
        for each in dataclasses.fields(cls)
        if each.init
    ]
    return ClassNode(cls, lambda value: isinstance(value, cls)), fields


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _is_dataclass(cls: type) -> bool:
    """Whether it is a dataclass, not abstract, with the constructor that its fields define."""
    if not dataclasses.is_dataclass(cls) or inspect.isabstract(cls):
        return False
    taken = list(inspect.signature(cls.__init__).parameters)[1:]
    return set(taken) == {field.name for field in dataclasses.fields(cls) if field.init}


_READERS: tuple[
    tuple[Callable[[Any], bool], Callable[[Any], tuple[ClassNode, list[Field]]]], ...
] = (
    (lambda cls: issubclass(cls, tuple) and hasattr(cls, "_fields"), _of_named_tuple),
    (typing.is_typeddict, _of_typed_dict),
    (_is_dataclass, _of_dataclass),
)
