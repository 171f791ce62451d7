"""What a transform is tried on: a function with arguments for it, new ones for each call."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.testing._compare import copied, is_float

__all__ = ["Subject", "default_subjects", "is_array", "stack", "unstack"]


@dataclass(frozen=True)
class Subject:
    """A function and arguments for it.

    Example:
        >>> import jax.numpy as jnp
        >>> subject = Subject(jnp.tanh, (jnp.ones(3),))
        >>> subject.name
        'tanh'

    Args:
        fun: Any function that a transform may be put on.
        args: Positional arguments for the wrapped function.
        kwargs: Arguments by name.
        name: What messages call it; the function's name if left out.
    """

    fun: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        if not callable(self.fun):
            raise TypeError(f"fun must be a function, got fun={self.fun!r}")
        object.__setattr__(self, "args", tuple(self.args))
        if not self.name:
            object.__setattr__(self, "name", getattr(self.fun, "__name__", type(self.fun).__name__))

    def inputs(self, variant: int = 0) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """New arguments; those of another variant have the same types and other values."""
        args, kwargs = copied(self.args), copied(dict(self.kwargs))
        if variant:
            args, kwargs = jax.tree_util.tree_map(lambda x: _varied(x, variant), (args, kwargs))
        return args, kwargs

    def with_fun(self, fun: Callable[..., Any]) -> Subject:
        """The same arguments for another function."""
        return Subject(fun, self.args, self.kwargs, self.name)

    def around(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        """A plain function with the signature of `fun` that calls `inner` with what it is given."""

        def delegate(*args: Any, **kwargs: Any) -> Any:
            return inner(*args, **kwargs)

        functools.update_wrapper(delegate, self.fun, updated=())
        del delegate.__wrapped__  # a transform may look at it, but would find another function
        with contextlib.suppress(TypeError, ValueError):
            delegate.__signature__ = inspect.signature(self.fun)
        return delegate


def default_subjects(level: str) -> tuple[Subject, ...]:
    """Functions whose result is a tree like their first argument, as a gradient is."""

    def smooth(x: Any, y: Any) -> Any:
        """A smooth function of two vectors."""
        return jnp.tanh(x) * y + x

    def tree(params: Any, scale: Any) -> Any:
        """A tree for a tree."""
        return {"w": params["w"] @ params["w"] * scale, "b": params["b"] ** 2}

    def looped(x: Any, y: Any) -> Any:
        """A loop with a branch in it."""

        def body(carry: Any, _: Any) -> tuple[Any, Any]:
            return jax.lax.cond(carry.sum() > 0, lambda c: c * y, lambda c: c - y, carry), None

        return jax.lax.scan(body, x, None, length=3)[0]

    x = np.array([0.5, -1.25, 2.0], np.float32)
    y = np.array([1.5, 0.75, -0.5], np.float32)
    w = np.array([[0.5, -1.0], [2.0, 0.25]], np.float32)
    chosen = [Subject(smooth, (jnp.asarray(x), jnp.asarray(y)))]
    if level != "quick":
        params = {"w": jnp.asarray(w), "b": jnp.asarray(x)}
        chosen.append(Subject(tree, (params, jnp.float32(1.5))))
    if level == "full":
        chosen.append(Subject(looped, (jnp.asarray(x), jnp.asarray(y))))
    return tuple(chosen)


def stack(trees: Sequence[Any], axis: int = 0) -> Any:
    """Trees of one structure as one tree with a new axis; leaves that are no arrays stay."""
    return jax.tree_util.tree_map(
        lambda *xs: _stacked(xs, axis) if is_array(xs[0]) else xs[0], *trees
    )


def unstack(tree: Any, index: int) -> Any:
    """What `stack` put at an index of the first axis."""
    return jax.tree_util.tree_map(lambda x: x[index] if is_array(x) else x, tree)


def is_array(x: Any) -> bool:
    """Whether it is an array of JAX's or NumPy's."""
    return isinstance(x, (jax.Array, np.ndarray, np.generic))


def _stacked(xs: Sequence[Any], axis: int) -> Any:
    if jnp.issubdtype(xs[0].dtype, jax.dtypes.prng_key):
        return jnp.stack(xs, axis)
    return jnp.asarray(np.stack([np.asarray(x) for x in xs], axis))


def _varied(x: Any, variant: int) -> Any:
    if not is_array(x):
        return x
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return jax.random.fold_in(x, variant) if x.ndim == 0 else x
    if not is_float(x):
        return x
    values = np.asarray(x)
    values = (values * (1 + 0.25 * variant)).astype(values.dtype)
    if isinstance(x, np.ndarray):
        return values
    return jax.device_put(values, x.sharding if x.committed else None)
