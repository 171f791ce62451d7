"""The walk over a call's arguments: a path for each leaf, and what JAX's keys hold of it.

The walk is our own and not `jax.tree_util.tree_flatten_with_path` alone, because a cache key
also holds what that does not show: container types, static fields, who was passed by keyword.

The program waits meanwhile. An argument of plain dicts, lists and tuples is walked once; the next
one of its structure is flattened by JAX, which is fast, and its leaves get the paths of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax

from jaxkit._jax.config import x64_enabled
from jaxkit._jax.modules import Fields, module_fields
from jaxkit._jax.values import array_facts, is_array, kind_of
from jaxkit.compiles.identity import attributes, describe, short, type_name
from jaxkit.compiles.leaf import Leaf, intern

_MAX_LEAVES = 20_000
_MAX_KNOWN = 100_000
_MAX_PATHS = 200_000

_known: dict[tuple[Any, ...], Leaf] = {}


class _Template(NamedTuple):
    """An argument's structure: paths of its leaves, its containers, its Nones by position."""

    paths: tuple[str, ...]
    nodes: tuple[tuple[str, str], ...]
    nones: tuple[tuple[int, Leaf], ...]


class _Templates:
    """Structures of plain containers met before. Their keys hold strings and numbers alone."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Any], _Template] = {}
        self._hints: set[tuple[str, type, int]] = set()
        self._paths = 0

    def get(self, path: str, value: Any) -> tuple[_Template, Sequence[Any]] | None:
        """The template of an argument and its flat leaves, where it was met before."""
        if (path, type(value), len(value)) not in self._hints:
            return None
        flat, treedef = jax.tree_util.tree_flatten(value)
        template = self._found.get((path, treedef))
        return None if template is None else (template, flat)

    def add(self, path: str, value: Any, template: _Template) -> None:
        """Keeps a structure; all are forgotten when they have become many."""
        if self._paths > _MAX_PATHS:
            self._found.clear()
            self._hints.clear()
            self._paths = 0
        treedef = jax.tree_util.tree_structure(value)
        if treedef.num_leaves == len(template.paths):
            self._found[path, treedef] = template
            self._hints.add((path, type(value), len(value)))
            self._paths += len(template.paths) + len(template.nodes)


_templates = _Templates()


class Walk:
    """One walk over the arguments of one call."""

    def __init__(self, rule: str, *, layouts: bool) -> None:
        self.filter = rule == "filter"
        self.layouts = layouts
        self.leaves: list[Leaf] = []
        self.nodes: list[tuple[str, str]] = []
        self.complete = True
        self._plain = True

    def argument(self, value: Any, path: str) -> None:
        """Adds one argument of the call."""
        kind = type(value)
        if kind is not dict and kind is not list and kind is not tuple:
            self.add(value, path)
            return
        met = _templates.get(path, value)
        if met is not None:
            self._fill(*met)
            return
        self._plain, complete, self.complete = True, self.complete, True
        leaves, nodes = len(self.leaves), len(self.nodes)
        self.add(value, path)
        if self._plain and self.complete:
            found = self.leaves[leaves:]
            paths = tuple(leaf.path for leaf in found if leaf.kind != "none")
            nones = tuple((i, leaf) for i, leaf in enumerate(found) if leaf.kind == "none")
            _templates.add(path, value, _Template(paths, tuple(self.nodes[nodes:]), nones))
        self.complete = self.complete and complete

    def _fill(self, template: _Template, flat: Sequence[Any]) -> None:
        """Adds the leaves of an argument whose structure was met before."""
        known, leaves, layouts = _known.get, self.leaves, self.layouts
        begin = len(leaves)
        last, array = None, False
        for value, path in zip(flat, template.paths, strict=True):
            kind = type(value)
            if kind is not last:  # in most trees all are of one type
                last, array = kind, kind_of(kind) == "jax"
            if array:
                aval, committed = value.aval, value.committed
                if not (committed and layouts):
                    placed = value.sharding if committed else None
                    leaf = known((path, aval.dtype, aval.shape, aval.weak_type, placed))
                    if leaf is not None:
                        leaves.append(leaf)
                        continue
            self.add(value, path)
        for index, leaf in template.nones:
            leaves.insert(begin + index, leaf)
        self.nodes.extend(template.nodes)

    def add(self, value: Any, path: str) -> None:
        """Adds a value and what is in it."""
        kind = type(value)
        word = kind_of(kind)
        if word == "number" and self.filter:
            self.static(value, path)
        elif word != "other":
            self.array(value, path, word)
        elif value is None:
            self.leaves.append(intern(Leaf(path, "none")))
        elif kind is dict:
            self.nodes.append((path, "dict"))
            for key in _sorted_keys(value):
                named = type(key) is str and len(key) < 80
                self._plain = self._plain and (named or type(key) is int)
                self.add(value[key], f"{path}[{repr(key) if named else short(key)}]")
        elif kind is list or kind is tuple:
            self.nodes.append((path, kind.__name__))
            for index, item in enumerate(value):
                self.add(item, f"{path}[{index}]")
        elif (fields := module_fields(kind)) is not None:
            self.module(value, path, fields)
        elif len(self.leaves) < _MAX_LEAVES:
            self.node(value, path, kind)
        else:
            self.complete = False

    def array(self, value: Any, path: str, word: str) -> None:
        """Adds an array or number; `word` is its `kind_of`.

        Most leaves are met again and again, by the thousand, while the program waits: what
        decides about a leaf is looked up at once.
        """
        key = None
        try:
            if word == "jax":
                committed = value.committed
                if not (committed and self.layouts):
                    aval = value.aval
                    placed = value.sharding if committed else None
                    key = (path, aval.dtype, aval.shape, aval.weak_type, placed)
            elif word == "numpy":
                key = (path, value.dtype, value.shape, x64_enabled())
            leaf = _known.get(key) if key is not None else None
            if leaf is None:
                facts = array_facts(value, layouts=self.layouts)
                if facts is None:
                    self.complete = False
                    return
                leaf = _remember(key, Leaf(path, *facts))
        except Exception:
            self.complete = False
            return
        self.leaves.append(leaf)

    def static(self, value: Any, path: str, *, metadata: bool = False) -> None:
        """Adds a value that is part of the key as it is; `metadata` where a container holds it."""
        kind = type(value)
        key = (path, metadata, kind, value) if kind is int or kind is bool else None
        leaf = _known.get(key) if key is not None else None
        if leaf is None:
            held = "metadata" if metadata else ""
            leaf = _remember(key, Leaf(path, "static", held, static=describe(value)))
        self.leaves.append(leaf)

    def module(self, value: Any, path: str, fields: Fields) -> None:
        """An Equinox module, of which a model may have many: by its fields, without JAX's help."""
        self._plain = False
        self.nodes.append((path, fields.title))
        stored = object.__getattribute__(value, "__dict__")
        for name in fields.data:
            if name in stored:
                child = stored[name]
                if kind_of(type(child)) == "jax":
                    self.array(child, f"{path}.{name}", "jax")
                else:
                    self.add(child, f"{path}.{name}")
        for name in fields.static:
            if name in stored:
                child = stored[name]
                if type(child) is int or not is_array(child):
                    self.static(child, f"{path}.{name}", metadata=True)

    def node(self, value: Any, path: str, kind: type) -> None:
        """A registered container of another type, or a leaf."""
        pairs, treedef = jax.tree_util.tree_flatten_with_path(
            value, is_leaf=lambda item: item is not value
        )
        if len(pairs) == 1 and pairs[0][1] is value:
            facts = None if self.filter else array_facts(value)
            if facts is not None:
                self.array(value, path, "other")
            else:
                self.static(value, path)
            return
        self._plain = False
        self.nodes.append((path, type_name(kind)))
        children = [item for _, item in pairs]
        stored = attributes(value) if not isinstance(value, (tuple, dict, list)) else {}
        names = [self._child(key, item, stored) for key, item in pairs]
        for name, item in zip(names, children, strict=True):
            self.add(item, f"{path}{name}")
        self._metadata(value, path, treedef, names, children, stored)

    def _child(self, key: tuple[Any, ...], item: Any, stored: dict[str, Any]) -> str:
        """The expression for a child: its key, or the attribute that holds it."""
        if not key:
            return ""
        entry = key[0]
        if isinstance(entry, jax.tree_util.GetAttrKey):
            return f".{entry.name}"
        if isinstance(entry, jax.tree_util.SequenceKey):
            return f"[{entry.idx}]"
        if isinstance(entry, jax.tree_util.DictKey):
            name = entry.key
            if isinstance(name, str) and name in stored:
                return f".{name}"
            return f"[{short(name)}]"
        for name, held in stored.items():
            if held is item and item is not None:
                return f".{name}"
        return str(entry)[:60]

    def _metadata(
        self,
        value: Any,
        path: str,
        treedef: Any,
        names: list[str],
        children: list[Any],
        stored: dict[str, Any],
    ) -> None:
        """The static fields of a container, each as a static leaf."""
        if isinstance(value, (tuple, dict, list)):
            if isinstance(value, dict):  # an OrderedDict's order is part of the structure
                self.nodes[-1] = (path, f"{self.nodes[-1][1]} {', '.join(names)}"[:500])
            return
        taken = set(names)
        held = {id(child) for child in children}
        found = False
        for name, item in stored.items():
            if f".{name}" in taken or name.startswith("__") or id(item) in held or is_array(item):
                continue
            found = True
            if name[0] != "_":
                self.static(item, f"{path}.{name}", metadata=True)
        if found:
            return
        data = treedef.node_data()
        aux = data[1] if data is not None else None
        if aux is not None and not (type(aux) is tuple and not aux):
            self.static(aux, f"{path}.<metadata>", metadata=True)


def _remember(key: tuple[Any, ...] | None, leaf: Leaf) -> Leaf:
    """The one object for equal leaves, found at once by what its value shows."""
    leaf = intern(leaf)
    if key is not None:
        if len(_known) > _MAX_KNOWN:
            _known.clear()
        _known[key] = leaf
    return leaf


def _sorted_keys(value: dict[Any, Any]) -> Iterable[Any]:
    try:
        return sorted(value)
    except TypeError:  # JAX refuses those itself
        return list(value)
