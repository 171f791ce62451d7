"""Reads an annotation and everything in it into nodes that can be drawn."""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import enum
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, Union, get_args, get_origin

import jax
import jaxtyping
import numpy as np
from hypothesis import strategies as st

from jaxkit.testing.strategies._fields import class_node
from jaxkit.testing.strategies._node_array import array_node
from jaxkit.testing.strategies._node_container import DictNode, ManyNode, TupleNode
from jaxkit.testing.strategies._node_plain import PlainNode, plain_node
from jaxkit.testing.strategies._node_tree import TreeNode
from jaxkit.testing.strategies._node_union import is_none, union_of
from jaxkit.testing.strategies._pytrees import STRUCTURES
from jaxkit.testing.strategies._signature import shown
from jaxkit.testing.strategies._sketch import Node

__all__ = ["Reader", "UnsupportedAnnotationError", "walk"]

# What a type variable stands for, inside of a generic class.
Variables = Mapping[Any, Any]
# Stands, among them, for the node of a union that an alternative of it is made of.
_ITSELF = object()

_WRAPPERS = {Final, ClassVar, typing.Required, typing.NotRequired, typing.Unpack}
_MANY: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.deque: collections.deque,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Container: list,
    collections.abc.Sized: list,
    collections.abc.Reversible: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
_DICTS: dict[Any, Callable[[dict[Any, Any]], Any]] = {
    dict: dict,
    collections.OrderedDict: collections.OrderedDict,
    collections.defaultdict: lambda items: collections.defaultdict(lambda: None, items),
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}


class UnsupportedAnnotationError(TypeError):
    """An annotation from which nothing can be drawn; the message says which part, and why."""


class Reader:
    """Reads annotations; a class is read once, so that it may hold itself."""

    def __init__(self) -> None:
        self.classes: dict[Any, Node] = {}
        self.open: list[Any] = []  # the aliases that are being read

    def read(self, annotation: Any, variables: Variables | None = None) -> Node:
        """The node of an annotation.

        Raises:
            UnsupportedAnnotationError: Nothing can be drawn from it, or from a part of it.
        """
        known = variables or {}
        for reading in (_read_leaf, self._read_alias, self._read_generic, self._read_class):
            try:
                node = reading(annotation, known)
            except UnsupportedAnnotationError:
                raise
            except TypeError as error:
                raise UnsupportedAnnotationError(str(error)) from error
            if node is not None:
                return node
        raise UnsupportedAnnotationError(_refusal(annotation))

    def _read_alias(self, annotation: Any, variables: Variables) -> Node | None:
        """What stands for another annotation."""
        if isinstance(annotation, TypeVar):
            return self._read_variable(annotation, variables)
        if isinstance(annotation, typing.ForwardRef) and _ITSELF in variables:
            return variables[_ITSELF] if annotation.__forward_arg__.endswith("Tree") else None
        if isinstance(annotation, typing.NewType):
            return self.read(annotation.__supertype__, variables)
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            given = [each for each in args[1:] if isinstance(each, st.SearchStrategy)]
            return PlainNode(given[-1]) if given else self.read(args[0], variables)
        if origin in _WRAPPERS:
            return self.read(args[0], variables)
        alias: Any
        for alias in (annotation, origin):
            if type(alias).__name__ == "TypeAliasType":
                inner = dict(zip(alias.__type_params__, args, strict=False))
                return self._read_named(alias, {**variables, **inner})
        return None

    def _read_named(self, alias: Any, variables: Variables) -> Node:
        """What `type Alias = ...` stands for; one that holds itself ends where it does."""
        if alias in self.open:
            if _ITSELF in variables:
                return variables[_ITSELF]
            raise UnsupportedAnnotationError(f"{alias} is made of itself")
        self.open.append(alias)
        try:
            return self.read(alias.__value__, variables)
        finally:
            self.open.pop()

    def _read_union(self, members: Sequence[Any], variables: Variables) -> Node:
        """The alternatives that can be drawn, if there is one beside None.

        An alternative made of the union itself, as in `chex.ArrayTree`, holds the others.
        """
        nodes: list[Node] = []
        refused: list[tuple[Any, UnsupportedAnnotationError]] = []
        for member in members:
            try:
                nodes.append(self.read(member, variables))
            except UnsupportedAnnotationError as error:
                refused.append((member, error))
        if refused and all(is_none(node) for node in nodes):
            raise refused[0][1]
        for member, _ in refused:
            with contextlib.suppress(UnsupportedAnnotationError):
                nodes.append(self.read(member, {**variables, _ITSELF: union_of(list(nodes))}))
        return union_of(nodes)

    def _read_variable(self, variable: Any, variables: Variables) -> Node:
        if variable in variables:
            return self.read(variables[variable])
        if variable.__bound__ is not None:
            return self.read(_resolved(variable.__bound__), variables)
        members = variable.__constraints__ or (Any,)
        return union_of([self.read(_resolved(each), variables) for each in members], variable)

    def _read_generic(self, annotation: Any, variables: Variables) -> Node | None:
        """Unions, trees and containers."""
        origin, args = get_origin(annotation), get_args(annotation)
        if origin in (Union, types.UnionType):
            return self._read_union(args, variables)
        if origin is Literal:
            return PlainNode(st.sampled_from(args), lambda value: value in args)
        if _is_tree(annotation):
            leaf = self.read(getattr(annotation, "leaftype", Any), variables)
            return TreeNode(leaf, getattr(annotation, "structure", None))
        base = annotation if origin is None else origin
        if base is tuple:
            return self._read_tuple(args if origin else (Any, ...), variables)
        if not isinstance(base, collections.abc.Hashable):
            return None
        if base in _MANY:
            return ManyNode(_MANY[base], self.read((*args, Any)[0], variables))
        if base in _DICTS:
            key, value = args or (str, Any)
            keys = None if key in (str, Any) else self.read(key, variables)
            return DictNode(_DICTS[base], keys, self.read(value, variables))
        return None

    def _read_tuple(self, args: tuple[Any, ...], variables: Variables) -> Node:
        if len(args) == 2 and args[1] is ...:
            return ManyNode(tuple, self.read(args[0], variables))
        return TupleNode(tuple(self.read(arg, variables) for arg in args))

    def _read_class(self, annotation: Any, variables: Variables) -> Node | None:
        """Classes with fields."""
        if annotation in self.classes:
            return self.classes[annotation]
        made = class_node(annotation)
        if made is None:
            return None
        node, fields, inner = made
        self.classes[annotation] = node
        for field in fields:
            try:
                node.fields[field.name] = self.read(field.annotation, {**variables, **inner})
            except UnsupportedAnnotationError as error:
                if not field.has_default:
                    del self.classes[annotation]
                    raise UnsupportedAnnotationError(
                        f"field {field.name!r} of {shown(annotation)}: {error}"
                    ) from error
        return node


def _read_leaf(annotation: Any, variables: Variables) -> Node | None:
    """What has no other annotation in it."""
    if annotation is Any or annotation is object:
        annotation = jax.Array
    if annotation is np.dtype or _equals(annotation, jax.typing.DTypeLike):
        return PlainNode(st.sampled_from((np.dtype(np.float32), np.dtype(np.int32))))
    if annotation is jax.tree_util.PyTreeDef:
        return PlainNode(st.sampled_from(STRUCTURES).map(jax.tree.structure))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return PlainNode(st.sampled_from(annotation), lambda value: isinstance(value, annotation))
    return plain_node(annotation) or array_node(annotation) or _of_the_standard_library(annotation)


def _equals(annotation: Any, other: Any) -> bool:
    try:
        return bool(annotation == other)
    except Exception:
        return False


def _of_the_standard_library(annotation: Any) -> Node | None:
    """Dates, fractions, paths and such, as Hypothesis draws them."""
    module = str(getattr(annotation, "__module__", "")).partition(".")[0]
    ours = {"builtins", "typing", "collections", "types", "abc"}
    if not isinstance(annotation, type) or module not in sys.stdlib_module_names - ours:
        return None
    strategy = st.from_type(annotation)
    try:
        strategy.validate()
    except Exception:
        return None
    return PlainNode(strategy, lambda value: isinstance(value, annotation))


def _is_tree(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, jaxtyping.PyTree)


def _resolved(bound: Any) -> Any:
    if isinstance(bound, (str, typing.ForwardRef)):
        raise UnsupportedAnnotationError(f"{bound!r} is a name that is not resolved")
    return bound


def _refusal(annotation: Any) -> str:
    if isinstance(annotation, (str, typing.ForwardRef)):
        return f"{annotation!r} is a name that is not resolved"
    if isinstance(annotation, type) and hasattr(annotation, "__dataclass_fields__"):
        return (
            f"{shown(annotation)} has a constructor of its own, which does not say what its "
            "fields may be: draw it with modules(factory)"
        )
    return f"{shown(annotation)} is not among what is drawn"


def walk(node: Any) -> Iterator[Any]:
    """A node and all nodes in it, each class once."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        each = stack.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        for value in getattr(each, "__dict__", {}).values():
            parts = value.values() if isinstance(value, dict) else value
            parts = parts if isinstance(parts, tuple) or isinstance(value, dict) else [parts]
            stack += [part for part in parts if hasattr(part, "sketch")]
