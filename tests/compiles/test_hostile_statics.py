"""Static arguments that are hard to describe: recorded in bounded space, and never asked."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxkit

X = np.ones(3, np.float32)


class Counted:
    """Counts how often Python asks it something."""

    def __init__(self) -> None:
        self.calls = {"repr": 0, "eq": 0, "hash": 0}

    def __repr__(self) -> str:
        self.calls["repr"] += 1
        return "Counted()"

    def __eq__(self, other: object) -> bool:
        self.calls["eq"] += 1
        return self is other

    def __hash__(self) -> int:
        self.calls["hash"] += 1
        return id(self)


def ask(value: Any) -> None:
    """Call a fresh function on a static value, twice."""
    f = jax.jit(lambda x, v: x * 2, static_argnums=1)
    f(X, value)
    f(X, value)
    f(X + 0, value)


def test_a_static_is_asked_nothing_that_jax_does_not_ask() -> None:
    plain, watched = Counted(), Counted()
    ask(plain)
    asked = dict(plain.calls)  # JAX may compare it with the other one later
    with jaxkit.watch() as log:
        ask(watched)
    log.report().to_json()
    assert watched.calls["repr"] == 0
    assert watched.calls == asked


class NoRepr:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


class NoEq:
    """Cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no eq")

    def __hash__(self) -> int:
        return id(self)


class NoLaterHash:
    """Can be hashed as often as JAX needs for one call, and never again."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        self.times -= 1
        if self.times < 0:
            raise RuntimeError("no more hashes")
        return id(self)


class NoAttributes:
    """Raises for every attribute that Python code reads."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Slots:
    """Has no `__dict__`, and a property that raises."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 1

    @property
    def broken(self) -> int:
        raise RuntimeError("broken")


class Recursive:
    """Holds itself."""

    def __init__(self) -> None:
        self.me = self
        self.more = {"me": [self, (self,)]}


@dataclasses.dataclass(frozen=True)
class Huge:
    """A frozen config of ten megabytes."""

    text: str = "x" * 10_000_000

    def __repr__(self) -> str:
        raise AssertionError("asked for ten megabytes")


class Text(str):
    """A string whose repr is not the string's."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Endless:
    """Says that it has entries, and never ends."""

    def __iter__(self) -> Iterator[int]:
        return iter(int, 1)

    def __len__(self) -> int:
        raise RuntimeError("no len")


def hashes_of_one_call() -> int:
    """How often JAX hashes a static value in a first call."""
    counted = Counted()
    jax.jit(lambda x, v: x * 2, static_argnums=1)(X, counted)
    return counted.calls["hash"]


def deep(levels: int = 5000) -> Any:
    """Nest tuples deeper than Python's recursion limit allows to walk."""
    nested: Any = ()
    for _ in range(levels):
        nested = Node(nested)
    return nested


class Node:
    """One link of a chain."""

    def __init__(self, below: Any) -> None:
        self.below = below


STATICS: dict[str, Callable[[], Any]] = {
    "repr raises": NoRepr,
    "eq raises": NoEq,
    "hash raises later": lambda: NoLaterHash(hashes_of_one_call()),
    "attributes raise": NoAttributes,
    "slots": Slots,
    "recursive": Recursive,
    "huge dataclass": Huge,
    "huge string": lambda: "y" * 10_000_000,
    "huge bytes": lambda: b"z" * 10_000_000,
    "huge tuple": lambda: tuple(range(1_000_000)),
    "huge int": lambda: 10**100_000,
    "string without repr": lambda: Text("text"),
    "endless": Endless,
    "deep": deep,
    "lone surrogate": lambda: "\ud800",
    "control characters": lambda: "\x1b[31m\n\x00",
    "class": lambda: NoRepr,
    "module": lambda: np,
    "builtin": lambda: len,
}


@pytest.mark.parametrize("kind", STATICS)
def test_hostile_statics_are_recorded_in_bounded_space(kind: str, tmp_path: Path) -> None:
    value, path = STATICS[kind](), tmp_path / "run.jsonl"
    f = jax.jit(lambda x, v: x * 2, static_argnums=1)
    with jaxkit.watch(jsonl=path) as log:
        started = time.perf_counter()
        f(X, value)
        assert time.perf_counter() - started < 10
    [event] = [event.to_dict() for event in log.events]
    assert (event["stages"], event["outcome"]) == (["trace", "lower", "compile"], "compiled")
    assert event["causes"][0]["kind"] == "first"
    assert [leaf["path"] for leaf in event["signature"]] == ["x", "v"]
    lines = path.read_bytes().splitlines()
    assert max(len(line) for line in lines) < 20_000
    assert event in [json.loads(line) for line in lines]
    str(log.report())


@pytest.mark.parametrize("kind", [k for k in STATICS if k not in ("eq raises", "huge int")])
def test_hostile_statics_can_change(kind: str) -> None:
    f = jax.jit(lambda x, v: x * 2, static_argnums=1)
    with jaxkit.watch() as log:
        f(X, STATICS[kind]())
        f(X, None)
    last = log.events[-1].to_dict()
    assert [(cause["kind"], cause["path"]) for cause in last["causes"]] in (
        [("static-arg-value", "v")],
        [("static-arg-identity", "v")],
    )
