"""`shadow` of functions that run on several devices: it names lines inside, sound ones pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh, PartitionSpec

import jaxkit

MESH = Mesh(np.array(jax.devices()[:4]), ("i",))
SPLIT, EQUAL = PartitionSpec("i"), PartitionSpec()
FAR = jnp.asarray(np.random.default_rng(0).normal(size=4096) + 3000, jnp.float32)
NEAR = FAR - 3000


def over_devices(body: Any, out: Any = EQUAL) -> Any:
    return jax.shard_map(body, mesh=MESH, in_specs=SPLIT, out_specs=out)


def by_moments(x: jax.Array) -> jax.Array:
    square = lax.pmean((x * x).mean(), "i")
    mean = lax.pmean(x.mean(), "i")
    return square - mean**2  # <-


def by_distance(x: jax.Array) -> jax.Array:
    mean = lax.pmean(x.mean(), "i")
    return lax.pmean(((x - mean) ** 2).mean(), "i")


def loss(x: jax.Array) -> jax.Array:
    return jnp.sqrt(over_devices(by_moments)(x))


def told(report: Any) -> list[tuple[str, str]]:
    found = [f for f in report.findings if f.severity != "info"]
    lines = Path(__file__).read_text("utf-8").splitlines()
    return [(f.kind, lines[f.where.line - 1].strip()) for f in found]


@pytest.mark.parametrize(
    "function",
    [over_devices(by_moments), jax.jit(over_devices(by_moments)), loss, jax.grad(loss)],
    ids=["shard_map", "jit", "inside", "grad"],
)
def test_the_line_inside_is_named(function: Any) -> None:
    [(kind, line)] = told(jaxkit.shadow(function)(FAR))[:1]
    assert (kind, line) == ("cancellation", "return square - mean**2  # <-")


def test_pmap_too() -> None:
    report = jaxkit.shadow(jax.pmap(by_moments, axis_name="i"))(FAR.reshape(4, -1))
    assert told(report)[0] == ("cancellation", "return square - mean**2  # <-")


@pytest.mark.parametrize("x", [FAR, NEAR], ids=["far", "near"])
def test_the_sound_twin_passes(x: jax.Array) -> None:
    assert not told(jaxkit.shadow(over_devices(by_distance))(x))
    assert not told(jaxkit.shadow(jax.grad(over_devices(by_distance)))(x))


def together(x: jax.Array) -> jax.Array:
    everyone = lax.all_gather(x, "i")
    mine = lax.psum_scatter(everyone, "i") / 4
    swapped = lax.all_to_all(everyone, "i", 0, 0).mean(0)
    shifted = lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 3), (3, 0)])
    top = lax.pmax(x.max(), "i") - lax.pmin(x.min(), "i")
    return jnp.tanh(mine + swapped + shifted + 0 * top)


def test_every_collective_has_its_shadow() -> None:
    assert not told(jaxkit.shadow(over_devices(together, SPLIT))(NEAR))
    worse = over_devices(lambda x: together(x) + by_moments(x + 3000), SPLIT)
    assert told(jaxkit.shadow(worse)(NEAR))[0] == ("cancellation", "return square - mean**2  # <-")


def span(x: jax.Array) -> jax.Array:
    top = lax.pmax(x.max(), "i")
    return (top + 1e-4) - top  # <-


def test_the_most_of_all_devices() -> None:
    [(kind, line)] = told(jaxkit.shadow(over_devices(span))(FAR))[:1]
    assert kind in ("absorption", "cancellation")
    assert line == "return (top + 1e-4) - top  # <-"


def halved(x: jax.Array) -> jax.Array:
    """Turns as often as the device's own values need."""

    def turn(x: jax.Array) -> jax.Array:
        return x / 2

    return lax.while_loop(lambda x: jnp.abs(x).max() > 1, turn, x)


def test_loops_that_turn_apart_on_each_device() -> None:
    x = jnp.arange(1.0, 4097.0)
    body = over_devices(halved, SPLIT)
    assert not told(jaxkit.shadow(body)(x))
    lost = over_devices(lambda x: (halved(x) + 100 * x.max()) - 100 * x.max(), SPLIT)
    assert told(jaxkit.shadow(lost)(x))[0][0] in ("absorption", "cancellation")


def test_the_numbers_are_those_of_one_device() -> None:
    """Of the device on which they are furthest off: not a mixture of several."""

    def body(x: jax.Array) -> jax.Array:
        big = jnp.where(lax.axis_index("i") == 2, 1e6, 1.0).astype(x.dtype)
        return (x + big) - big

    finding = jaxkit.shadow(over_devices(body, SPLIT))(NEAR).findings[0]
    assert max(abs(n) for n in finding.data["operands"]) == pytest.approx(1e6, rel=1e-4)


def test_nothing_is_called_twice() -> None:
    calls: list[float] = []

    def body(x: jax.Array) -> jax.Array:
        seen = jax.experimental.io_callback(
            lambda v: calls.append(float(v)) or np.float32(v), jnp.float32(0), x.sum()
        )
        return x + seen

    report = jaxkit.shadow(over_devices(body, SPLIT))(NEAR)
    assert len(calls) == 4
    assert not told(report)  # each device's shadow had what that device was given


def test_nan_origin_names_a_number_that_a_device_had() -> None:
    body = over_devices(lambda x: jnp.log(x), SPLIT)
    finding = jaxkit.nan_origin(body)(jnp.arange(16.0) - 1).findings[0]
    assert "log(-1) = nan" in finding.message
    late = over_devices(lambda x: 1 / (x - 7), SPLIT)
    assert "div(1, 0) = inf" in jaxkit.nan_origin(late)(jnp.arange(16.0)).findings[0].message
