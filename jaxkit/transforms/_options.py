"""Options of a transform: what may be given, what was, and when two of them are the same."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

__all__ = ["check_factory", "check_known", "copied", "key", "missing", "near", "shown", "wanted"]

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_ANY_KEYWORD = inspect.Parameter.VAR_KEYWORD
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_factory(factory: Callable[..., Any], name: str) -> inspect.Signature:
    """Refuses a factory that is not `factory(fun, *, option=default, ...)`.

    Raises:
        TypeError: It is not; the message names the parameter.
    """
    signature = inspect.signature(factory)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].kind not in _POSITIONAL:
        raise TypeError(
            f"a transform's first parameter is the function that it wraps, "
            f"got {name}{signature}: write def {name}(fun, *, ...)"
        )
    if parameters[0].default is not inspect.Parameter.empty:
        raise TypeError(
            f"a transform's first parameter has no default, got {name}{signature}: "
            f"@{name} and @{name}(...) both work without one"
        )
    for each in parameters[1:]:
        if each.kind not in (_KEYWORD, _ANY_KEYWORD):
            raise TypeError(
                f"a transform's options are keyword-only, got {each.name!r} in {name}{signature}: "
                f"put a * after {parameters[0].name!r}"
            )
    return signature


def check_known(name: str, signature: inspect.Signature, options: Mapping[str, Any]) -> None:
    """Refuses options that the factory does not have.

    Raises:
        TypeError: There is one; the message has those that are near.
    """
    first, *known = signature.parameters.values()
    if any(each.kind is _ANY_KEYWORD for each in known):
        return
    names = [each.name for each in known]
    for given in options:
        if given in names:
            continue
        if given == first.name:
            raise TypeError(f"{name}() takes the function by position: {name}({given}, ...)")
        raise TypeError(f"{name}() has no option {given!r}; {near(given, names) or _those(names)}")


def missing(signature: inspect.Signature, options: Mapping[str, Any]) -> list[str]:
    """The options without a default that have not been given."""
    return [
        each.name
        for each in list(signature.parameters.values())[1:]
        if each.kind is _KEYWORD and each.default is each.empty and each.name not in options
    ]


def wanted(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that a function has parameters for."""
    known = inspect.signature(function).parameters
    everything = any(each.kind is _ANY_KEYWORD for each in known.values())
    return {name: value for name, value in options.items() if everything or name in known}


def near(given: str, known: Iterable[str]) -> str:
    """`did you mean a or b?`, or nothing where nothing is near."""
    found = difflib.get_close_matches(given, list(known), n=3, cutoff=0.75)
    return f"did you mean {' or '.join(map(repr, found))}?" if found else ""


def _those(names: list[str]) -> str:
    return f"it has {', '.join(map(repr, names))}" if names else "it has none"


def copied(value: Any) -> Any:
    """The value, with plain dicts, lists and sets copied: nobody changes a bound option later."""
    kind: Any = cast(Any, type(value))
    if kind is dict:
        items = cast("dict[Any, Any]", value).items()
        return {name: copied(each) for name, each in items}
    if kind in (list, tuple, set):
        return cast(Any, kind)(map(copied, cast("Iterable[Any]", value)))
    return value


def key(value: Any) -> Any:
    """Something hashable that is equal for values which mean the same as an option.

    Types count (1, 1.0 and True are three options), the sign of zero does, and so does the order of
    a dict. What cannot be hashed, as an array, is the same only as itself.
    """
    kind = cast(Any, type(value))
    if kind in (float, complex):
        return kind, repr(value)
    if kind in (list, tuple):
        return kind, tuple(key(each) for each in value)
    if kind is dict:
        items = cast("dict[Any, Any]", value).items()
        return kind, tuple((key(name), key(each)) for name, each in items)
    if kind is set:
        return kind, frozenset(key(each) for each in value)
    try:
        hash(value)
    except Exception:
        return _Same(value)
    return kind, value


class _Same:
    """Equal to itself only, for whatever it holds."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def shown(options: Mapping[str, Any]) -> str:
    """The options as they would be written in a call, none of them at length."""
    return ", ".join(f"{name}={_short(value)}" for name, value in options.items())


def _short(value: Any) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and dtype is not None:  # an array's own repr may take long
        return f"<{dtype}[{','.join(map(str, cast('tuple[Any, ...]', shape)))}]>"
    text = getattr(value, "__qualname__", None) if callable(value) else None
    text = text if isinstance(text, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
