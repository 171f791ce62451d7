"""What watching costs: cached calls, compilations, a single event, the start of a program.

Both sides of each figure are measured alternately in small blocks, because the speed of a shared
machine drifts by more than what is to be seen. A figure is the ratio of the two medians (or
their difference), with the interval that 95% of bootstrap draws fall into.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import programs
from interleave import Comparison, compare, seconds_of

from jaxkit.compiles.log import CompileLog
from jaxkit.compiles.recorder import RECORDER

CALLS = 20_000
LEAVES = 1_000


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    figure: str
    spread: str
    target: str
    met: bool


def ratio_row(what: str, found: Comparison, limit: float) -> Row:
    """A ratio of medians against its limit."""
    low, high = found.interval(lambda pair: pair.ratio)
    return Row(
        what, f"{found.ratio:.4f}", f"{low:.4f} - {high:.4f}", f"<= {limit}", found.ratio <= limit
    )


@contextlib.contextmanager
def listening(log: CompileLog) -> Iterator[None]:
    """One log, open for a while again and again: `watch` would begin a new one each time."""
    RECORDER.add(log)
    try:
        yield
    finally:
        RECORDER.remove(log)


def cached_calls(what: str, argument: Any, *, block: int, calls: int) -> Row:
    """Calls that hit JAX's cache, watched against unwatched."""
    step = jax.jit(lambda tree: jax.tree.leaves(tree)[0] + 1)

    def run() -> float:
        step(argument).block_until_ready()
        start = time.perf_counter()
        for _ in range(block):
            result = step(argument)
        result.block_until_ready()
        return time.perf_counter() - start

    log = CompileLog()

    def watched() -> float:
        with listening(log):
            return run()

    watched()
    found = compare(watched, run, pairs=calls // block, collect=False)
    assert len(log.events) == 1, "a call was compiled again"
    return ratio_row(f"{calls:,} cached calls, {what}", found, 1.01)


def compile_heavy(pairs: int, clock: Callable[[], float], what: str) -> Row:
    """A fresh function a block, of three shapes, recorded to a file as `jaxkit run` does.

    Blocks are short so that both sides see the same machine. Its processor time tells the same
    with less noise, where others use the machine as well.
    """
    arguments = [np.ones((rows, 8), np.float32) for rows in (4, 8, 16)]
    numbers = itertools.count()

    def run() -> float:
        function = programs.fresh_function(next(numbers))
        return seconds_of(lambda: [function(x) for x in arguments], clock=clock)

    with tempfile.TemporaryDirectory() as folder:
        log = CompileLog(jsonl=Path(folder) / "events.jsonl")

        def watched() -> float:
            with listening(log):
                return run()

        run()
        found = compare(watched, run, pairs=pairs)
        log.close()
    assert log.groups.compiles >= 3 * pairs
    return ratio_row(f"{6 * pairs:,} small compilations, {what}", found, 1.02)


@contextlib.contextmanager
def timed_listeners() -> Iterator[list[float]]:
    """The seconds of processor time that each call of one of our listeners takes."""
    spent: list[float] = []

    def timed(listener: Callable[..., None]) -> Callable[..., None]:
        def listen(*args: Any, **kwargs: Any) -> None:
            spent.append(seconds_of(lambda: listener(*args, **kwargs), clock=time.thread_time))

        return listen

    listeners = RECORDER._listeners
    kept = listeners._begin, listeners._end, listeners._event
    listeners._begin, listeners._end, listeners._event = map(timed, kept)
    try:
        yield spent
    finally:
        listeners._begin, listeners._end, listeners._event = kept


def one_event(what: str, tree: Any, wrap: Callable[..., Any], events: int) -> Row:
    """Seconds in our listeners for one compilation with an argument of 1,000 leaves.

    The figure is that of the quietest tenth: what others do on the machine only adds to it.
    """
    costs: list[float] = []
    with timed_listeners() as spent, listening(CompileLog()):
        step = wrap(lambda tree, x: jax.tree.leaves(tree)[0][0] + x.sum())
        for size in range(1, events + 2):
            spent.clear()
            step(tree, np.ones(size, np.float32))
            costs.append(sum(spent))
    first, later = costs[0] * 1e3, [cost * 1e3 for cost in costs[1:]]
    tenths = statistics.quantiles(later, n=10)
    figure, spread = (
        f"{tenths[0]:.2f} ms",
        f"{min(later):.2f} - {tenths[-1]:.2f} (first {first:.1f})",
    )
    return Row(f"an event, {LEAVES:,} leaves, {what}", figure, spread, "< 2 ms", tenths[0] < 2)


def share_of_compile_time(events: int) -> Row:
    """Seconds in our listeners against all that a compilation of a small train step takes."""
    shares: list[float] = []
    with timed_listeners() as spent, listening(CompileLog()):
        for number in range(events):
            step, arguments = programs.fresh_step(), programs.step_arguments(8 + number)
            spent.clear()
            whole = seconds_of(lambda: jax.block_until_ready(step(*arguments)))  # noqa: B023
            shares.append(100 * sum(spent) / whole)
    middle = statistics.median(shares)
    low, _, high = statistics.quantiles(shares, n=4)
    return Row(
        "a train step's event, share of its compile time",
        f"{middle:.2f} %",
        f"{low:.2f} - {high:.2f}",
        "< 1 %",
        middle < 1,
    )


def _process(*command: str) -> Callable[[], float]:
    """Runs a command of this Python and returns its seconds."""
    line = [sys.executable, *command]
    return lambda: seconds_of(lambda: subprocess.run(line, check=True, capture_output=True))


def start_of_python(pairs: int) -> Row:
    """`import jaxkit` against an empty program."""
    found = compare(_process("-c", "import jaxkit"), _process("-c", "pass"), pairs=pairs)
    low, high = found.interval(lambda pair: pair.difference)
    return Row(
        "import jaxkit, beyond python -c pass",
        f"{found.difference * 1e3:.1f} ms",
        f"{low * 1e3:.1f} - {high * 1e3:.1f}",
        "< 60 ms",
        found.difference < 0.06,
    )


def start_of_run(pairs: int) -> Row:
    """`jaxkit run` of a script that only imports JAX, against `python` of it."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "empty.py"
        script.write_text("import jax\n", encoding="utf-8")
        ours = _process("-m", "jaxkit", "run", str(script))
        found = compare(ours, _process(str(script)), pairs=pairs)
    return ratio_row("jaxkit run of an empty JAX script", found, 1.1)


def measure(quick: bool) -> Iterator[Row]:
    """All rows, one after the other."""
    part = 10 if quick else 1
    one, tree = np.float32(1) + jax.numpy.zeros(8), programs.flat_tree(LEAVES)
    yield cached_calls("one array", one, block=20, calls=CALLS // part)
    yield cached_calls(f"{LEAVES:,} leaves", tree, block=10, calls=CALLS // part)
    for clock, name in ((time.perf_counter, "wall"), (time.process_time, "processor")):
        yield compile_heavy(30 if quick else 300, clock, f"{name} time")
    events = 20 if quick else 40
    yield one_event("a dict", tree, jax.jit, events)
    yield one_event("a dict, on a device", programs.committed_tree(LEAVES), jax.jit, events)
    yield one_event("dicts in lists", programs.nested_tree(LEAVES), jax.jit, events)
    yield one_event("Equinox modules", programs.equinox_tree(LEAVES), eqx.filter_jit, events)
    yield share_of_compile_time(events)
    yield start_of_python(5 if quick else 25)
    yield start_of_run(3 if quick else 15)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of it, in half a minute")
    quick = parser.parse_args().quick
    print(f"Python {platform.python_version()}, JAX {jax.__version__}, {platform.machine()}")
    line = "{:<50} {:>9}  {:<26} {:<8} {}".format
    print(line("what", "figure", "spread", "target", ""))
    missed = 0
    for row in measure(quick):
        missed += not row.met
        print(line(row.what, row.figure, row.spread, row.target, "" if row.met else "missed"))
    print(f"{missed} missed" if missed else "all met")


if __name__ == "__main__":
    main()
