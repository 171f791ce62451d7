"""What a decision that goes another way in double precision was about; numbers by NumPy."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh, PartitionSpec

import jaxkit
from jaxkit.numerics.precision.findings import apart

F32 = np.float32


def the_finding(fun: Any, *args: Any) -> Any:
    [finding] = [f for f in jaxkit.shadow(fun)(*args).findings if f.severity != "info"]
    assert finding.kind == "branch-divergence"
    assert len(finding.data["operands"]) == len(finding.data["operands_in_double"])
    return finding


def at_the_limit(payments: Any, limit: Any) -> Any:
    total = lax.fori_loop(0, 6, lambda i, paid: paid + payments[i], jnp.zeros_like(limit))
    return lax.cond(total >= limit, lambda t: 1.5 * t, lambda t: t, total)


def test_a_comparison_says_what_it_compares() -> None:
    total = F32(0)
    for _ in range(6):
        total += F32(0.1)
    exact, limit = 6 * float(F32(0.1)), F32(0.6)
    assert float(total) >= float(limit) > exact
    finding = the_finding(at_the_limit, np.full(6, 0.1, F32), limit)
    assert finding.data["operands"] == (total, limit)
    assert finding.data["operands_in_double"] == pytest.approx((exact, float(limit)), rel=1e-15)
    assert finding.message.startswith(
        "ge of 0.600000024 and 0.600000024 decides otherwise in double precision, which has "
        "0.600000009 and 0.600000024: output is off by "
    )


def test_the_condition_of_a_loop_is_that_of_the_turn() -> None:
    def integrate_until(end: Any, dt: Any) -> Any:
        start = jnp.zeros_like(dt), jnp.ones_like(dt)
        return lax.while_loop(
            lambda now: now[0] < end, lambda now: (now[0] + dt, now[1] - dt * now[1]), start
        )[1]

    time, exact, dt = F32(0), 0.0, F32(0.05)
    while (time < F32(2)) == (exact < 2):
        time, exact = time + dt, exact + float(dt)
    finding = the_finding(integrate_until, F32(2), dt)
    assert finding.data["operands"] == (time, 2)
    assert finding.data["operands_in_double"] == pytest.approx((exact, 2), rel=1e-15)


TABLE = np.arange(16, dtype=F32) + 1


def cell(x: Any) -> Any:
    return jnp.asarray(TABLE)[jnp.floor(x / WIDTH).astype(int)]


EDGES, WIDTH = (np.array([1.5, 5, 6.5, 7, 9, 10, 14, 15]) * 0.1).astype(F32), F32(0.1)
HERE = EDGES / WIDTH
THERE = EDGES.astype(np.float64) / float(WIDTH)
OTHERS = np.flatnonzero(np.floor(HERE) != np.floor(THERE))


def test_of_many_elements_the_first_that_differs() -> None:
    first = OTHERS[0]
    assert first > 0
    finding = the_finding(cell, EDGES)
    assert finding.data["elements"] == len(OTHERS)
    assert f"(one of {len(OTHERS)} elements that differ): " in finding.message
    assert finding.data["operands"] == (HERE[first],)
    assert finding.data["operands_in_double"] == pytest.approx((THERE[first],), rel=1e-15)


def test_of_several_devices_those_of_one() -> None:
    mesh = Mesh(np.array(jax.devices()[:4]), ("i",))
    split = PartitionSpec("i")
    mapped = jax.shard_map(cell, mesh=mesh, in_specs=split, out_specs=split)
    assert len({n // 2 for n in OTHERS}) > 1
    finding = the_finding(mapped, EDGES)
    assert finding.data["elements"] == len(OTHERS)
    assert finding.data["operands"][0] in HERE[OTHERS]


def test_a_choice_among_many_has_no_two_operands() -> None:
    def best(x: Any, table: Any) -> Any:
        return table[jnp.argmax(jnp.stack([x[0] * 3, x[1]]))]

    x = np.array([0.07, F32(0.07) * F32(3)], F32)
    assert float(x[1]) > float(x[0]) * 3
    finding = the_finding(best, x, np.array([1, 2], F32))
    assert finding.data["operands"] == finding.data["operands_in_double"] == ()
    assert finding.message.startswith("argmax decides otherwise in double precision: ")


@pytest.mark.parametrize(
    ("here", "there", "texts"),
    [
        (1.0, 1.0, ("1", "1")),
        (0.1, 0.1, ("0.1", "0.1")),
        (1.0, 1.0 + 1e-8, ("1", "1.00000001")),
        (1.0, 1.0 + 1e-9, ("1", "1.000000001")),
        (2.0, math.nextafter(2.0, 3.0), ("2", "2.0000000000000004")),
        (math.inf, 1e39, ("inf", "1e+39")),
    ],
)
def test_digits_enough_to_see_the_difference(
    here: float, there: float, texts: tuple[str, str]
) -> None:
    assert apart(here, there) == texts
