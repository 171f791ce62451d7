"""Two things measured alternately, and the ratio of their medians with its spread."""

from __future__ import annotations

import dataclasses
import gc
import random
import statistics
import time
from collections.abc import Callable, Sequence


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Seconds of two sides, taken in pairs.

    Attributes:
      ours: seconds of each of our blocks.
      theirs: seconds of the block that stood beside it.
    """

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratio(self) -> float:
        """Ratio of the medians."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def difference(self) -> float:
        """Difference of the medians, in seconds."""
        return statistics.median(self.ours) - statistics.median(self.theirs)

    def interval(self, statistic: Callable[[Comparison], float]) -> tuple[float, float]:
        """Where 95% of a statistic lie when pairs are drawn again (bootstrap, 400 draws)."""
        rng = random.Random(0)
        count = len(self.ours)
        found: list[float] = []
        for _ in range(400):
            drawn = [rng.randrange(count) for _ in range(count)]
            again = Comparison([self.ours[i] for i in drawn], [self.theirs[i] for i in drawn])
            found.append(statistic(again))
        found.sort()
        return found[10], found[-11]


def compare(
    ours: Callable[[], float], theirs: Callable[[], float], *, pairs: int, collect: bool = True
) -> Comparison:
    """Runs both sides `pairs` times, which of them first being drawn by lot each time.

    Args:
      ours: returns the seconds that its timed part took.
      theirs: likewise, of what it is compared with.
      pairs: how many pairs of blocks.
      collect: whether garbage is collected meanwhile, as it would be in a program.
    """
    rng = random.Random(1)
    times: tuple[list[float], list[float]] = ([], [])
    was_on = gc.isenabled()
    if not collect:
        gc.disable()
    try:
        for _ in range(pairs):
            for side in rng.sample((0, 1), 2):
                times[side].append((ours, theirs)[side]())
    finally:
        if was_on:
            gc.enable()
    return Comparison(*times)


def seconds_of(
    block: Callable[[], object], *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """How long a block took, by a clock."""
    start = clock()
    block()
    return clock() - start
