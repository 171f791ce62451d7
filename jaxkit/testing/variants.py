"""The ways to run a function that should all mean the same.

The names are those of `chex.variants`, and `run_as` takes chex's own `ChexVariantType` as well; the
variants themselves are chex's private objects, and differ here where those deceive: `without_jit`
turns inner jits off too, `with_pmap` takes calls without arrays and looks at each device's result,
and one device is an error and never a silent skip.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxkit.testing._compare import difference

__all__ = [
    "VARIANTS",
    "run_as",
    "shard_map",
    "vmap",
    "with_device",
    "with_jit",
    "with_pmap",
    "without_device",
    "without_jit",
]

Fun = Callable[..., Any]
_DEVICES = 2


def with_jit(fun: Fun) -> Fun:
    """Under jit; arguments that are no arrays are static."""
    jitted = eqx.filter_jit(fun)

    def run(*args: Any, **kwargs: Any) -> Any:
        return jitted(*args, **kwargs)

    return functools.wraps(fun)(run)


def without_jit(fun: Fun) -> Fun:
    """Without any jit, also none inside, and JAX's control flow as Python's."""

    def run(*args: Any, **kwargs: Any) -> Any:
        with jax.disable_jit():
            return fun(*args, **kwargs)

    return functools.wraps(fun)(run)


def with_device(fun: Fun) -> Fun:
    """With arrays of JAX's, which are on a device."""

    def run(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = _map_arrays(jnp.asarray, (args, kwargs))
        return fun(*args, **kwargs)

    return functools.wraps(fun)(run)


def without_device(fun: Fun) -> Fun:
    """With arrays of NumPy's; random keys stay what they are."""

    def run(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = _map_arrays(np.array, (args, kwargs))
        return fun(*args, **kwargs)

    return functools.wraps(fun)(run)


def with_pmap(fun: Fun) -> Fun:
    """On two devices under pmap, with the same arguments on each.

    Raises:
        RuntimeError: There is one device only.
        AssertionError: The devices disagree.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        return _everywhere(_pmapped, fun, args, kwargs)

    return functools.wraps(fun)(run)


def vmap(fun: Fun) -> Fun:
    """Under vmap over two rows that are the same.

    Raises:
        AssertionError: The rows disagree.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        return _everywhere(jax.vmap, fun, args, kwargs)

    return functools.wraps(fun)(run)


def shard_map(fun: Fun) -> Fun:
    """On two devices under shard_map, with the same arguments on each.

    Raises:
        RuntimeError: There is one device only.
        AssertionError: The devices disagree.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        return _everywhere(_sharded, fun, args, kwargs)

    return functools.wraps(fun)(run)


VARIANTS: Mapping[str, Callable[[Fun], Fun]] = MappingProxyType(
    {
        "with_jit": with_jit,
        "without_jit": without_jit,
        "with_device": with_device,
        "without_device": without_device,
        "with_pmap": with_pmap,
        "vmap": vmap,
        "shard_map": shard_map,
    }
)


def run_as(variant: Any, fun: Fun) -> Fun:
    """The function as a variant runs it; make it once, outside of a test's body.

    Example:
        >>> import jax.numpy as jnp
        >>> float(run_as("with_jit", jnp.sum)(jnp.ones(3)))
        3.0

    Args:
        variant: A name in `VARIANTS`, or a member of `chex.ChexVariantType`.
        fun: The function.

    Returns:
        A function of the same arguments.

    Raises:
        ValueError: An unknown variant.
    """
    name = getattr(variant, "name", variant)
    name = name.lower() if isinstance(name, str) else name
    if name not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got variant={variant!r}")
    return VARIANTS[name](fun)


def _map_arrays(change: Callable[[Any], Any], tree: Any) -> Any:
    def one(x: Any) -> Any:
        if not isinstance(x, (jax.Array, np.ndarray)):
            return x
        return x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else change(x)

    return jax.tree_util.tree_map(one, tree)


def _devices(name: str) -> list[Any]:
    found = jax.devices()
    if len(found) < _DEVICES:
        raise RuntimeError(
            f"{name} takes {_DEVICES} devices and here is {len(found)}; set JAX_NUM_CPU_DEVICES=4 "
            "in the environment before JAX is imported"
        )
    return found[:_DEVICES]


def _pmapped(call: Fun) -> Fun:
    return jax.pmap(call, devices=_devices("with_pmap"))


def _sharded(call: Fun) -> Fun:
    mesh = Mesh(np.array(_devices("shard_map")), ("device",))
    spec = PartitionSpec("device")

    def local(rows: list[Any]) -> Any:
        out = call([row[0] for row in rows])
        return [jnp.asarray(x)[None] for x in out]

    return jax.jit(
        jax.shard_map(local, mesh=mesh, in_specs=(spec,), out_specs=spec, check_vma=False)
    )


_MAPPED: Mapping[str, Callable[[Fun], Fun]] = MappingProxyType(
    {"vmap": jax.vmap, "with_pmap": _pmapped, "shard_map": _sharded}
)


def _everywhere(mapped: Callable[[Fun], Fun], fun: Fun, args: Any, kwargs: Any) -> Any:
    """The function's result, from two copies of its arguments, which must agree."""
    first, second = _rows(mapped, fun, [(args, kwargs)] * _DEVICES)
    leaves = [
        [x for x in jax.tree_util.tree_leaves(out) if _is_any_array(x)] for out in (first, second)
    ]
    found = difference(
        *([np.asarray(x) if _plain(x) else x for x in each] for each in leaves[::-1]), ulps=8
    )
    if found is not None:
        raise AssertionError(f"equal rows give different results: {found}")
    return first


def two_rows(variant: str, fun: Fun, first: Any, second: Any) -> tuple[Any, Any]:
    """The results of two calls that are made at once, as the rows of one.

    Args:
        variant: `vmap`, `with_pmap` or `shard_map`.
        fun: The function.
        first: The arguments of one call, `(args, kwargs)`.
        second: Those of another call, with other values in arrays of the same shapes and dtypes.
    """
    one, other = _rows(_MAPPED[variant], fun, [first, second])
    return one, other


def _rows(mapped: Callable[[Fun], Fun], fun: Fun, calls: Sequence[Any]) -> list[Any]:
    parted = [eqx.partition(_map_arrays(jnp.asarray, call), eqx.is_array) for call in calls]
    leaves = [jax.tree_util.tree_leaves(arrays) for arrays, _ in parted]
    treedef, rest = jax.tree_util.tree_structure(parted[0][0]), parted[0][1]
    kept: list[Any] = []

    def call(rows: list[Any]) -> list[Any]:
        inner = eqx.combine(jax.tree_util.tree_unflatten(treedef, rows), rest)
        dynamic, static = eqx.partition(fun(*inner[0], **inner[1]), eqx.is_array)
        flat, out_treedef = jax.tree_util.tree_flatten(dynamic)
        kept[:] = [out_treedef, static]
        return flat

    rows = [jnp.stack(each) for each in zip(*leaves, strict=True)]
    # Where there is nothing to be mapped over, a row number keeps the two apart.
    mapping = mapped(call if rows else lambda _: call([]))
    both = mapping(rows or [jnp.arange(len(calls))])
    outs = [jax.tree_util.tree_unflatten(kept[0], [x[i] for x in both]) for i in range(len(calls))]
    return [eqx.combine(out, kept[1]) for out in outs]


def _is_any_array(x: Any) -> bool:
    return isinstance(x, (jax.Array, np.ndarray))


def _plain(x: Any) -> bool:
    return not jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
