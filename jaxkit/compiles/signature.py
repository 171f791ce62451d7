"""From live arguments to a `Signature`: paths, types, placements and statics, never values.

The walk is our own and not `jax.tree_util.tree_flatten_with_path` alone, because a cache key
also holds what that does not show: container types, static fields, who was passed by keyword.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import jax

from jaxkit._jax.call import Anchor, Call
from jaxkit._jax.config import x64_enabled
from jaxkit._jax.modules import Fields, module_fields
from jaxkit._jax.read_jit import operand_names
from jaxkit._jax.values import array_facts, is_array, kind_of
from jaxkit.compiles.event import Signature
from jaxkit.compiles.identity import attributes, describe, short, type_name
from jaxkit.compiles.leaf import Leaf, intern

_MAX_LEAVES = 20_000
_MAX_KNOWN = 100_000
_known: dict[tuple[Any, ...], Leaf] = {}
_EMPTY = inspect.Parameter.empty


class _Walk:
    """One walk over the arguments of one call."""

    def __init__(self, rule: str, *, layouts: bool) -> None:
        self.filter = rule == "filter"
        self.layouts = layouts
        self.leaves: list[Leaf] = []
        self.nodes: list[tuple[str, str]] = []
        self.complete = True

    def add(self, value: Any, path: str) -> None:
        """Adds a value and what is in it."""
        kind = type(value)
        if value is None:
            self.leaves.append(intern(Leaf(path, "none")))
        elif kind is dict:
            self.nodes.append((path, "dict"))
            for key in _sorted_keys(value):
                text = repr(key) if type(key) is str and len(key) < 80 else short(key)
                self.add(value[key], f"{path}[{text}]")
        elif kind is list or kind is tuple:
            self.nodes.append((path, kind.__name__))
            for index, item in enumerate(value):
                self.add(item, f"{path}[{index}]")
        elif (word := kind_of(kind)) != "other":
            if word == "number" and self.filter:
                self.static(value, path)
            else:
                self.array(value, path, word)
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
        try:
            if word == "jax" and not (self.layouts and value.committed):
                aval = value.aval
                placed = value.sharding if value.committed else None
                key = (path, aval.dtype, aval.shape, aval.weak_type, placed)
            elif word == "numpy":
                key = (path, value.dtype, value.shape, x64_enabled())
            else:
                key = None
            leaf = _known.get(key) if key is not None else None
            if leaf is None:
                facts = array_facts(value, layouts=self.layouts)
                if facts is None:
                    self.complete = False
                    return
                leaf = intern(Leaf(path, *facts))
                if key is not None:
                    if len(_known) > _MAX_KNOWN:
                        _known.clear()
                    _known[key] = leaf
        except Exception:
            self.complete = False
            return
        self.leaves.append(leaf)

    def static(self, value: Any, path: str, *, metadata: bool = False) -> None:
        held = "metadata" if metadata else ""
        kind = type(value)
        if kind is int or kind is bool or value is None:
            key = (path, held, kind, value)
            leaf = _known.get(key)
            if leaf is None:
                leaf = _known[key] = intern(Leaf(path, "static", held, static=describe(value)))
        else:
            leaf = intern(Leaf(path, "static", held, static=describe(value)))
        self.leaves.append(leaf)

    def module(self, value: Any, path: str, fields: Fields) -> None:
        """An Equinox module, of which a model may have many: by its fields, without JAX's help."""
        self.nodes.append((path, fields.title))
        stored = object.__getattribute__(value, "__dict__")
        for name in fields.data:
            if name in stored:
                self.add(stored[name], f"{path}.{name}")
        for name in fields.static:
            if name in stored and not is_array(stored[name]):
                self.static(stored[name], f"{path}.{name}", metadata=True)

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


def _sorted_keys(value: dict[Any, Any]) -> Iterable[Any]:
    try:
        return sorted(value)
    except TypeError:  # JAX refuses those itself
        return list(value)


def bind(
    signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[list[str], dict[str, str], list[tuple[str, Any]]]:
    """Names for the arguments in the function's own words.

    Returns:
      names of the positional arguments, names of the keyword arguments by keyword, and the
      parameters that were omitted with their defaults.
    """
    if signature is None:
        return [f"args[{i}]" for i in range(len(args))], {k: str(k) for k in kwargs}, []
    positional: list[str] = []
    rest = keywords = None
    defaults: dict[str, Any] = {}
    named: set[str] = set()
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = name
        elif parameter.kind is parameter.VAR_KEYWORD:
            keywords = name
        else:
            named.add(name)
            if parameter.kind is not parameter.KEYWORD_ONLY:
                positional.append(name)
            if parameter.default is not _EMPTY:
                defaults[name] = parameter.default
    names = positional[: len(args)]
    for index in range(len(names), len(args)):
        extra = index - len(positional)
        names.append(f"*{rest}[{extra}]" if rest else f"args[{index}]")
    words = {key: key if key in named else f"**{keywords or 'kwargs'}[{key!r}]" for key in kwargs}
    given = {*names, *kwargs}
    omitted = [(name, default) for name, default in defaults.items() if name not in given]
    return names, words, omitted


def build(call: Call, anchor: Anchor, *, layouts: bool = False) -> Signature:
    """The `Signature` of a call.

    Args:
      call: the call, with its live arguments.
      anchor: what it was read from.
      layouts: whether memory layouts are read as well.
    """
    walk = _Walk(call.leaf_rule, layouts=layouts)
    passing: list[tuple[str, str]] = []
    signature = call.signature
    if signature is None and call.fun is not None and not call.eager:
        try:
            signature = inspect.signature(call.fun)
        except (TypeError, ValueError):
            signature = None
    names, words, omitted = bind(signature, call.args, call.kwargs)
    statics = {names[i] for i in _positions(call.static_argnums, len(names))}
    statics |= {words[k] for k in call.static_argnames if k in words}
    statics |= {name for name in names if name in call.static_argnames}
    if call.leaf_rule == "filter":
        holder = getattr(call.fun, "__self__", call.fun)
        if is_pytree(holder):  # a module, or a module's method: its leaves are arguments too
            walk.add(holder, "self")
    for name, value in zip(names, call.args, strict=True):
        passing.append(_place(walk, name, value, name in statics, "positional"))
    for key, value in call.kwargs.items():
        name = words[key]
        passing.append(_place(walk, name, value, name in statics, "keyword"))
    passing.extend(
        (name, "omitted, None" if value is None else "omitted") for name, value in omitted
    )
    for name, value in call.statics.items():
        passing.append(_place(walk, name, value, True, "positional"))
    for name, value in call.extra:
        passing.append(_place(walk, name, value, False, "positional"))
    leaves = walk.leaves
    if anchor.operands is not None and call.via != "shard_map":
        leaves = _operands(anchor, leaves)
    return Signature(tuple(leaves), tuple(walk.nodes), tuple(passing), walk.complete)


def is_pytree(value: Any) -> bool:
    """Whether JAX sees a container in it, and not a leaf."""
    return not jax.tree_util.all_leaves([value])


def _positions(numbers: Iterable[int], count: int) -> list[int]:
    return [n % count if n < 0 else n for n in numbers if -count <= n < count]


def _place(walk: _Walk, name: str, value: Any, static: bool, how: str) -> tuple[str, str]:
    if static:
        walk.static(value, name)
        return name, f"static {how}"
    walk.add(value, name)
    return name, how


def _operands(anchor: Anchor, leaves: list[Leaf]) -> list[Leaf]:
    """The leaves with the types of the operands that the program is really compiled for.

    Under vmap the arguments are tracers without the batch axis; the operands have it. A backward
    program has operands of its own, which the jaxpr may have names for.
    """
    operands = anchor.operands or ()
    dynamic = [leaf for leaf in leaves if leaf.kind in ("array", "python")]
    if dynamic and len(operands) >= len(dynamic) and "transpose" not in anchor.role:
        names = [leaf.path for leaf in dynamic]
        operands = operands[len(operands) - len(dynamic) :]
    else:
        names = operand_names(anchor.debug, len(operands)) or [
            f"operand[{i}]" for i in range(len(operands))
        ]
    found = [leaf for leaf in leaves if leaf.kind not in ("array", "python")]
    for name, operand in zip(names, operands, strict=True):
        facts = array_facts(operand)
        if facts is not None:
            found.append(intern(Leaf(name, *facts)))
    return found
