"""Where a run's arrays are: on one device, or each batch split over several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, Protocol, get_args

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxkit.training.words import short

__all__ = ["Parallel", "Placement", "placement_of"]

Parallel = Literal["sharding", "pmap"]
Devices = int | str | Sequence[Any] | Mesh | None
_AXIS = "devices"


class Placement(Protocol):
    """How a step runs on the devices of a run."""

    count: int

    def put(self, tree: Any) -> Any:
        """A copy of the state, or other arrays, for all devices."""
        ...

    def batch(self, tree: Any) -> Any:
        """Arrays with a batch axis, each device getting its part."""
        ...

    def whole(self, tree: Any) -> Any:
        """What `batch` split, in NumPy."""
        ...

    def compile(self, fun: Callable[..., Any], *, donate: bool, state: bool) -> Callable[..., Any]:
        """The function of (state, batch, weight), jitted."""
        ...

    def mean(self, tree: Any) -> Any:
        """The mean over the parts of a batch, inside of the step."""
        ...

    def key(self, key: Any) -> Any:
        """The key of this part of a batch, inside of the step."""
        ...

    def fetch(self, tree: Any) -> Any:
        """What `put` spread out, as arrays of one device that nothing else holds."""
        ...


class _One:
    """On one device: that of the model, or JAX's default."""

    count = 1

    def __init__(self, model: Any) -> None:
        arrays = [x for x in jax.tree.leaves(model) if isinstance(x, jax.Array) and x.committed]
        self._sharding = arrays[0].sharding if arrays else None

    def put(self, tree: Any) -> Any:
        return jax.device_put(jax.tree.map(_copied, tree), self._sharding)

    def batch(self, tree: Any) -> Any:
        # The jitted call puts NumPy's arrays where they belong, and faster.
        return tree if self._sharding is None else jax.device_put(tree, self._sharding)

    def whole(self, tree: Any) -> Any:
        return jax.device_get(tree)

    def compile(self, fun: Callable[..., Any], *, donate: bool, state: bool) -> Callable[..., Any]:
        return jax.jit(fun, donate_argnums=(0,) if donate else ())

    def mean(self, tree: Any) -> Any:
        return tree

    def key(self, key: Any) -> Any:
        return key

    def fetch(self, tree: Any) -> Any:
        return jax.tree.map(_copied, tree)


class _Sharded:
    """Batches split along an axis of a mesh, the state on every device of it."""

    def __init__(self, mesh: Mesh) -> None:
        axis = mesh.axis_names[0]
        self.count = int(mesh.shape[axis])
        # With explicit axes the user's loss would have to say how each of its arrays is split.
        kinds = (AxisType.Auto,) * len(mesh.axis_names)
        mesh = Mesh(mesh.devices, mesh.axis_names, axis_types=kinds)
        self._whole = NamedSharding(mesh, PartitionSpec())
        self._split = NamedSharding(mesh, PartitionSpec(axis))

    def put(self, tree: Any) -> Any:
        return jax.device_put(jax.tree.map(_copied, tree), self._whole)

    def batch(self, tree: Any) -> Any:
        return jax.device_put(tree, self._split)

    def whole(self, tree: Any) -> Any:
        return jax.device_get(tree)

    def compile(self, fun: Callable[..., Any], *, donate: bool, state: bool) -> Callable[..., Any]:
        return jax.jit(fun, donate_argnums=(0,) if donate else (), out_shardings=self._whole)

    def mean(self, tree: Any) -> Any:
        return tree

    def key(self, key: Any) -> Any:
        return key

    def fetch(self, tree: Any) -> Any:
        return jax.tree.map(lambda x: _copied(x.addressable_data(0)), tree)


class _Pmapped:
    """The same by `jax.pmap`: each device runs the step on its part, gradients are averaged."""

    def __init__(self, devices: Sequence[Any]) -> None:
        self._devices = list(devices)
        self.count = len(self._devices)

    def put(self, tree: Any) -> Any:
        spread = jax.pmap(
            lambda tree, i: tree, in_axes=(None, 0), devices=self._devices, axis_name=_AXIS
        )
        return spread(tree, np.arange(self.count))

    def batch(self, tree: Any) -> Any:
        return jax.tree.map(self._split, tree)

    def whole(self, tree: Any) -> Any:
        return jax.tree.map(lambda x: np.reshape(x, (-1, *x.shape[2:])), jax.device_get(tree))

    def _split(self, array: Any) -> Any:
        rows = array.shape[0] // self.count
        return array.reshape(self.count, rows, *array.shape[1:])

    def compile(self, fun: Callable[..., Any], *, donate: bool, state: bool) -> Callable[..., Any]:
        return jax.pmap(
            fun,
            axis_name=_AXIS,
            devices=self._devices,
            donate_argnums=(0,) if donate else (),
            out_axes=(0, None) if state else None,
        )

    def mean(self, tree: Any) -> Any:
        return jax.lax.pmean(tree, _AXIS)

    def key(self, key: Any) -> Any:
        return jax.random.fold_in(key, jax.lax.axis_index(_AXIS))

    def fetch(self, tree: Any) -> Any:
        return jax.tree.map(_of_first, tree)


def placement_of(devices: Any, parallel: Any, model: Any) -> Placement:
    """Where a run takes place.

    Args:
        devices: As `fit` takes it.
        parallel: `"sharding"` or `"pmap"`.
        model: The model, which may be on a device already.

    Raises:
        ValueError: More devices than there are, or none; another word.
        TypeError: Something else than devices.
    """
    if parallel not in get_args(Parallel):
        raise ValueError(f"parallel must be 'sharding' or 'pmap', got parallel={short(parallel)}")
    if devices is None:
        if parallel == "pmap":
            raise ValueError("parallel='pmap' needs devices=, a number of them or 'all'")
        return _One(model)
    if isinstance(devices, Mesh):
        return _Sharded(devices) if parallel == "sharding" else _Pmapped(list(devices.devices.flat))
    chosen = _chosen(devices)
    if parallel == "pmap":
        return _Pmapped(chosen)
    return _Sharded(Mesh(np.array(chosen), (_AXIS,)))


def _chosen(devices: Any) -> list[Any]:
    there = jax.local_devices()
    if devices == "all":
        return there
    if isinstance(devices, int) and not isinstance(devices, bool):
        if devices < 1:
            raise ValueError(f"devices must be 1 or more, got devices={devices}")
        if devices > len(there):
            more = (
                "; for a CPU in parts, set JAX_NUM_CPU_DEVICES before JAX is imported"
                if there[0].platform == "cpu"
                else ""
            )
            raise ValueError(
                f"devices must not be more than there are, got devices={devices}, and JAX has "
                f"{len(there)} ({there[0].platform}): give 'all' for those{more}"
            )
        return there[:devices]
    listed = list(devices) if isinstance(devices, Sequence) and not isinstance(devices, str) else []
    if not listed or not all(isinstance(each, jax.Device) for each in listed):
        raise TypeError(
            "devices must be None, a number, 'all', a list of jax.devices() or a Mesh, "
            f"got devices={short(devices)}"
        )
    twice = [each for i, each in enumerate(listed) if each in listed[:i]]
    if twice:
        raise ValueError(f"devices must differ, got {twice[0]} more than once")
    return listed


def _of_first(array: Any) -> Any:
    """The first device's of a pmapped result."""
    if jax.numpy.issubdtype(array.dtype, jax.dtypes.prng_key):
        return array[0]
    return jax.device_put(np.array(array.addressable_data(0))[0])


# Without compiling a program for each shape, as jnp.copy would.
_put_copy = partial(jax.device_put, may_alias=False)


def _copied(array: Any) -> Any:
    """An array that shares no memory with the user's: the step gives its own away."""
    if not isinstance(array, jax.Array):
        return np.array(array, copy=True)
    return _put_copy(array, array.sharding) if array.committed else _put_copy(array)
