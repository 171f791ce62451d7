"""How far back a compilation finds the one that explains it."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import jaxkit
from jaxkit.compiles.cause import explain
from jaxkit.compiles.event import CompileEvent, Function, Signature
from jaxkit.compiles.leaf import Leaf


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


def compiled(leaves: int, sizes: dict[int, int]) -> CompileEvent:
    """An event with so many arguments, all f32[1] but those of the given sizes."""
    signature = Signature(
        tuple(Leaf(f"x[{i}]", "array", f"f32[{sizes.get(i, 1)}]") for i in range(leaves))
    )
    return CompileEvent(
        index=0,
        process=1,
        thread="MainThread",
        time=0.0,
        outcome="compiled",
        function=Function("f", id="#1"),
        call_site=None,
        via="jit",
        stages=("compile",),
        seconds={},
        signature=signature,
    )


@pytest.mark.parametrize(
    ("leaves", "place", "found"),
    [
        (300, 12, True),  # few enough leaves: all 24 earlier ones are compared
        (3_000, 12, False),  # too many: one in the middle is passed over,
        (3_000, 3, True),  # one of the four oldest is not,
        (3_000, 20, True),  # nor one of the four latest
        (3_000, 4, False),
        (3_000, 19, False),
    ],
)
def test_large_arguments_are_compared_with_fewer(leaves: int, place: int, found: bool) -> None:
    far = {0: 2, 1: 2, 2: 2}
    earlier = [compiled(leaves, far) for _ in range(24)]
    earlier[place] = compiled(leaves, {0: 2})
    causes = explain(compiled(leaves, {}), earlier)
    assert len(causes) == (1 if found else 3)
