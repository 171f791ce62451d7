"""What `jaxkit.timer` costs: `python benchmarks/spans.py [--quick]`.

Each row is a span (or a step) against the same loop without it, in alternating blocks of some
0.2 ms in one process. The figure is the difference of the two sides' minima over 20 contiguous
groups of blocks, the median of the groups, in microseconds; the range is that of the groups.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

import jaxkit

GROUPS = 20
INNER = 100


def empty() -> None:
    """Nothing."""


def span() -> None:
    """A span."""
    with jaxkit.timer("span"):
        pass


def nested() -> None:
    """Two."""
    with jaxkit.timer("outer"), jaxkit.timer("inner"):
        pass


ENTERED = jaxkit.timer("again")


def again() -> None:
    """One object."""
    with ENTERED:
        pass


@jaxkit.timer("decorated")
def decorated() -> None:
    """A function."""


def annotation() -> None:
    """JAX's own."""
    with jax.profiler.TraceAnnotation("span"):
        pass


READY = jax.block_until_ready(jnp.ones(3))


def blocked() -> None:
    """A span and its wait."""
    with jaxkit.timer("blocked") as t:
        t.block(READY)


def waited() -> None:
    """The wait."""
    jax.block_until_ready(READY)


def block(fun: Callable[[], None]) -> float:
    """Microseconds a call."""
    begin = time.perf_counter_ns()
    for _ in range(INNER):
        fun()
    return (time.perf_counter_ns() - begin) / INNER / 1000


def loop(clock: bool) -> float:
    """Microseconds a step."""
    batches = range(INNER)
    begin = time.perf_counter_ns()
    if clock:
        steps = jaxkit.timer.steps(batches, every=50)
        for _ in steps:
            steps.step(READY)
    else:
        for _ in batches:
            pass
    return (time.perf_counter_ns() - begin) / INNER / 1000


def difference(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> list[float]:
    """Of the minima of each group, in microseconds."""
    ours(), theirs()
    found: list[float] = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(GROUPS):
            pairs = [(ours(), theirs()) for _ in range(rounds)]
            found.append(min(a for a, _ in pairs) - min(b for _, b in pairs))
    finally:
        gc.enable()
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the blocks")
    rounds = 10 if parser.parse_args().quick else 50
    rows: list[tuple[str, Callable[[], float], Callable[[], float], int]] = [
        ("a span", lambda: block(span), lambda: block(empty), 1),
        ("a span within a span, each", lambda: block(nested), lambda: block(empty), 2),
        ("a span of one object, entered again", lambda: block(again), lambda: block(empty), 1),
        ("a decorated function", lambda: block(decorated), lambda: block(empty), 1),
        (
            "a span that blocks, beside block_until_ready",
            lambda: block(blocked),
            lambda: block(waited),
            1,
        ),
        ("a step of the clock, every=50", lambda: loop(True), lambda: loop(False), 1),
        ("jax.profiler.TraceAnnotation alone", lambda: block(annotation), lambda: block(empty), 1),
    ]
    print(f"JAX {jax.__version__}")
    print("| what | microseconds | groups |\n|---|---|---|")
    for name, ours, theirs, parts in rows:
        found = sorted(each / parts for each in difference(ours, theirs, rounds))
        middle = statistics.median(found)
        print(f"| {name} | {middle:.2f} | {found[0]:.2f} - {found[-1]:.2f} |")
    spans = jaxkit.timer.spans()
    print(f"{spans.count:,} spans recorded")


if __name__ == "__main__":
    main()
