"""`shard_map` and `sharding`: several devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from jaxkit.testing._subject import Subject, is_array, stack
from jaxkit.testing.laws._law import Bench, Law, attempt, broken, dynamic

__all__ = ["LAWS"]


def _mesh() -> Mesh:
    return Mesh(np.array(jax.devices()[:2]), ("d",))


def _shard_map(bench: Bench) -> None:
    for subject in bench.subjects[: 1 if bench.level == "quick" else None]:
        _each_shard(bench, subject)
    if not bench.own_subjects and bench.keeps_values:
        _around_shard_map(bench)
        _with_collective(bench)


def _each_shard(bench: Bench, subject: Subject) -> None:
    call, arrays = dynamic(bench.wrap(subject.fun), subject)
    rows = [arrays(0), arrays(1)]
    singles = [call(row) for row in rows]

    def local(columns: list[Any]) -> Any:
        out = call([column[0] for column in columns])
        return jax.tree_util.tree_map(lambda x: jnp.asarray(x)[None], out)

    spec = PartitionSpec("d")
    with attempt("under jax.shard_map it"):
        sharded = jax.shard_map(local, mesh=_mesh(), in_specs=(spec,), out_specs=spec)
        got = jax.jit(sharded)(stack(rows))
    want = jax.tree_util.tree_map(lambda *xs: np.stack([np.asarray(x) for x in xs]), *singles)
    bench.same(got, want, "under jax.shard_map")


def _around_shard_map(bench: Bench) -> None:
    def double(x: Any) -> Any:
        return x * 2.0

    spec = PartitionSpec("d")
    x = jnp.arange(4.0)
    sharded = jax.shard_map(double, mesh=_mesh(), in_specs=(spec,), out_specs=spec)
    with attempt("around a function under jax.shard_map it"):
        got = bench.wrap(sharded)(x)
    bench.same(got, bench.adapt(double)(x), "around a function under jax.shard_map")


def _with_collective(bench: Bench) -> None:
    if "of_value_and_grad" in bench.tags:
        return

    def centred(x: Any) -> Any:
        return x - jax.lax.pmean(x, "d")

    spec = PartitionSpec("d")
    x = jnp.asarray([1.0, 2.0, 5.0, 8.0])
    with attempt("under jax.shard_map with a collective in the function it"):
        fun = jax.shard_map(bench.wrap(centred), mesh=_mesh(), in_specs=(spec,), out_specs=spec)
        got = jax.jit(fun)(x)
    bench.same(got, np.array([-2.0, -3.0, 2.0, 3.0], np.float32), "with a collective")


def _sharding(bench: Bench) -> None:
    bench.own_functions()
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    placements: list[Any] = [NamedSharding(_mesh(), PartitionSpec("d"))]
    placements.append(SingleDeviceSharding(jax.devices()[1]))
    for placement in placements:
        x = jax.device_put(values, placement)
        _stays(bench, x, placement, jit=False)
        if bench.thorough() and "no_jit" not in bench.tags:
            _stays(bench, x, placement, jit=True)
    _stays_free(bench, jnp.asarray(values))


def _stays(bench: Bench, x: Any, placement: Any, *, jit: bool) -> None:
    arrived: list[Any] = []

    def double(x: Any) -> Any:
        if not isinstance(x, Tracer):
            arrived.append(x.sharding if is_array(x) and hasattr(x, "sharding") else type(x))
        return x * 2.0

    wrapped: Callable[..., Any] = bench.wrap(double)
    with attempt(f"with an array on {_place(placement)} it"):
        out = (jax.jit(wrapped) if jit else wrapped)(x)
    for found in arrived:
        if not _alike(found, placement, x.ndim):
            broken(f"an array on {_place(placement)} reached the function on {_place(found)}")
    for leaf in jax.tree_util.tree_leaves(out):
        if getattr(leaf, "shape", None) == x.shape:
            found = getattr(leaf, "sharding", type(leaf))
            if not _alike(found, placement, x.ndim):
                same = getattr(found, "device_set", None) == placement.device_set
                broken(f"a result on {_place(placement)} came back on {_place(found)}", weak=same)


def _stays_free(bench: Bench, x: Any) -> None:
    """What JAX may still move, because nobody has said where it is to be."""
    for leaf in jax.tree_util.tree_leaves(bench.wrap(lambda x: x * 2.0)(x)):
        if getattr(leaf, "shape", None) == x.shape and getattr(leaf, "committed", False):
            broken("a result that was bound to no device came back bound to one")


def _alike(found: Any, wanted: Any, ndim: int) -> bool:
    return not isinstance(found, type) and bool(found.is_equivalent_to(wanted, ndim))


def _place(sharding: Any) -> str:
    if isinstance(sharding, type):
        return f"no device, as {sharding.__module__}.{sharding.__name__}"
    devices = sorted(device.id for device in sharding.device_set)
    spec = getattr(sharding, "spec", None)
    return f"devices {devices}" + (f" as {tuple(spec)}" if spec is not None else "")


LAWS = (
    Law(
        "shard_map",
        "under jax.shard_map the wrapped function does for each shard what it does for one",
        _shard_map,
        free_by=frozenset({"no_shard_map", "no_jit"}),
        excused_by=("jit", "pure", "isolation"),
        devices=2,
    ),
    Law(
        "sharding",
        "arrays stay on their devices, sharded as they were",
        _sharding,
        free_by=frozenset({"changes_sharding", "changes_signature"}),
        devices=2,
    ),
)
