"""How often loops turn whose number of turns only the values tell: what the user says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxkit.jaxpr.scopes import clean
from jaxkit.report import SourceLine

Key = str | int | SourceLine


class Trips:
    """What the user says of loops, and which of it was used."""

    def __init__(self, given: int | Mapping[Key, int] | None) -> None:
        self.every = _checked(given) if isinstance(given, int) else None
        self._by_key: Mapping[Key, int] = {}
        if isinstance(given, Mapping):
            self._by_key = {key: _checked(value, key) for key, value in given.items()}
        elif given is not None and self.every is None:
            raise TypeError(
                "trip_counts must be a number of turns or a mapping to such numbers, got "
                f"{given!r} of type {type(given).__name__}"
            )
        for key in self._by_key:
            _check_key(key)
        self._used: set[Key] = set()
        self._met: dict[str, None] = {}

    @property
    def keyed(self) -> bool:
        """Whether it matters where a loop stands."""
        return bool(self._by_key)

    def turns(self, line: SourceLine | None, scope: str, path: tuple[str, ...]) -> int | None:
        """How often a loop turns; None where nothing is said of it.

        Args:
          line: the line it stands on.
          scope: its named scopes.
          path: names of what it is nested in.
        """
        if self.every is not None or not self._by_key:
            return self.every
        for key, value in self._by_key.items():
            if _fits(key, line, scope, path):
                self._used.add(key)
                return value
        return None

    def meet(self, line: SourceLine | None) -> None:
        """Notes that a loop stands on a line, to say so where a key fits none."""
        self._met[str(line) if line else "a line that is not known"] = None

    def check_used(self) -> None:
        """Refuses keys that fitted no loop: they are mistakes.

        Raises:
          ValueError: there is one.
        """
        for key in self._by_key:
            if key not in self._used:
                loops = "; ".join(self._met) or "none"
                raise ValueError(
                    f"trip_counts[{key!r}] names no loop of unknown length; those are: {loops}"
                )


def _fits(key: Key, line: SourceLine | None, scope: str, path: tuple[str, ...]) -> bool:
    if isinstance(key, SourceLine):
        return line is not None and (line.file, line.line) == (key.file, key.line)
    if isinstance(key, int):
        return line is not None and line.line == key
    if line is not None:
        if f"/{line.file}:{line.line}".endswith(f"/{key}"):
            return True
        if key in (line.function, line.function.rpartition(".")[2]):
            return True
    cleaned = clean(scope)
    return key in path or key in (cleaned, "/".join(path)) or key in cleaned.split("/")


def _check_key(key: Any) -> None:
    if isinstance(key, bool) or not isinstance(key, (str, int, SourceLine)):
        raise TypeError(
            "a key of trip_counts must be a line ('train.py:41', 41 or a SourceLine) or "
            f"the name of a function or scope, got {key!r} of type {type(key).__name__}"
        )


def _checked(value: Any, key: Key | None = None) -> int:
    name = "trip_counts" if key is None else f"trip_counts[{key!r}]"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{name} must be a number of turns, got {value!r} of type {type(value).__name__}"
        )
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, got {value}")
    return value
