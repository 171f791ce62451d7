"""Which equations are meant: by named scope, function, line, primitive or dtype.

A selection is asked about each equation of a program. It remembers what it was asked about, so that
one that matched nothing can say what there would have been.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from jaxkit._jax.source import Sources
from jaxkit._jax.values import dtype_name
from jaxkit.jaxpr import Equation
from jaxkit.jaxpr.scopes import clean
from jaxkit.report import SourceLine

__all__ = ["Facts", "Item", "Selection", "exactly", "facts_of", "items_of", "without_marks"]

_INSIDE = ("scope", "function", "line", "primitive", "dtype")
_EXACTLY = ("scope", "unscoped", "function", "line")
_BACKWARD = " (backward)"
_SHOWN = 6
# What JAX calls the parts of a checkpointed function.
_OF_JAX = frozenset({"checkpoint", "rematted_computation"})


@dataclasses.dataclass(frozen=True)
class Item:
    """One thing to look for.

    Args:
        given: As the user gave it.
        kind: One of `_INSIDE`; empty for any of them, `test` for a function that is asked.
        value: What to find.
        exact: Whether the scope or the function must be the innermost.
    """

    given: Any
    kind: str
    value: Any
    exact: bool = False


@dataclasses.dataclass(frozen=True)
class Facts:
    """Where an equation stands, and what it is.

    Args:
        scope: The named scopes around it, those of the backward pass being the forward pass's.
        functions: The user's functions around it, the innermost first, by their own names.
        called: Names of the jitted functions around it.
        line: The user's line.
        primitive: Its primitive.
        dtypes: Short names of the dtypes of its floating-point results.
    """

    scope: str
    functions: tuple[str, ...]
    called: tuple[str, ...]
    line: SourceLine | None
    primitive: str
    dtypes: tuple[str, ...]


def last_name(qualname: str) -> str:
    """``attention`` of ``Model.__call__.<locals>.attention``."""
    return qualname.rpartition("<locals>.")[2].rpartition(".")[2]


def facts_of(at: Any, sources: Sources) -> Facts:
    """The facts of an equation.

    Args:
        at: A `jaxkit.jaxpr.Equation`.
        sources: Remembers lines that were read.
    """
    chain = reversed(list(zip((*at.outer, at.eqn), at.jaxprs, strict=True)))
    functions = [last_name(name) for pair in chain for name in sources.functions(*pair)]
    if at.where is not None and at.where.function:
        functions.insert(0, last_name(at.where.function))
    dtypes = (v.aval.dtype for v in at.eqn.outvars if hasattr(v.aval, "dtype"))
    return Facts(
        without_marks(at.scope),
        tuple(dict.fromkeys(functions)),
        at.path,
        at.where,
        at.primitive,
        tuple(dict.fromkeys(map(dtype_name, dtypes))),
    )


def items_of(option: str, given: Any) -> tuple[Item, ...] | None:
    """Reads what a user gave; None where there is nothing to choose by.

    Args:
        option: The option's name, for errors.
        given: One thing to look for, or several.

    Raises:
        TypeError: It is of another type.
        ValueError: It has another form.
    """
    if given is None:
        return None
    several = list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]
    if not several:
        raise ValueError(f"{option} must name something, got {option}={given!r}; None is for all")
    return tuple(_item(option, each) for each in several)


def _item(option: str, given: Any) -> Item:
    if isinstance(given, SourceLine):
        return Item(given, "line", f"{given.file}:{given.line}")
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return Item(given, "line", str(given))
    if isinstance(given, str):
        return _from_text(option, given)
    dtype = getattr(given, "dtype", given)  # jnp.float32 has one, np.float32 is a type
    if isinstance(given, type) and issubclass(given, np.generic):
        dtype = np.dtype(given)
    if isinstance(dtype, np.dtype):
        return Item(given, "dtype", dtype.name)
    if callable(given):
        return Item(given, "test", given)
    raise TypeError(
        f"{option} must be a scope, a function's name, a line, a primitive, a dtype, a function of "
        f"an equation or a list of these, got {given!r} of type {type(given).__name__}"
    )


def _from_text(option: str, text: str) -> Item:
    for kind in _INSIDE:
        if text.startswith(f"{kind}:"):
            return Item(text, kind, _value(option, kind, text[len(kind) + 1 :]))
    for kind in _EXACTLY:
        if text.startswith(f"{kind}="):
            return Item(text, kind, text[len(kind) + 1 :], exact=True)
    return Item(text, "", _value(option, "", text.strip("/")))


def _value(option: str, kind: str, value: str) -> str:
    value = value.strip()
    if not value:
        raise ValueError(f"{option} must name something, got an empty {kind or 'text'}")
    return value


class Selection:
    """Matches the equations of one program.

    Args:
        option: The option's name, for errors.
        items: What `items_of` has read.
        needed: Whether it is an error that one of them matches nothing.
    """

    def __init__(self, option: str, items: tuple[Item, ...]) -> None:
        self._option = option
        self._items = items
        self._sources = Sources()
        self._used: set[int] = set()
        self._seen: dict[str, dict[str, None]] = {kind: {} for kind in _INSIDE}

    def has(self, at: Equation, *, computes: bool) -> bool:
        """Whether an equation is meant.

        Args:
            at: The equation.
            computes: Whether it does more than to move numbers; one that does not is only meant
                where its primitive is named.
        """
        facts = facts_of(at, self._sources)
        if computes:
            self._remember(facts)
        found = False
        for number, item in enumerate(self._items):
            if (computes or item.kind in ("", "primitive", "test")) and _matches(
                item, facts, at, computes
            ):
                self._used.add(number)
                found = True
        return found

    def _remember(self, facts: Facts) -> None:
        for scope in filter(None, (facts.scope, *facts.scope.split("/"))):
            self._seen["scope"][scope] = None
        for name in (*facts.functions, *facts.called):
            self._seen["function"][name] = None
        if facts.line is not None:
            self._seen["line"][f"{_base(facts.line.file)}:{facts.line.line}"] = None
        self._seen["primitive"][facts.primitive] = None
        for name in facts.dtypes:
            self._seen["dtype"][name] = None

    def check(self, name: str) -> None:
        """Raises if one of the items has matched nothing.

        Args:
            name: The function's.

        Raises:
            ValueError: With what is near, or with what there is.
        """
        for number, item in enumerate(self._items):
            if number in self._used:
                continue
            what = f"{self._option}={item.given!r}"
            if item.kind == "test":
                raise ValueError(f"{what} is true for no floating-point equation of {name!r}")
            raise ValueError(
                f"{what} matches no floating-point equation of {name!r}; {self._hint(item)}"
            )

    def _hint(self, item: Item) -> str:
        kind = "function" if item.kind == "unscoped" else item.kind
        kinds = _INSIDE if not kind else (kind,)
        words = {name: each for each in kinds for name in self._seen[each]}
        value = str(item.value)
        close = difflib.get_close_matches(value, words, n=3, cutoff=0.6)
        close += [name for name in words if value in name and name not in close]
        if close:
            found = " or ".join(f"{name!r} ({words[name]})" for name in close[:3])
            return f"did you mean {found}?"
        told = [_listed(each, list(self._seen[each])) for each in kinds if self._seen[each]]
        return "; ".join(told) if told else f"it has no {kind or 'such equation'} at all"


def _listed(kind: str, names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{kind}s: {shown}{more}"


def _matches(item: Item, facts: Facts, at: Equation, computes: bool) -> bool:
    if item.kind == "test":
        return bool(item.value(at))
    if item.exact:
        return _is_exactly(item, facts)
    tests = _TESTS if computes else {"primitive": _TESTS["primitive"]}
    kinds = tests if not item.kind else (item.kind,)
    return any(tests[kind](str(item.value), facts) for kind in kinds)


def _is_exactly(item: Item, facts: Facts) -> bool:
    return (item.kind != "unscoped" or not facts.scope) and item.value == exactly(
        item.kind, facts.scope, facts.line
    )


def exactly(kind: str, scope: str, line: SourceLine | None) -> str:
    """What follows `kind=` in a text that means just the innermost scope, function or line.

    Args:
        kind: One of `_EXACTLY`.
        scope: The named scopes around an equation.
        line: The user's line.
    """
    if kind == "scope":
        return without_marks(scope)
    if kind == "line":
        return f"{line.file}:{line.line}" if line else "?"
    return last_name(line.function) if line and line.function else "<module>"


def without_marks(scope: str) -> str:
    """The user's named scopes of a name stack, the backward pass's being the forward pass's."""
    found = clean(scope).removesuffix(_BACKWARD)
    if not _OF_JAX.isdisjoint(names := found.split("/")):
        return "/".join(name for name in names if name not in _OF_JAX)
    return found


def _in_scope(value: str, facts: Facts) -> bool:
    wanted, parts = value.strip("/").split("/"), facts.scope.split("/")
    places = range(len(parts) - len(wanted) + 1) if facts.scope else ()
    return any(
        all(fnmatchcase(parts[at + i], name) for i, name in enumerate(wanted)) for at in places
    )


def _in_function(value: str, facts: Facts) -> bool:
    return any(fnmatchcase(name, value) for name in (*facts.functions, *facts.called))


def _on_line(value: str, facts: Facts) -> bool:
    file, _, numbers = value.rpartition(":")
    first, _, last = numbers.partition("-")
    if facts.line is None or not first.isdigit() or (last and not last.isdigit()):
        return False
    if not int(first) <= facts.line.line <= int(last or first):
        return False
    here, wanted = facts.line.file.replace("\\", "/"), file.replace("\\", "/")
    return not wanted or here == wanted or here.endswith("/" + wanted.removeprefix("./"))


def _is_primitive(value: str, facts: Facts) -> bool:
    return fnmatchcase(facts.primitive, value)


def _has_dtype(value: str, facts: Facts) -> bool:
    return _short(value) in facts.dtypes


_TESTS: dict[str, Callable[[str, Facts], bool]] = {
    "scope": _in_scope,
    "function": _in_function,
    "line": _on_line,
    "primitive": _is_primitive,
    "dtype": _has_dtype,
}


@functools.lru_cache(maxsize=1_000)
def _short(name: str) -> str:
    """``f32`` of either name of a dtype; what is none stays."""
    try:
        return dtype_name(np.dtype(name))
    except (TypeError, ValueError, SyntaxError):
        return name


def _base(file: str) -> str:
    return file.replace("\\", "/").rpartition("/")[2]
