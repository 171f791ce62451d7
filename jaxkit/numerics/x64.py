"""`jaxkit.x64`: a function in 64 bits, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax.suspended import suspending_function
from jaxkit._jax.values import is_array
from jaxkit._jax.x64 import with_x64
from jaxkit.transforms import transform

__all__ = ["x64"]

# Unsigned integers stay as they are: two of u32 are a random key. So do the shorter ones, whose
# overflow may be meant; of floating point, what is short is what is to be compared with.
_WIDE = {"int32": np.dtype(np.int64), "complex64": np.dtype(np.complex128)}
_NARROW = {
    "float64": np.float32,
    "int64": np.int32,
    "uint64": np.uint32,
    "complex128": np.complex64,
}


def _block(**options: Any) -> AbstractContextManager[Any]:
    """64-bit types in a block of a program, if the block cannot be left half-way."""
    if options:
        given = ", ".join(f"{name}={value!r}" for name, value in options.items())
        raise TypeError(
            f"with jaxkit.x64() takes no options, got {given}: they say what a function returns, "
            f"jaxkit.x64(fun, {given})"
        )
    suspending = suspending_function(2)  # the frames between: this one and Transform.__enter__
    if suspending is not None:
        raise RuntimeError(
            f"with jaxkit.x64() has a yield or an await in its block, in {suspending}(): 64-bit "
            "types would be on for whatever this thread does meanwhile; take it out of the block, "
            "or wrap a function: jaxkit.x64(fun). Where that is meant, as in a fixture or under "
            "@contextlib.contextmanager: ExitStack().enter_context(jaxkit.x64())"
        )
    return with_x64()


@transform(tags=("changes_dtype", "changes_values", "changes_grad", "calls_many"), block=_block)
def x64(fun: Callable[..., Any], *, cast_back: bool = False) -> Callable[..., Any]:
    """Runs a function in 64 bits: its inputs are widened, and 64-bit types are on for the call.

    `jax_enable_x64` is set for this call, in this thread, and is what it was afterwards, also
    after an exception. Floating-point inputs of any width become f64, c64 becomes c128, i32 becomes
    i64; unsigned and shorter integers, booleans, keys and Python numbers stay. Of a function that
    is a pytree, such as an Equinox module, the parameters are inputs too; arrays that a function
    has captured are not.

    It works over jitted functions and under `jax.jit`, `jax.grad`, `jax.vmap` and `jax.lax.scan`;
    derivatives come back in the dtype of the inputs. Under an outer `jax.jit` without 64 bits, what
    JAX lowers by that setting stays in 32 bits or is refused by the compiler: `jax.random` is.
    `jaxkit.x64(jax.jit(f))` has no such limit.

    `with jaxkit.x64():` turns 64-bit types on for a block, in this thread only: what is made in it
    is as wide as it says, and arrays that were made before stay as they are. It nests, and ends
    with the block, also by an exception. A block with a `yield` or an `await` is refused, as its
    setting would hold for whatever runs until it goes on.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> def mean(x):
        ...     return x.mean()
        >>> x = jnp.full(1000, 16777217, jnp.int32)
        >>> jaxkit.x64(mean)(x).item(), mean(x).item()
        (16777217.0, 16777216.0)
        >>> jaxkit.x64(mean, cast_back=True)(x).dtype
        dtype('float32')
        >>> with jaxkit.x64():
        ...     wide = mean(jnp.full(1000, 16777217.0))
        >>> wide.item()
        16777217.0

    Args:
        fun: A function of any pytrees.
        cast_back: Whether the outputs get the dtypes that `fun` would have returned without.
            To know them `fun` is traced once more, without running; where that cannot be done, as
            its branches depend on values or an argument has no hash, 64 bits become 32.

    Returns:
        The function in 64 bits. Its outputs stay 64-bit arrays outside of it; JAX narrows what is
        computed from them there, unless 64-bit types are on.

    Raises:
        RuntimeError: A block has a `yield` or an `await`.
        TypeError: A block is given options.

    References:
        https://docs.jax.dev/en/latest/default_dtypes.html; contexts that leak: jax-ml/jax#5982,
        #7336, #27602.
    """
    tracer = _tracer_of(fun)

    def in_x64(*args: Any, **kwargs: Any) -> Any:
        with with_x64():
            # A function that is no pytree is a leaf among them, and stays.
            given = (fun, args, kwargs)
            wide, some, others = _in_order_of(given, jax.tree.map(_widen, given))
            out = wide(*some, **others)
        if not cast_back:
            return out
        dtypes = _dtypes(tracer, args, kwargs)
        leaves, structure = jax.tree.flatten(out)
        if dtypes is None or len(dtypes) != len(leaves):
            dtypes = [_narrow_dtype(leaf) for leaf in leaves]
        with with_x64():
            cast = [_cast(leaf, dtype) for leaf, dtype in zip(leaves, dtypes, strict=True)]
        return _in_order_of(out, jax.tree.unflatten(structure, cast))

    return in_x64


def _widen(leaf: Any) -> Any:
    dtype = _dtype(leaf)
    if dtype is None:
        return leaf
    wide = _WIDE.get(dtype.name)
    if wide is None and jnp.issubdtype(dtype, jnp.floating):
        wide = np.dtype(np.float64)
    return leaf if wide is None else _cast(leaf, wide)


def _cast(leaf: Any, dtype: Any) -> Any:
    now = _dtype(leaf)
    if dtype is None or now is None or now.name == dtype.name:  # np.dtype("float64") == None
        return leaf
    if isinstance(leaf, (np.ndarray, np.generic)):
        return leaf.astype(dtype)
    return jax.lax.convert_element_type(leaf, dtype)


def _dtype(leaf: Any) -> Any:
    """The dtype of an array of numbers; None for a key and for what is no array."""
    dtype = getattr(leaf, "dtype", None)
    return dtype if is_array(leaf) and isinstance(dtype, np.dtype) else None


def _narrow_dtype(leaf: Any) -> Any:
    dtype = _dtype(leaf)
    return None if dtype is None else np.dtype(_NARROW.get(dtype.name, dtype))


class _Static:
    """The arguments that are no arrays, and their places; equal ones are one to JAX's cache."""

    def __init__(self, leaves: list[Any], structure: Any) -> None:
        self.leaves = [None if is_array(leaf) else leaf for leaf in leaves]
        self.places = [i for i, leaf in enumerate(leaves) if is_array(leaf)]
        self.structure = structure
        self._key = (structure, *self.places, *((type(leaf), leaf) for leaf in self.leaves))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _tracer_of(fun: Callable[..., Any]) -> Any:
    """Traces `fun`; gives for each leaf of its output that leaf, or nothing for what is no array.

    Under `jax.jit` for its cache only: an equal call is not traced again.
    """

    def traced(static: _Static, arrays: list[Any]) -> list[Any]:
        given = list(static.leaves)
        for place, array in zip(static.places, arrays, strict=True):
            given[place] = array
        some, others = jax.tree.unflatten(static.structure, given)
        leaves = jax.tree.leaves(fun(*some, **others))
        return [leaf if _dtype(leaf) is not None else () for leaf in leaves]

    return jax.jit(traced, static_argnums=0)


def _dtypes(tracer: Any, args: Any, kwargs: Any) -> list[Any] | None:
    """The dtypes of what a function returns by itself, leaf by leaf; None where it is not known."""
    leaves, structure = jax.tree.flatten((args, kwargs))
    static = _Static(leaves, structure)
    try:
        hash(static)
        shapes = tracer.eval_shape(static, [leaves[place] for place in static.places])
    except (TypeError, jax.errors.ConcretizationTypeError):
        return None
    return [None if isinstance(shape, tuple) else shape.dtype for shape in shapes]


def _in_order_of(first: Any, second: Any) -> Any:
    """The second tree with the keys of its dicts in the order of the first's."""
    if type(first) is dict:
        return {key: _in_order_of(value, second[key]) for key, value in first.items()}
    if type(first) in (list, tuple):
        return type(first)(_in_order_of(a, b) for a, b in zip(first, second, strict=True))
    return second
