"""Eager control flow: the data, the bound, the body, and what derivatives make of it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit


def body(carry: Any, x: Any) -> tuple[Any, Any]:
    return carry + 1, x


def keep_going(carry: Any) -> Any:
    return carry.sum() < 3


def more(carry: Any) -> Any:
    return carry + 1


def less(carry: Any) -> Any:
    return carry - 1


def again(index: int, carry: Any) -> Any:
    return carry + index


def causes(log: Any, name: str) -> list[list[tuple[str, str | None]]]:
    return [
        [(cause.kind, cause.path) for cause in event.causes]
        for event in log.events
        if event.function.name == name
    ]


@pytest.mark.parametrize(
    ("name", "run", "path"),
    [
        ("scan", lambda x: jax.lax.scan(body, 0, x), "xs"),
        ("scan", lambda x: jax.lax.scan(body, x, None, length=2), "init"),
        ("while", lambda x: jax.lax.while_loop(keep_going, more, x), "init_val"),
        ("scan", lambda x: jax.lax.fori_loop(0, 2, again, x), "init_val"),
        ("cond", lambda x: jax.lax.cond(True, more, less, x), "operands[0]"),
        ("cond", lambda x: jax.lax.switch(1, [more, less], x), "operands[0]"),
    ],
)
def test_data_of_another_shape(name: str, run: Any, path: str) -> None:
    with jaxkit.watch() as log:
        for size in (3, 4):
            run(np.ones(size, np.float32))
    assert causes(log, name) == [[("first", None)], [("shape-change", path)]]


def test_a_length_without_data_is_a_static_value() -> None:
    with jaxkit.watch() as log:
        for length in (3, 4):
            jax.lax.scan(body, 0, None, length=length)
    assert causes(log, "scan") == [[("first", None)], [("static-arg-value", "length")]]


def test_a_derivative_taken_outside_jit_is_a_program_made_anew() -> None:
    def loss(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, v: (c + jnp.sin(v), None), 0.0, x)[0]

    with jaxkit.watch() as log:
        for _ in range(3):
            jax.grad(loss)(np.ones(3, np.float32))
    found = log.report().findings
    assert {finding.kind for finding in found if finding.severity == "warning"} == {
        "control-flow-closure"
    }
    assert all("Jaxpr" not in finding.message for finding in found)
