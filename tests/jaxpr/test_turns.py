"""A rule is told when a turn of a loop begins, and before the first and after the last."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxkit.jaxpr import Rule, with_state


class Turns(Rule):
    """For two depths of loops: the turns begun in all, and how often `turn` was told of none."""

    def start(self) -> Any:
        return jnp.zeros((2, 2), jnp.int32)

    def turn(self, state: Any, loops: int, *, begins: bool) -> Any:
        return state.at[loops - 1, 0 if begins else 1].add(1)


def test_scans_count_their_turns_by_depth() -> None:
    def nested(x):
        def outer(carry, _):
            return jax.lax.fori_loop(0, 4, lambda i, y: y * 2.0, carry), None

        return jax.lax.scan(outer, x, None, length=3)[0]

    result, turns = with_state(nested, Turns())(1.0)
    assert float(result) == 2.0**12
    assert turns.tolist() == [[3, 2], [12, 6]]


def test_a_while_counts_the_turns_that_ran() -> None:
    def doubled(x):
        return jax.lax.while_loop(lambda y: y < 100.0, lambda y: y * 2.0, x)

    result, turns = with_state(doubled, Turns())(1.0)
    assert float(result) == 128.0
    assert turns.tolist() == [[7, 2], [0, 0]]
