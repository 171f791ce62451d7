"""One function run in all the ways in which JAX can run it; each gives what a plain call gives.

As chex.variants does (with and without jit, with and without device, pmap), and vmap, scan,
shard_map and disabled jit beside them. A variant takes arrays only and is made once, outside of
what Hypothesis repeats.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

Function = Callable[..., Any]


def mesh() -> Mesh:
    devices = jax.devices()
    assert len(devices) > 1, "one device would test nothing"
    return Mesh(np.array(devices), ("i",))


def without_jit(fun: Function) -> Function:
    return fun


def with_jit(fun: Function) -> Function:
    return jax.jit(fun)


def with_device(fun: Function) -> Function:
    jitted = jax.jit(fun)
    return lambda *args: jitted(*jax.device_put(args, jax.devices()[1]))


def without_device(fun: Function) -> Function:
    return lambda *args: fun(*jax.tree.map(np.asarray, args))


def disabled_jit(fun: Function) -> Function:
    def run(*args: Any) -> Any:
        with jax.disable_jit():
            return fun(*args)

    return run


def _stacked(args: Any, count: int, *others: Callable[[Any], Any]) -> Any:
    """The arguments `count` times, some of them made into others."""
    copies = [*others, *[np.asarray] * (count - len(others))]
    return jax.tree.map(lambda x: jnp.stack([jnp.asarray(c(x)) for c in copies]), args)


def _last(outputs: Any) -> Any:
    # NumPy indexes: XLA's gather over devices would flush subnormal numbers.
    return jax.tree.map(lambda x: np.asarray(x)[-1], outputs)


def with_pmap(fun: Function) -> Function:
    mapped = jax.pmap(fun)
    return lambda *args: _last(mapped(*_stacked(args, len(jax.devices()), np.zeros_like)))


def with_vmap(fun: Function) -> Function:
    mapped = jax.jit(jax.vmap(fun))
    return lambda *args: _last(mapped(*_stacked(args, 2, np.zeros_like)))


def with_scan(fun: Function) -> Function:
    @jax.jit
    def scanned(args: Any) -> Any:
        return jax.lax.scan(lambda carry, one: (carry, fun(*one)), 0, args)[1]

    return lambda *args: _last(scanned(_stacked(args, 2, np.zeros_like)))


def with_shard_map(fun: Function) -> Function:
    everywhere = PartitionSpec()
    return jax.jit(jax.shard_map(fun, mesh=mesh(), in_specs=everywhere, out_specs=everywhere))


VARIANTS: dict[str, Callable[[Function], Function]] = {
    each.__name__: each
    for each in (
        without_jit,
        with_jit,
        with_device,
        without_device,
        disabled_jit,
        with_pmap,
        with_vmap,
        with_scan,
        with_shard_map,
    )
}
