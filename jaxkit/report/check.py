"""Arguments checked when given: messages name the argument, its value and the rule."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["check_each", "check_one_of", "check_type"]


def check_type(name: str, value: object, expected: type) -> None:
    """Refuses a value of another type; a bool is no int here.

    Raises:
        TypeError: The value has another type.
    """
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise TypeError(
            f"{name} must be {expected.__name__}, "
            f"got {name}={value!r} of type {type(value).__name__}"
        )


def check_each(name: str, values: Iterable[object], expected: tuple[type, ...]) -> None:
    """Refuses a collection that holds anything of another type.

    Raises:
        TypeError: One of the values has another type; the message says which.
    """
    for i, value in enumerate(values):
        if not isinstance(value, expected):
            names = ", ".join(each.__name__ for each in expected)
            raise TypeError(
                f"{name} must hold only {names}, "
                f"got {name}[{i}]={value!r} of type {type(value).__name__}"
            )


def check_one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuses what is none of the choices.

    Raises:
        ValueError: It is none of them.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {name}={value!r}")
