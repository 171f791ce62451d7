"""What a scenario is: a generator that yields after its warm call and after each step."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.monitoring

IS_OLD = jax.__version_info__ < (0, 11)

STAGES = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
}


@dataclasses.dataclass(frozen=True)
class Expect:
    """What the events of one function in one step must say.

    Attributes:
        name: The function's or primitive's name.
        kinds: The allowed causes; each event has one of them.
        paths: Where the cause lies; None where it has no path (or the path may be left out).
        recompile: Whether the events are recompilations; None where not checked.
        times: How many events compile in this step.
        severity: What the report makes of the group; None where not checked.
        mentions: Text that the cause's JSON must contain (a config's name, a captured variable).
    """

    name: str
    kinds: frozenset[str]
    paths: frozenset[str] | None = None
    recompile: bool | None = True
    times: int = 1
    severity: str | None = None
    mentions: str | None = None


def again(
    name: str, *kinds: str, at: str | tuple[str, ...] | None = None, **options: Any
) -> Expect:
    """Expect `name` to be compiled again for one of `kinds`, at path(s) `at`."""
    paths = None if at is None else frozenset((at,) if isinstance(at, str) else at)
    return Expect(name, frozenset(kinds), paths, **options)


def first(name: str, *, times: int = 1) -> Expect:
    """Expect `name` to be a new program by design."""
    return Expect(name, frozenset({"first"}), recompile=False, times=times)


def incidental(name: str, *, times: int = 1) -> Expect:
    """Expect an eager operation that only makes the step's data."""
    return Expect(name, frozenset({"first", "eager-op-shapes"}), recompile=None, times=times)


@dataclasses.dataclass(frozen=True)
class Step:
    """One row of the table: what JAX does, and what a watch must say about it.

    Attributes:
        counts: (body, trace, lower, compile) of the table.
        expect: One entry for each function that compiles in the step.
        old: The counts on JAX 0.10.2 where they differ.
    """

    counts: tuple[int, int, int, int]
    expect: tuple[Expect, ...] = ()
    old: tuple[int, int, int, int] | None = None

    @property
    def here(self) -> tuple[int, int, int, int]:
        """The counts for the JAX that runs the test."""
        return self.old if self.old is not None and IS_OLD else self.counts


def step(counts: str, *expect: Expect, old: str | None = None) -> Step:
    """Read a row as the table writes it: `step("1/1/1/1", again("f", "shape-change"))`."""
    return Step(_counts(counts), expect, None if old is None else _counts(old))


def _counts(text: str) -> tuple[int, int, int, int]:
    body, trace, lower, comp = map(int, text.split("/"))
    return body, trace, lower, comp


QUIET = step("0/0/0/0")


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A generator function and what each of its steps must do."""

    name: str
    steps: tuple[Step, ...]
    play: Callable[[], Iterator[None]]


SCENARIOS: dict[str, Scenario] = {}


def scenario(*steps: Step) -> Callable[[Callable[[], Iterator[None]]], Scenario]:
    """Register a generator function under its own name; `steps` come after the warm call."""

    def register(play: Callable[[], Iterator[None]]) -> Scenario:
        made = Scenario(play.__name__, steps, play)
        assert made.name not in SCENARIOS, made.name
        SCENARIOS[made.name] = made
        return made

    return register


class _Bodies:
    """Counts how often the scenarios' Python bodies ran, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def __call__(self) -> None:
        with self._lock:
            self.count += 1


ran = _Bodies()


@dataclasses.dataclass
class Played:
    """What a scenario did.

    Attributes:
        counts: (body, trace, lower, compile) of the warm call and each step.
        names: (stage, fun_name) in order, for the warm call and each step.
        marks: How many events the log held after the warm call and after each step.
    """

    counts: list[tuple[int, int, int, int]] = dataclasses.field(default_factory=list)
    names: list[list[tuple[str, str]]] = dataclasses.field(default_factory=list)
    marks: list[int] = dataclasses.field(default_factory=list)


def play(which: Scenario, *, mark: Callable[[], int] = lambda: 0) -> Played:
    """Run a scenario from empty caches, counting with plain listeners of `jax.monitoring`."""
    played = Played()
    with _listening() as seen:
        steps = which.play()
        for _ in steps:
            stages = [stage for stage, _ in seen]
            counts = (ran.count, *(stages.count(stage) for stage in STAGES.values()))
            played.counts.append(counts)
            played.names.append(list(seen))
            played.marks.append(mark())
            seen.clear()
            ran.count = 0
    return played


def forget() -> None:
    """Drop what JAX remembers, so that every scenario starts alike."""
    jax.clear_caches()
    gc.collect()
    ran.count = 0


@contextlib.contextmanager
def _listening() -> Iterator[list[tuple[str, str]]]:
    seen: list[tuple[str, str]] = []

    def listen(event: str, duration: float, **kwargs: Any) -> None:
        del duration
        if event in STAGES:
            seen.append((STAGES[event], str(kwargs.get("fun_name"))))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
