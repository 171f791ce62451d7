"""How far back a compilation finds the one that explains it."""

from __future__ import annotations

import jax
import numpy as np

import jaxkit


def test_a_redefined_function_is_recognised_beyond_the_recent_shapes() -> None:
    sizes = range(3, 33)  # more than are kept to find the closest among

    def epoch() -> None:
        step = jax.jit(lambda x: x * 2)
        for size in sizes:
            step(np.ones(size, np.float32))

    with jaxkit.watch() as log:
        epoch()
        epoch()
    kinds = [event.kind for event in log.events]
    assert kinds == ["first"] + ["shape-change"] * 29 + ["function-redefined"] * 30
