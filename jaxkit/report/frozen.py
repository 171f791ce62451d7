"""JSON values that cannot change: what `Finding.data` and `Report.data` are made of.

A report is handed around, compared, hashed, pickled and read back from a file, long after the
program that it tells about went on. So it keeps a copy of its own that nobody can change: mappings
become `FrozenMapping`, sequences become tuples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

__all__ = ["FrozenMapping", "freeze", "thaw"]

# Far deeper than anything a person would read, far above what the interpreter's recursion allows.
_DEEPEST = 64


class FrozenMapping(Mapping[str, Any]):
    """A mapping that compares equal to a dict of the same items, and can be hashed and pickled.

    Example:
        >>> FrozenMapping({"axis": 1}) == {"axis": 1}
        True

    Args:
        items: JSON values, of which a copy is kept that cannot change.

    Raises:
        TypeError: Something in it is no JSON value; the message names the place.
    """

    __slots__ = ("_items", "_make")

    def __init__(self, items: Mapping[str, Any]) -> None:
        self._items = _freeze_items(items, ("items",), 0)

    @classmethod
    def owning(cls, items: dict[str, Any]) -> FrozenMapping:
        """A mapping of a dict that nobody else has, whose values are frozen: it is not copied."""
        made = cls.__new__(cls)
        made._items = items
        return made

    @classmethod
    def later(cls, make: Callable[[], Mapping[str, Any]]) -> FrozenMapping:
        """A mapping that is made when it is first looked at, by a function that knows all of it."""
        made = cls.__new__(cls)
        made._make = make
        return made

    def __getattr__(self, name: str) -> Any:
        if name != "_items":
            raise AttributeError(name)
        self._items = _freeze_items(self._make(), ("items",), 0)  # by two threads: twice the same
        return self._items

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[type[FrozenMapping], tuple[dict[str, Any]]]:
        return FrozenMapping, (self._items,)


def freeze(value: Any, *, name: str) -> Any:
    """A copy of a JSON value that cannot change.

    JSON has no NaN and no infinities: they become the strings "NaN", "Infinity" and "-Infinity".

    Args:
        value: Strings, numbers, booleans, None, and lists, tuples and mappings of them.
        name: What messages call the value, such as `data`.

    Returns:
        The same with tuples for sequences and `FrozenMapping` for mappings.

    Raises:
        TypeError: Something in it is no JSON value; the message names the place.
        ValueError: It is nested too deeply, or contains itself.
    """
    return _freeze(value, (name,), 0)


def _freeze(value: Any, place: _Place, depth: int) -> Any:
    kind: object = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind in _PLAIN or kind is FrozenMapping:
        return value
    if kind is float:
        return _freeze_float(value)
    if kind is not dict and kind is not list:
        # Subclasses (enumerations, NumPy's float64) lose what JSON would not keep.
        if isinstance(value, float):
            return _freeze_float(float(value))
        if isinstance(value, (str, int)):
            return str.__str__(value) if isinstance(value, str) else int(value)
    if depth > _DEEPEST:
        raise ValueError(
            f"{_name(place)} is nested more than {_DEEPEST} levels deep, or contains itself"
        )
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        return tuple(_freeze(item, (place, i), depth + 1) for i, item in enumerate(items))
    if isinstance(value, Mapping):
        items = _freeze_items(cast("Mapping[Any, Any]", value), place, depth)
        return FrozenMapping.owning(items)
    raise TypeError(
        f"{_name(place)} must be a JSON value (str, int, float, bool, None, list, tuple or "
        f"mapping), got {type(value).__module__}.{type(value).__qualname__}: "
        f"convert it, or write it as a string"
    )


# Nearly all there is.
_PLAIN: frozenset[object] = frozenset({str, int, bool, type(None)})

# What encloses a value and its key there, or the name of all; put into words only for messages.
_Place = tuple[str] | tuple["_Place", str | int]


def _name(place: _Place) -> str:
    return place[0] if len(place) == 1 else f"{_name(place[0])}[{place[1]!r}]"


def _freeze_float(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _freeze_items(mapping: Mapping[Any, Any], place: _Place, depth: int) -> dict[str, Any]:
    items: dict[str, Any] = {}
    for key, value in mapping.items():
        if type(key) is not str:
            if not isinstance(key, str):
                raise TypeError(
                    f"the keys of {_name(place)} must be str, got {key!r} of type "
                    f"{type(key).__name__}"
                )
            key = str.__str__(key)
        items[key] = value if type(value) in _PLAIN else _freeze(value, (place, key), depth + 1)
    return items


def thaw(value: Any) -> Any:
    """The inverse of `freeze`: plain dicts and lists, as the json module takes them."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        return {key: thaw(item) for key, item in mapping.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in cast("tuple[Any, ...]", value)]
    return value
