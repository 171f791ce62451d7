"""The program that attributes errors grows as the function does, and not by the square of it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxkit._jax import jaxprs
from jaxkit._jax.order import KEEPS_BARRIERS
from jaxkit._jax.x64 import with_x64
from jaxkit.numerics.precision.attribution import attribution_program
from jaxkit.numerics.precision.plan import plan_of


def unrolled(turns: int) -> Any:
    def fun(x):
        for _ in range(turns):
            x = x + 0.01 * jnp.sin(x)
        return x

    return fun


def size(turns: int) -> int:
    """How much XLA makes of it: the lines of the compiled program."""
    inputs = [jnp.linspace(0.0, 1.0, 100, dtype=jnp.float32)]
    closed = jaxprs.trace(unrolled(turns), tuple(inputs), {}).written
    with with_x64():
        program = jax.jit(attribution_program(closed, plan_of(closed, {}), 1e-30))
        return len(program.lower(inputs, 0).compile().as_text().splitlines())


# What is measured is what barriers do.
@pytest.mark.skipif(not KEEPS_BARRIERS, reason="the XLA of this jaxlib drops optimization barriers")
def test_twice_the_turns_are_twice_the_program() -> None:
    few, many = size(8), size(16)
    assert 1.5 < many / few < 2.5
