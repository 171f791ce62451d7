"""Which way of comparing two functions gives the right verdict, on this machine, with its noise.

    python benchmarks/timing_protocol.py --pairs 200                 all of it, about an hour
    python benchmarks/timing_protocol.py --pairs 20 --truths 1.0 --jsonl aa.jsonl     in parts,
    python benchmarks/timing_protocol.py --summary aa.jsonl more.jsonl                added up

Each trial makes two functions anew, of which the second does exactly `truth` times the work of the
first, and asks each rule, in an order that is drawn, with the same seconds for each.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import random
import statistics
import time
import timeit
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp

import jaxkit

TRUTHS = (1.0, 1.05, 1.2)
LAYERS = 20  # 5% more is one layer more
CLEAR = 0.02  # what the other rules, which have no interval, take for a difference

Call = Callable[[], object]


def elementwise(layers: int) -> Call:
    """About 0.1 ms: many small operations in one program."""
    x = jnp.linspace(0.0, 1.0, 4096)
    return made(lambda x, _: (jnp.sin(x) + 0.1, None), layers, x)


def products(layers: int) -> Call:
    """About 1 ms: products of matrices."""
    x = jnp.full((128, 128), 1e-3)
    return made(lambda x, _: (jnp.tanh(x @ x), None), layers, x)


def memory(layers: int) -> Call:
    """About 10 ms: more than the caches hold."""
    x = jnp.ones(1_000_000)
    return made(lambda x, _: (x[::-1] * 1.0001, None), layers, x)


def made(body: Callable[..., object], layers: int, x: jax.Array) -> Call:
    """A function of no argument that runs the body so many times, compiled."""
    run = jax.jit(lambda x: jax.lax.scan(body, x, length=layers)[0])  # type: ignore[arg-type]
    jax.block_until_ready(run(x))
    return lambda: jax.block_until_ready(run(x))


WORKLOADS = (elementwise, products, memory)


def by_jaxkit(first: Call, second: Call, seconds: float) -> str:
    """What this package says."""
    functions = {"first": first, "second": second}
    found = jaxkit.compare(functions, max_seconds=seconds, min_seconds=seconds / 2)()
    return found["second"].verdict


def by_timeit(first: Call, second: Call, seconds: float) -> str:
    """`python -m timeit`: autorange to 0.2 s or what there is, five repeats, the best."""

    def best(call: Call) -> float:
        timer = timeit.Timer(call)
        one = max(min(timer.repeat(3, 1)), 1e-6)
        number = max(int(seconds / 2 / 5 / one), 1)
        return min(timer.repeat(5, number)) / number

    return clear(best(first), best(second))


def by_mean(first: Call, second: Call, seconds: float) -> str:
    """A loop around each, one after the other, and the mean."""

    def mean(call: Call) -> float:
        return statistics.fmean(until(call, seconds / 2))

    return clear(mean(first), mean(second))


def by_pytest_benchmark(first: Call, second: Call, seconds: float) -> str:
    """The defaults of pytest-benchmark 5, written down: rounds until time is up, at least five.

    Each function by itself, garbage collection on; the table is sorted by the minimum.
    """

    def least(call: Call) -> float:
        return min(until(call, seconds / 2, at_least=5))

    return clear(least(first), least(second))


RULES = {
    "jaxkit.compare": by_jaxkit,
    "timeit, best of 5": by_timeit,
    "plain mean": by_mean,
    "pytest-benchmark, min": by_pytest_benchmark,
}


def until(call: Call, seconds: float, *, at_least: int = 1) -> list[float]:
    """Seconds of each call."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < at_least or time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return times


def clear(first: float, second: float) -> str:
    """The verdict of a rule that has two numbers and no interval."""
    ratio = second / first
    return "slower" if ratio > 1 + CLEAR else "faster" if ratio < 1 - CLEAR else "same"


def trials(
    truths: list[float], pairs: int, seconds: float, seed: int, rules: list[str]
) -> Iterator[dict]:
    """One verdict after the other."""
    rng = random.Random(seed)
    for number, truth in itertools.product(range(pairs), truths):
        workload = WORKLOADS[number % len(WORKLOADS)]
        first, second = workload(LAYERS), workload(round(LAYERS * truth))
        for name in rng.sample(rules, len(rules)):
            gc.collect()
            verdict = RULES[name](first, second, seconds)
            yield {"truth": truth, "workload": workload.__name__, "rule": name, "verdict": verdict}


def summary(found: list[dict]) -> str:
    """The shares of verdicts, for each truth and rule."""
    lines = [
        "| truth | rule | trials | faster | same | undecided | slower |",
        "|---|---|---|---|---|---|---|",
    ]
    truths = sorted({each["truth"] for each in found})
    for truth, rule in itertools.product(truths, RULES):
        counts = Counter(
            each["verdict"] for each in found if (each["truth"], each["rule"]) == (truth, rule)
        )
        total = counts.total()
        if total:
            kinds = ("faster", "same", "undecided", "slower")
            shares = " | ".join(f"{counts[kind] / total:.3f}" for kind in kinds)
            lines.append(f"| {truth:g} | {rule} | {total} | {shares} |")
    return "\n".join(lines)


def main() -> None:
    """Reads the command line, runs the trials and prints their table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200, help="trials of each truth")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each rule and trial")
    parser.add_argument("--truths", type=float, nargs="+", default=list(TRUTHS))
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jsonl", type=Path, help="add each verdict to this file")
    parser.add_argument("--summary", type=Path, nargs="+", help="only add up these files")
    given = parser.parse_args()
    found: list[dict] = []
    if given.summary:
        for path in given.summary:
            found += [json.loads(line) for line in path.read_text().splitlines()]
    else:
        for each in trials(given.truths, given.pairs, given.seconds, given.seed, given.rules):
            found.append(each)
            if given.jsonl:
                with given.jsonl.open("a") as file:
                    file.write(json.dumps(each) + "\n")
    print(summary(found))


if __name__ == "__main__":
    main()
