"""Seconds as a shared machine gives them, with a truth that is known."""

from __future__ import annotations

import numpy as np


def noise(rng: np.random.Generator, rounds: int, *, phases: bool = True) -> np.ndarray:
    """What calls take beyond 1, round by round: jitter, interruptions, and phases of other load.

    Other programs only add: the least that a call takes is 1.
    """
    jitter = rng.gamma(2.0, 0.02, rounds)
    interrupted = (rng.random(rounds) < 0.15) * rng.pareto(1.5, rounds)
    busy = np.cumsum(rng.random(rounds) < 6 / rounds) % 2  # about three phases of load
    return jitter + interrupted + phases * busy * rng.gamma(1.0, 0.3, rounds)


def one(rng: np.random.Generator, rounds: int, *, phases: bool = True) -> np.ndarray:
    return 1 + noise(rng, rounds, phases=phases)


def pair(
    rng: np.random.Generator, rounds: int, *, ratio: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Two sides in turns: the phases of load are the same, interruptions each side's own."""
    busy = np.cumsum(rng.random(rounds) < 6 / rounds) % 2
    sides = [
        1
        + rng.gamma(2.0, 0.02, rounds)
        + (rng.random(rounds) < 0.15) * rng.pareto(1.5, rounds)
        + busy * rng.gamma(1.0, 0.3, rounds)
        for _ in range(2)
    ]
    return ratio * sides[0], sides[1]
