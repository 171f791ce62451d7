"""An equation on float64 operands: what it would give in double precision.

Integers, booleans and keys stay what they are; so does what JAX cannot evaluate otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxkit._jax import jaxprs

__all__ = [
    "COLLECTIVES",
    "MOVES",
    "NOT_WIDE",
    "OPAQUE",
    "SUMS",
    "OpaqueError",
    "is_float",
    "up",
    "wide",
    "wide_dtype",
]

# What only moves, copies or chooses elements introduces no error.
MOVES = frozenset(
    "broadcast_in_dim reshape transpose squeeze expand_dims rev slice dynamic_slice gather pad "
    "dynamic_update_slice concatenate select_n copy copy_p stop_gradient split real imag complex "
    "conj neg abs max min reduce_max reduce_min clamp optimization_barrier tile broadcast "
    "reduce_precision_identity while_identity scatter cummax cummin argmax argmin squeeze "
    "select_and_gather_add unstack stack pmax pmin ppermute all_gather all_to_all pvary "
    "pbroadcast".split()
)
# What devices do together, which is bound as it is: its parameters name no dtype.
COLLECTIVES = frozenset(
    "psum psum2 psum_invariant reduce_scatter ppermute all_gather all_to_all pvary "
    "pbroadcast".split()
)
# What has a meaning in its own precision only: bits, random numbers, the world outside.
OPAQUE = frozenset(
    "bitcast_convert_type nextafter rng_uniform rng_bit_generator random_bits random_seed "
    "random_wrap random_unwrap random_split random_fold_in random_clone random_gamma threefry2x32 "
    "pure_callback io_callback debug_callback debug_print ffi_call pallas_call custom_vmap_call "
    "run_state shard_map infeed outfeed axis_index linear_call reduce approx_top_k".split()
)
# What adds up many terms, and rounds as often.
SUMS = frozenset(
    "reduce_sum dot_general conv_general_dilated cumsum scatter-add scatter_add reduce_window_sum "
    "ragged_dot cumlogsumexp reduce_prod cumprod".split()
)

_DTYPES = ("new_dtype", "dtype", "preferred_element_type", "out_dtype", "input_dtype")
_PRECISION = ("precision",)


class OpaqueError(Exception):
    """There is no such thing in double precision."""


# What `wide` raises: the first by itself, the others from JAX, where a primitive takes no float64
# or has no rule for it. Its result is then taken as the program has it.
NOT_WIDE = (OpaqueError, TypeError, NotImplementedError)


def is_float(aval: Any) -> bool:
    """Whether a variable holds floating-point or complex numbers."""
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and bool(jnp.issubdtype(dtype, jnp.inexact))


def wide_dtype(dtype: Any) -> Any:
    """float64, or complex128 for a complex dtype."""
    return np.dtype(np.complex128 if jnp.issubdtype(dtype, jnp.complexfloating) else np.float64)


def up(value: Any) -> Any:
    """An array of floating-point numbers in double precision; any other as it is."""
    aval = jax.typeof(value)
    if not is_float(aval):
        return value
    return lax.convert_element_type(value, wide_dtype(aval.dtype))


def wide(eqn: Any, operands: Sequence[Any]) -> list[Any]:
    """Evaluates an equation in double precision.

    Args:
        eqn: The equation.
        operands: An array for each operand, in double precision where it is floating-point.

    Returns:
        The results, likewise.

    Raises:
        OpaqueError: The equation has a meaning in its own precision only.
    """
    name = eqn.primitive.name
    if name in OPAQUE or _holds_code(eqn):
        special = _SPECIAL.get(name)
        if special is None:
            raise OpaqueError(name)
        with jaxprs.place_of(eqn):
            return special(eqn, list(operands))
    if name in COLLECTIVES:
        return jaxprs.bind(eqn, operands)
    special = _SPECIAL.get(name)
    with jaxprs.place_of(eqn):
        if special is not None:
            return special(eqn, list(operands))
        return _bound(eqn, operands)


def _bound(eqn: Any, operands: Sequence[Any]) -> list[Any]:
    params = eqn.primitive.get_bind_params(_rewritten(eqn))
    found = eqn.primitive.bind(*operands, **params)
    return list(found) if eqn.primitive.multiple_results else [found]


def _holds_code(eqn: Any) -> bool:
    return any(jaxprs.is_jaxpr(value) for value in eqn.params.values() if value is not None)


def _rewritten(eqn: Any) -> dict[str, Any]:
    params = dict(eqn.params)
    for name in _DTYPES:
        if params.get(name) is not None and jnp.issubdtype(params[name], jnp.inexact):
            params[name] = wide_dtype(params[name])
    for name in _PRECISION:  # an algorithm is one of certain dtypes
        if name in params:
            params[name] = None
    return params


def _convert(eqn: Any, operands: list[Any]) -> list[Any]:
    [value] = operands
    dtype = eqn.params["new_dtype"]
    if jnp.issubdtype(dtype, jnp.inexact):
        dtype = wide_dtype(dtype)
        if jnp.iscomplexobj(value) and not jnp.issubdtype(dtype, jnp.complexfloating):
            value = jnp.real(value)
    return [lax.convert_element_type(value, dtype)]


def _identity(eqn: Any, operands: list[Any]) -> list[Any]:
    return operands


def _pad(eqn: Any, operands: list[Any]) -> list[Any]:
    """JAX (read on 0.10.2 and 0.12.0.1) has no derivative by the padding value alone."""
    value, padding = operands
    if not jaxprs.is_literal(eqn.invars[1]):
        value = jnp.where(jnp.zeros((), bool), padding, value)
    return _bound(eqn, [value, padding])


def _scatter(fun: Callable[..., Any]) -> Callable[[Any, list[Any]], list[Any]]:
    def scattered(eqn: Any, operands: list[Any]) -> list[Any]:
        params = eqn.params
        found = fun(
            *operands,
            params["dimension_numbers"],
            indices_are_sorted=params["indices_are_sorted"],
            unique_indices=params["unique_indices"],
            mode=params["mode"],
        )
        return [found]

    return scattered


def _most(pick: Callable[..., Any]) -> Callable[[Any, list[Any]], list[Any]]:
    """The most of all devices; `pmax` itself has no derivative."""

    def found(eqn: Any, operands: list[Any]) -> list[Any]:
        if eqn.params.get("axis_index_groups") is not None:
            raise OpaqueError(eqn.primitive.name)
        axes = eqn.params["axes"]
        return [pick(lax.all_gather(value, axes), axis=0) for value in operands]

    return found


def _eigh(eqn: Any, operands: list[Any]) -> list[Any]:
    vectors, values = _bound(eqn, operands)
    narrow, _ = _narrow(eqn, operands)
    return [vectors * _directions(vectors, narrow)[..., None, :], values]


def _svd(eqn: Any, operands: list[Any]) -> list[Any]:
    if not eqn.params["compute_uv"]:
        return _bound(eqn, operands)
    values, left, right = _bound(eqn, operands)
    _, narrow_left, narrow_right = _narrow(eqn, operands)
    turned = _directions(left, narrow_left)
    own = _directions(jnp.swapaxes(right, -1, -2), jnp.swapaxes(narrow_right, -1, -2))
    count = values.shape[-1]  # what is beyond has no partner
    own = jnp.concatenate([jnp.conj(turned[..., :count]), own[..., count:]], -1)
    return [values, left * turned[..., None, :], right * own[..., :, None]]


def _narrow(eqn: Any, operands: list[Any]) -> list[Any]:
    kinds = [atom.aval.dtype for atom in eqn.invars]
    pairs = zip(operands, kinds, strict=True)
    return jaxprs.bind(eqn, [lax.stop_gradient(lax.convert_element_type(x, k)) for x, k in pairs])


def _directions(vectors: Any, narrow: Any) -> Any:
    """By what to multiply columns, which any factor of magnitude 1 leaves what they are.

    Args:
        vectors: The columns.
        narrow: The same in the precision of the program, which has chosen the factors.
    """
    along = jnp.sum(jnp.conj(lax.stop_gradient(vectors)) * up(narrow), axis=-2)
    size = jnp.abs(along)
    return jnp.where(size > 0, along / jnp.where(size > 0, size, 1), 1)


_SPECIAL: dict[str, Callable[[Any, list[Any]], list[Any]]] = {
    "convert_element_type": _convert,
    "eigh": _eigh,
    "svd": _svd,
    "reduce_precision": _identity,
    "optimization_barrier": _identity,
    "pad": _pad,
    "pmax": _most(jnp.max),
    "pmin": _most(jnp.min),
    "scatter": _scatter(lax.scatter),
    "scatter-add": _scatter(lax.scatter_add),
    "scatter_add": _scatter(lax.scatter_add),
    "scatter-sub": _scatter(getattr(lax, "scatter_sub", lax.scatter_add)),
    "scatter-mul": _scatter(lax.scatter_mul),
    "scatter_mul": _scatter(lax.scatter_mul),
    "scatter-min": _scatter(lax.scatter_min),
    "scatter_min": _scatter(lax.scatter_min),
    "scatter-max": _scatter(lax.scatter_max),
    "scatter_max": _scatter(lax.scatter_max),
}
