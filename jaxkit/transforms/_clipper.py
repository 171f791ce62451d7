"""One way of clipping with its options, as `clip_gradients` and `as_optax` use it."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax import lax

from jaxkit.transforms._adaptive_clip import adaptive_clip
from jaxkit.transforms._clip_by_global_norm import AxisName, clip_by_global_norm
from jaxkit.transforms._clip_by_leaf_norm import clip_by_leaf_norm
from jaxkit.transforms._clip_by_value import clip_by_value
from jaxkit.transforms._clip_per_example import clip_per_example
from jaxkit.transforms._finite_gradients import raise_if_not_finite
from jaxkit.transforms._gradient_leaves import Leaves, wide_dtype
from jaxkit.transforms._limit import check_limit

__all__ = ["By", "Clipper", "OnNonfinite", "check_options"]

By = Literal["global_norm", "leaf_norm", "value", "adaptive", "per_example"]
OnNonfinite = Literal["propagate", "zero", "raise"]


def check_options(*, max_norm: Any, by: Any, on_nonfinite: Any, axis_name: AxisName = None) -> None:
    """Refuses options that make no sense.

    Raises:
        TypeError: `max_norm` is no number.
        ValueError: An option has a value that it cannot have; the message says which it may have.
    """
    check_limit("max_norm", max_norm)
    _check_choice("by", by, get_args(By))
    _check_choice("on_nonfinite", on_nonfinite, get_args(OnNonfinite))
    if axis_name is not None and by != "global_norm":
        raise ValueError(
            f"axis_name is for by='global_norm', got axis_name={axis_name!r} with by={by!r}: "
            f"leave it out, or gather the gradients first"
        )


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        allowed = ", ".join(map(repr, choices))
        raise ValueError(f"{name} must be one of {allowed}, got {name}={value!r}")


@dataclass(frozen=True)
class Clipper:
    """Clips a tree of gradients.

    Args:
        max_norm: The limit; for `adaptive` the largest ratio.
        by: What is held to it.
        on_nonfinite: What becomes of gradients with NaN or infinite entries.
        axis_name: See `clip_by_global_norm`.
    """

    max_norm: Any
    by: By
    on_nonfinite: OnNonfinite
    axis_name: AxisName = None

    def __call__(self, grads: Any, params: Any = None) -> tuple[Any, Any]:
        """The clipped gradients, and what was compared with the limit.

        Args:
            grads: The gradients.
            params: The parameters, for `adaptive`.

        Returns:
            The clipped tree, and: one norm (`global_norm`); a tree of norms (`leaf_norm`,
            `adaptive`); the largest magnitude of an entry (`value`); a vector of norms
            (`per_example`).

        Raises:
            NonFiniteError: An entry is not finite and `on_nonfinite` is `raise`.
            UsageError: `on_nonfinite` is `raise` and the gradients are traced.
        """
        if self.on_nonfinite == "raise":
            raise_if_not_finite(grads)
        clipped, norm = self._clip(grads, params)
        if self.on_nonfinite == "zero":
            clipped = _zero_where_not_finite(clipped, norm, rows=self.by == "per_example")
        return clipped, norm

    def _clip(self, grads: Any, params: Any) -> tuple[Any, Any]:
        if self.by == "global_norm":
            return clip_by_global_norm(grads, self.max_norm, self.axis_name)
        if self.by == "leaf_norm":
            return clip_by_leaf_norm(grads, self.max_norm)
        if self.by == "adaptive":
            return adaptive_clip(grads, params, self.max_norm)
        if self.by == "per_example":
            return clip_per_example(grads, self.max_norm)
        return clip_by_value(grads, self.max_norm), _largest(Leaves(grads, "gradients").arrays)


@jax.jit
def _largest(arrays: tuple[Any, ...]) -> jax.Array:
    """The largest magnitude of an entry, in the dtype of a norm; infinite or NaN as norms are."""
    dtype = wide_dtype(arrays)
    found = [jnp.max(_magnitudes(jnp.asarray(x)), initial=0).astype(dtype) for x in arrays]
    return jnp.max(jnp.stack(found)) if found else jnp.zeros((), dtype)


def _magnitudes(x: jax.Array) -> jax.Array:
    size = jnp.abs(x)
    largest = float(jnp.finfo(size.dtype).max)
    return jnp.where(jnp.isinf(size) & jnp.isfinite(x), largest, size)


def _zero_where_not_finite(clipped: Any, norms: Any, *, rows: bool) -> Any:
    """All zero if a norm is not finite; with `rows`, where each has its norm, only those rows."""
    leaves = Leaves(clipped, "gradients")
    return leaves.rebuild(_zero(leaves.arrays, jax.tree.leaves(norms), rows=rows))


@functools.partial(jax.jit, static_argnames="rows")
def _zero(arrays: Sequence[Any], norms: Sequence[jax.Array], *, rows: bool) -> list[jax.Array]:
    finite = [jnp.isfinite(norm) for norm in norms]
    if not rows:
        finite = [functools.reduce(jnp.logical_and, map(jnp.all, finite), jnp.asarray(True))]
    return [_keep(jnp.asarray(array), finite[0]) for array in arrays]


def _keep(x: jax.Array, where: jax.Array) -> jax.Array:
    if where.ndim:
        where = jnp.broadcast_to(lax.expand_dims(where, range(1, x.ndim)), x.shape)
    return lax.select(where, x, lax.full_like(x, 0))
