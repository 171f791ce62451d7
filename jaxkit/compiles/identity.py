"""What a static value means, and which object it is, without keeping it.

JAX compares statics with ``==``; objects without an ``__eq__`` of their own compare by identity.
A `Static` therefore has two parts: a digest of the contents, and a token of every object inside
that compares by identity. Two values with one meaning and two tokens are "the same" to a reader
and different to JAX.

No code of the user's runs here: no ``__repr__``, ``__eq__``, ``__hash__`` or property, because
any of them may be slow, print or raise. What is read is bounded in depth, number and length.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import itertools
import threading
import types
import weakref
from typing import Any

import numpy as np

from jaxkit._jax.values import array_facts, is_array
from jaxkit.compiles.leaf import Static

_MAX_PARTS = 400
_MAX_DEPTH = 8
_MAX_REPR = 160
_MAX_BYTES = 65_536
_TRUSTED = frozenset(
    {"jax", "jaxlib", "numpy", "ml_dtypes", "datetime", "pathlib", "decimal", "fractions", "re"}
)


class Tokens:
    """A name for each object that lasts as long as the object, and keeps nothing alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._known: dict[int, tuple[weakref.ref[Any], str, list[Any]]] = {}
        self._alive: set[str] = set()

    def entry(self, value: Any) -> tuple[str, list[Any]]:
        """The object's token and a list in which facts about it may be kept."""
        key = id(value)
        known = self._known.get(key)
        if known is not None and known[0]() is value:
            return known[1], known[2]
        try:
            reference = weakref.ref(value, lambda dead: self._forget(key, dead))
        except TypeError:
            return f"@{key:x}", []
        with self._lock:
            token, facts = f"#{next(self._numbers)}", []
            self._known[key] = (reference, token, facts)
            self._alive.add(token)
        return token, facts

    def _forget(self, key: int, dead: weakref.ref[Any]) -> None:
        known = self._known.get(key)
        if known is not None and known[0] is dead:
            del self._known[key]
            self._alive.discard(known[1])

    def is_alive(self, token: str) -> bool:
        """Whether the object of a token still exists."""
        return token in self._alive

    def token(self, value: Any) -> str:
        """The object's token."""
        return self.entry(value)[0]

    def fresh(self) -> str:
        """A token that equals no other: for NaN, which equals nothing."""
        with self._lock:
            return f"#{next(self._numbers)}"


TOKENS = Tokens()
# Not float: 0.0 and -0.0 are equal and are two programs.
_ATOMS = frozenset({int, bool, str, type(None)})
_atoms: dict[tuple[type, Any], Static] = {}
_type_names: dict[type, str] = {}
_slots: dict[type, tuple[tuple[str, types.MemberDescriptorType], ...]] = {}


def digest(*parts: str) -> str:
    """A short stable digest of text."""
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def describe(value: Any) -> Static:
    """The `Static` of a value."""
    kind = type(value)
    if kind in _ATOMS and (kind is not str or len(value) < 200):
        known = _atoms.get((kind, value))
        if known is None:
            if len(_atoms) > 20_000:
                _atoms.clear()
            known = _atoms[kind, value] = _describe(value)
        return known
    if kind is types.FunctionType:
        _, facts = TOKENS.entry(value)
        if not facts:
            facts.append(_describe(value))
        return facts[0]
    return _describe(value)


def _describe(value: Any) -> Static:
    kind = type_name(type(value))
    try:
        scan = _Scan()
        scan.visit(value, 0)
        identity = digest(*scan.identities) if scan.identities else None
        return Static(kind, short(value), digest(*scan.parts), identity)
    except Exception:
        return Static(kind, f"{type(value).__name__}(...)", digest(kind), TOKENS.token(value))


def type_name(kind: type) -> str:
    """``int``, ``collections.OrderedDict``, ``train.Config``: bounded, without control over it."""
    known = _type_names.get(kind)
    if known is None:
        if len(_type_names) > 5_000:
            _type_names.clear()
        known = _type_names[kind] = _type_name(kind)
    return known


def _type_name(kind: type) -> str:
    module = getattr(kind, "__module__", "")
    name = getattr(kind, "__qualname__", "type")
    full = name if module in ("builtins", "__main__") else f"{module}.{name}"
    return f"enum {full}"[:120] if issubclass(kind, enum.Enum) else str(full)[:120]


def attributes(value: Any) -> dict[str, Any]:
    """Instance attributes without running descriptors, ``__dict__`` and slots."""
    found: dict[str, Any] = {}
    try:
        stored = object.__getattribute__(value, "__dict__")
        if isinstance(stored, dict):
            found.update(itertools.islice(stored.items(), 200))
    except AttributeError:
        pass
    kind = type(value)
    slots = _slots.get(kind)
    if slots is None:
        if len(_slots) > 5_000:
            _slots.clear()
        slots = _slots[kind] = _slot_members(kind)
    for name, member in slots:
        try:
            found[name] = member.__get__(value, kind)
        except AttributeError:
            continue
    if all(type(name) is str for name in found):
        return found
    return {name: item for name, item in found.items() if isinstance(name, str)}


def _slot_members(kind: type) -> tuple[tuple[str, types.MemberDescriptorType], ...]:
    """The slots of a class and its bases that are plain storage."""
    found: dict[str, types.MemberDescriptorType] = {}
    for base in kind.__mro__[:-1]:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            member = base.__dict__.get(name)
            if isinstance(member, types.MemberDescriptorType):
                found.setdefault(name, member)
    return tuple(found.items())


def code_digest(code: types.CodeType) -> str:
    """A digest of where code stands and what it does."""
    consts = [repr(c) for c in code.co_consts if isinstance(c, (int, float, str, bytes, complex))]
    return digest(
        code.co_filename,
        str(code.co_firstlineno),
        code.co_qualname,
        code.co_code.hex(),
        " ".join(code.co_names),
        *consts,
    )


class _Scan:
    """One bounded walk through a value."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.identities: list[str] = []
        self._seen: set[int] = set()

    def visit(self, value: Any, depth: int) -> None:
        if len(self.parts) > _MAX_PARTS or depth > _MAX_DEPTH:
            self.parts.append("...")
            return
        kind = type(value)
        self.parts.append(type_name(kind))
        if self._plain(value, kind):
            return
        if id(value) in self._seen:
            self.parts.append("seen")
            return
        self._seen.add(id(value))
        if kind in (tuple, list, set, frozenset) or isinstance(value, (tuple, dict, list)):
            self._container(value, depth)
        elif is_array(value):
            self._array(value)
        elif isinstance(value, type):
            self.identities.append(TOKENS.token(value))
            self.parts.append(type_name(value))
        else:
            self._object(value, kind, depth)

    def _plain(self, value: Any, kind: type) -> bool:
        if value is None or value is Ellipsis or kind is bool:
            self.parts.append(repr(value))
        elif kind is int:
            self.parts.append(str(value) if value.bit_length() < 512 else f"hash {hash(value)}")
        elif isinstance(value, np.integer):  # in JAX's parameters one is as good as the other
            self.parts[-1:] = ["int", str(int(value))]
        elif kind in (float, complex):
            self.parts.append(repr(value))
            if value != value:
                self.identities.append(TOKENS.fresh())
        elif kind is str:
            self.parts.append(value if len(value) < 4_096 else f"{len(value)} {value[:4_096]}")
        elif kind is bytes:
            self.parts.append(f"{len(value)} {value[:4_096].hex()}")
        elif isinstance(value, enum.Enum):
            self.parts.append(str(getattr(value, "_name_", "")))
        elif isinstance(value, types.ModuleType):
            self.parts.append(str(getattr(value, "__name__", "")))
        else:
            return False
        return True

    def _container(self, value: Any, depth: int) -> None:
        self.parts.append(str(len(value)))
        if isinstance(value, dict):
            for key, item in itertools.islice(dict.items(value), _MAX_PARTS):
                self.visit(key, depth + 1)
                self.visit(item, depth + 1)
        elif isinstance(value, (set, frozenset)):
            inner = [_describe(item) for item in itertools.islice(value, _MAX_PARTS)]
            self.parts.extend(sorted(item.meaning for item in inner))
            self.identities.extend(sorted(i.identity for i in inner if i.identity))
        else:
            items = tuple.__iter__(value) if isinstance(value, tuple) else list.__iter__(value)
            for item in itertools.islice(items, _MAX_PARTS):
                self.visit(item, depth + 1)

    def _array(self, value: Any) -> None:
        facts = array_facts(value)
        self.parts.append(facts.type if facts else "array")
        host = isinstance(value, (np.ndarray, np.generic))
        if host and value.nbytes <= _MAX_BYTES and value.dtype != object:
            self.parts.append(hashlib.blake2b(value.tobytes(), digest_size=8).hexdigest())
            return
        token = TOKENS.token(value)  # its contents are the device's: another array, another value
        self.parts.append(token)
        self.identities.append(token)

    def _object(self, value: Any, kind: type, depth: int) -> None:
        if isinstance(value, types.FunctionType):
            self._function(value, depth)
        elif isinstance(value, functools.partial):
            self.identities.append(TOKENS.token(value))
            for item in (value.func, value.args, value.keywords):
                self.visit(item, depth + 1)
        elif isinstance(value, types.MethodType):
            self.visit(value.__func__, depth + 1)
            self.visit(value.__self__, depth + 1)
        elif isinstance(value, (types.BuiltinFunctionType, np.ufunc)):
            self.parts.append(str(getattr(value, "__qualname__", getattr(value, "__name__", ""))))
        elif _wrapped(value) is not None:
            self.identities.append(TOKENS.token(value))
            self.visit(_wrapped(value), depth + 1)
        else:
            self._instance(value, kind, depth)

    def _function(self, value: types.FunctionType, depth: int) -> None:
        self.identities.append(TOKENS.token(value))
        self.parts.append(code_digest(value.__code__))
        for item in (value.__defaults__, value.__kwdefaults__):
            if item:
                self.visit(item, depth + 1)
        for cell in value.__closure__ or ():
            try:
                self.visit(cell.cell_contents, depth + 1)
            except ValueError:
                self.parts.append("empty")

    def _instance(self, value: Any, kind: type, depth: int) -> None:
        if kind.__eq__ is object.__eq__:
            self.identities.append(TOKENS.token(value))
        if kind.__name__ in ("Jaxpr", "ClosedJaxpr"):  # its text may be very long
            self.parts.append(TOKENS.token(value))
            return
        stored = attributes(value)
        root = str(getattr(kind, "__module__", "")).partition(".")[0]
        if root in _TRUSTED or (root == "builtins" and not stored):
            try:
                self.parts.append(repr(value)[:1_000])
            except Exception:
                self.parts.append("?")
            return
        for name in sorted(stored):
            self.parts.append(name)
            self.visit(stored[name], depth + 1)


def _wrapped(value: Any) -> Any:
    """What a jitted or otherwise wrapped callable wraps, if it is no plain instance."""
    if not callable(value) or isinstance(value, type):
        return None
    if str(getattr(type(value), "__module__", "")).partition(".")[0] not in ("jaxlib", "jax"):
        return None
    return getattr(value, "__wrapped__", None)


def short(value: Any, depth: int = 0) -> str:
    """A bounded description that runs no code of the user's."""
    text = _short(value, depth)
    return text if len(text) <= _MAX_REPR else text[: _MAX_REPR - 3] + "..."


def _short(value: Any, depth: int) -> str:
    kind = type(value)
    if value is None or kind in (bool, float, complex):
        return repr(value)
    if kind is int:
        return repr(value) if value.bit_length() < 256 else f"int of {value.bit_length()} bits"
    if kind in (str, bytes):
        return repr(value[:80]) + ("..." if len(value) > 80 else "")
    if isinstance(value, enum.Enum):
        return f"{kind.__name__}.{getattr(value, '_name_', '?')}"
    if is_array(value):
        facts = array_facts(value)
        return facts.type if facts else kind.__name__
    if depth > 2:
        return f"{kind.__name__}(...)"
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
        return f"<function {getattr(value, '__name__', '?')}>"
    if isinstance(value, type):
        return f"<class {value.__qualname__}>"
    if isinstance(value, functools.partial):
        return f"partial({short(value.func, depth + 1)}, ...)"
    if isinstance(value, (tuple, list, dict, set, frozenset)):
        return _short_container(value, kind, depth)
    wrapped = _wrapped(value)
    if wrapped is not None:
        return short(wrapped, depth + 1)
    items = [
        f"{n}={short(v, depth + 1)}" for n, v in itertools.islice(attributes(value).items(), 4)
    ]
    return f"{kind.__name__}({', '.join(items)})"


def _short_container(value: Any, kind: type, depth: int) -> str:
    more = ", ..." if len(value) > 4 else ""
    if isinstance(value, dict):
        pairs = itertools.islice(dict.items(value), 4)
        inner = ", ".join(f"{short(k, depth + 1)}: {short(v, depth + 1)}" for k, v in pairs)
        return f"{{{inner}{more}}}"
    fields = getattr(kind, "_fields", None)
    if isinstance(value, tuple) and isinstance(fields, tuple):
        pairs = itertools.islice(zip(fields, tuple.__iter__(value), strict=False), 4)
        return f"{kind.__name__}({', '.join(f'{n}={short(v, depth + 1)}' for n, v in pairs)}{more})"
    inner = ", ".join(short(item, depth + 1) for item in itertools.islice(iter(value), 4))
    opening, closing = {list: "[]", tuple: "()"}.get(kind, "{}")
    comma = "," if kind is tuple and len(value) == 1 else ""
    return f"{opening}{inner}{comma}{more}{closing}"
