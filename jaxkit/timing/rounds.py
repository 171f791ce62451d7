"""The protocol: short blocks of all sides in turns, in an order that is drawn anew each round."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jaxkit.timing import block
from jaxkit.timing.clock import Budget, quiet
from jaxkit.timing.statistics import Floats
from jaxkit.timing.subject import Subject

__all__ = ["MIN_ROUNDS", "Samples", "measure"]

MIN_ROUNDS = 60
_MOST_ROUNDS = 20_000
_ALIKE = 4.0  # sides that are not further apart get the same number of calls in a block
_LONG = 0.05  # seconds: longer than threads spin for more work
_COLLECT = 0.1  # seconds after which garbage is collected, between two rounds
_LOOKS = (3, 6, 12, 24, 48)  # rounds after which the size of blocks is looked at again
_MISTAKEN = 4.0  # times as fast as the first calls: something else was in their way


@dataclass
class Samples:
    """Seconds of a call, of each side, round by round.

    Attributes:
        seconds: Of each side, one figure a round.
        compiled: Of each side, the rounds in which something was compiled.
        inner: Of each side, the calls in a block.
        interrupted: By Ctrl-C, before it was done.
    """

    seconds: list[list[float]]
    compiled: list[list[int]]
    inner: list[int]
    interrupted: bool = False
    out_of_time: bool = False

    @property
    def rounds(self) -> int:
        """How many rounds are whole."""
        return min((len(side) for side in self.seconds), default=0)

    def clean(self, side: int) -> Floats:
        """A side's samples without those in which something was compiled, if enough are left."""
        values = np.array(self.seconds[side][: self.rounds])
        dirty = {n for n in self.compiled[side] if n < len(values)}
        if not dirty or len(dirty) * 2 > len(values):
            return values
        return np.delete(values, sorted(dirty))

    def paired(self, side: int, other: int) -> tuple[Floats, Floats]:
        """Both sides of the rounds that are clean on both."""
        count = self.rounds
        dirty = {n for each in (side, other) for n in self.compiled[each] if n < count}
        kept = [n for n in range(count) if n not in dirty]
        if len(kept) * 2 < count:
            kept = list(range(count))
        return np.array(self.seconds[side])[kept], np.array(self.seconds[other])[kept]


def calls_a_block(subjects: Sequence[Subject]) -> list[int]:
    """How many calls each side's block has: the same where speeds are alike.

    Args:
        subjects: The sides.
    """
    times = [subject.estimate for subject in subjects]
    if max(times) > _ALIKE * min(times):
        return [subject.inner() for subject in subjects]
    middle = float(np.exp(np.mean(np.log(np.maximum(times, 1e-9)))))
    return [min(subject.inner(middle) for subject in subjects)] * len(times)


def measure(
    subjects: Sequence[Subject],
    budget: Budget,
    *,
    min_seconds: float,
    done: Callable[[Samples], bool],
    tell: Callable[[float], None] = lambda share: None,
) -> Samples:
    """Takes samples until they say enough, or time is up.

    Args:
        subjects: The sides, warm.
        budget: What is left of the time.
        min_seconds: Seconds that are measured at least, where the budget has them.
        done: Whether the samples say enough; asked now and then.
        tell: Is told how much of the time has gone.
    """
    samples = Samples([[] for _ in subjects], [[] for _ in subjects], calls_a_block(subjects))
    end = time.perf_counter() + max(budget.left, 0.2 * budget.seconds)
    begin = collected = asked = time.perf_counter()
    rng = random.Random(0)
    apart = len(subjects) > 1 and not all(subject.facts.uses_jax for subject in subjects)
    if any(subject.interrupted for subject in subjects):
        samples.interrupted = True
        return samples
    if not budget.allows(sum(s.estimate * n for s, n in zip(subjects, samples.inner, strict=True))):
        samples.out_of_time = True
        return samples
    try:
        with quiet():
            while samples.rounds < _MOST_ROUNDS:
                _round(subjects, samples, rng, apart=apart)
                now = time.perf_counter()
                if now + (now - begin) / samples.rounds > end:
                    samples.out_of_time = True
                    break
                if samples.rounds in _LOOKS and mistaken(subjects, samples):
                    blocks = calls_a_block(subjects)
                    samples = Samples([[] for _ in subjects], [[] for _ in subjects], blocks)
                    begin = now
                    continue
                if now - collected > _COLLECT:
                    gc.collect(1)
                    tell((now - begin) / (end - begin))
                    collected = time.perf_counter()
                if now - asked > min_seconds / 4 and now - begin > min_seconds:
                    asked = now
                    if samples.rounds >= MIN_ROUNDS and done(samples):
                        break
    except KeyboardInterrupt:
        samples.interrupted = True
    return samples


def mistaken(subjects: Sequence[Subject], samples: Samples) -> bool:
    """Whether calls are much shorter than the first ones were, and longer blocks are possible.

    On a busy machine another process may get in the way of each of the few calls that a function is
    warm after. The estimates are then put right.

    Args:
        subjects: The sides.
        samples: Of a few rounds.
    """
    found = False
    if any(samples.compiled):
        return found
    for subject, seconds, count in zip(subjects, samples.seconds, samples.inner, strict=True):
        middle = float(np.median(seconds))
        if middle * _MISTAKEN < subject.estimate and subject.inner(middle) > count:
            subject.estimate, found = middle, True
    return found


def _round(
    subjects: Sequence[Subject], samples: Samples, rng: random.Random, *, apart: bool
) -> None:
    """One block of each side.

    Args:
        subjects: The sides.
        samples: Where the seconds go.
        rng: Draws the order.
        apart: Whether libraries take turns whose threads go on spinning for a while, in the way of
            the next one's (OpenBLAS, OpenMP): each block then begins on an idle machine, warm.
    """
    order = list(range(len(subjects)))
    rng.shuffle(order)
    for side in order:
        subject, count = subjects[side], samples.inner[side]
        if apart and subject.estimate < _LONG:
            block.dropped_work(_LONG)
            subject.run(1)
        known = subject.heard.count
        seconds = subject.run(count) / count
        if subject.heard.count > known:
            subject.facts.event = subject.heard.events[-1]
            samples.compiled[side].append(len(samples.seconds[side]))
        samples.seconds[side].append(seconds)
