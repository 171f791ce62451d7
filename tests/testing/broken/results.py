"""Broken: what comes back and what happens to arrays (values, pytree, dtype, sharding, ...)."""

from __future__ import annotations

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxkit


def map_arrays(change, tree):
    """Applies `change` to the JAX arrays of a tree; typed keys and all else stay.

    Unlike `jax.tree.map`, which sorts them, it leaves the keys of a dict in their order.
    """
    if type(tree) is dict:
        return {name: map_arrays(change, each) for name, each in tree.items()}
    if isinstance(tree, jax.Array):
        return tree if jnp.issubdtype(tree.dtype, jax.dtypes.extended) else change(tree)
    if jax.tree_util.all_leaves([tree]):
        return tree
    return jax.tree.map(
        lambda each: map_arrays(change, each), tree, is_leaf=lambda each: each is not tree
    )


def is_float(leaf):
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def of_output(change):
    """The factory of a transform that changes each array of the output."""

    def factory(fun):
        def called(*args, **kwargs):
            return map_arrays(change, fun(*args, **kwargs))

        return called

    return factory


@jaxkit.transform
def scale_loss(fun):
    """Multiplies by 2**15 and divides again: a float16 output above 1 comes back infinite."""
    return of_output(lambda x: x * 2.0**15 / 2.0**15 if is_float(x) else x)(fun)


@jaxkit.transform
def store_in_bfloat16(fun):
    """Rounds float32 outputs to bfloat16 for a log and returns the rounded ones."""

    def rounded(x):
        return jax.lax.reduce_precision(x, 8, 7) if x.dtype == jnp.float32 else x

    return of_output(rounded)(fun)


@jaxkit.transform
def repair_nonfinite(fun):
    """Replaces NaN and infinity in the outputs, and does not say so in its tags."""
    return of_output(lambda x: jnp.nan_to_num(x) if is_float(x) else x)(fun)


@jaxkit.transform
def average_of_one(fun):
    """Stacks outputs along a new axis and squeezes all axes of size 1 away, also the user's."""
    return of_output(lambda x: jnp.squeeze(x[None]))(fun)


@jaxkit.transform
def rebuild_tuples(fun):
    """Rebuilds any tuple with `tuple(...)`: a namedtuple loses its type and its field names."""

    def rebuild(out):
        if isinstance(out, tuple):
            return tuple(rebuild(each) for each in out)
        return out

    def called(*args, **kwargs):
        return rebuild(fun(*args, **kwargs))

    return called


@jaxkit.transform
def drop_missing(fun):
    """Filters None out of output dicts: the key is gone."""

    def clean(out):
        if type(out) is dict:
            return {name: clean(value) for name, value in out.items() if value is not None}
        return out

    def called(*args, **kwargs):
        return clean(fun(*args, **kwargs))

    return called


@jaxkit.transform
def arrays_only(fun):
    """Keeps the arrays of the output with `eqx.filter`: Python numbers and strings become None."""

    def called(*args, **kwargs):
        return eqx.filter(fun(*args, **kwargs), eqx.is_array)

    return called


@jaxkit.transform
def rebuild_mappings(fun):
    """Rebuilds every mapping as a plain dict: an OrderedDict loses its type."""

    def rebuild(out):
        if isinstance(out, Mapping):
            return {name: rebuild(value) for name, value in out.items()}
        return out

    def called(*args, **kwargs):
        return rebuild(fun(*args, **kwargs))

    return called


@jaxkit.transform
def keep_dtype(fun):
    """`x.astype(x.dtype)` looks like nothing, but makes a weakly typed output strong."""
    return of_output(lambda x: x.astype(x.dtype))(fun)


@jaxkit.transform
def cast_together(fun):
    """Casts all outputs to their common dtype, as before a concatenation."""

    def called(*args, **kwargs):
        out = fun(*args, **kwargs)
        arrays = []
        map_arrays(arrays.append, out)
        if not arrays:
            return out
        common = jnp.result_type(*arrays)
        return map_arrays(lambda x: x if x.dtype == common else x.astype(common), out)

    return called


@jaxkit.transform
def unit_weight(fun):
    """Multiplies by `np.float32(1)`, which is strong: bfloat16 and integers become float32."""
    return of_output(lambda x: x * np.float32(1))(fun)


@jaxkit.transform
def copy_by_adding_zero(fun):
    """Adds 0 for a fresh buffer: booleans become int32."""
    return of_output(lambda x: x + 0)(fun)


@jaxkit.transform
def narrow_doubles(fun):
    """Casts float64 outputs to float32, to make logs small: wrong under x64 only."""
    return of_output(lambda x: x.astype(jnp.float32) if x.dtype == jnp.float64 else x)(fun)


@jaxkit.transform
def gather_for_logging(fun):
    """Puts outputs on the first device, where the log wants them, and returns those."""

    def called(*args, **kwargs):
        out = fun(*args, **kwargs)
        home = jax.devices()[0]
        return map_arrays(
            lambda x: x if isinstance(x, jax.core.Tracer) else jax.device_put(x, home), out
        )

    return called


@jaxkit.transform
def through_host(fun):
    """Copies concrete outputs through NumPy: a sharded array comes back whole, on one device."""

    def copied(x):
        return x if isinstance(x, jax.core.Tracer) else jnp.asarray(np.asarray(x))

    return of_output(copied)(fun)


@jaxkit.transform
def replicate_outputs(fun):
    """Constrains outputs to be replicated over all devices, wherever they were."""

    def called(*args, **kwargs):
        mesh = jax.sharding.Mesh(np.array(jax.devices()), ("all",))
        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        return map_arrays(
            lambda x: jax.lax.with_sharding_constraint(x, everywhere), fun(*args, **kwargs)
        )

    return called


@jaxkit.transform
def reuse_buffers(fun):
    """A jit that donates all arrays: the caller's inputs are deleted."""
    return eqx.filter_jit(fun, donate="all")


@jaxkit.transform
def convert_in_place(fun):
    """Converts NumPy values in the caller's own dict, instead of in a copy."""

    def called(*args, **kwargs):
        for each in (*args, *kwargs.values()):
            if isinstance(each, dict):
                for name, value in each.items():
                    if isinstance(value, np.ndarray):
                        each[name] = jnp.asarray(value)
        return fun(*args, **kwargs)

    return called


@jaxkit.transform
def freeze_inputs(fun):
    """Makes NumPy inputs read-only, to be safe, and leaves them so."""

    def called(*args, **kwargs):
        for leaf in jax.tree.leaves((args, kwargs)):
            if isinstance(leaf, np.ndarray):
                leaf.flags.writeable = False
        return fun(*args, **kwargs)

    return called


@jaxkit.transform(tags=("changes_values", "changes_grad"))
def fill_missing_inputs(fun):
    """Replaces NaN in NumPy inputs with `copy=False`: in the caller's array."""

    def fill(leaf):
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f":
            return np.nan_to_num(leaf, copy=False)
        return leaf

    def called(*args, **kwargs):
        return fun(*map(fill, args), **{name: fill(each) for name, each in kwargs.items()})

    return called
