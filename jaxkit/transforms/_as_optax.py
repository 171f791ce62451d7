"""Our ways of clipping where an optax chain is wanted."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxkit.errors import MissingExtraError
from jaxkit.transforms._clip_by_global_norm import AxisName
from jaxkit.transforms._clipper import By, Clipper, OnNonfinite, check_options

if TYPE_CHECKING:
    import optax

__all__ = ["as_optax"]


def as_optax(
    *,
    max_norm: Any,
    by: By = "global_norm",
    on_nonfinite: OnNonfinite = "propagate",
    axis_name: AxisName = None,
) -> optax.GradientTransformation:
    """Clipping as a link of an optax chain.

    Example:
        >>> import jax.numpy as jnp, jaxkit, optax
        >>> optimizer = optax.chain(jaxkit.as_optax(max_norm=1.0), optax.sgd(10.0))
        >>> params = jnp.zeros(2)
        >>> updates, _ = optimizer.update(jnp.array([3e20, 4e20]), optimizer.init(params), params)
        >>> print(updates.round())
        [-6. -8.]

    Args:
        max_norm: See `clip_gradients`.
        by: See `clip_gradients`. For `"adaptive"`, `update` needs the parameters; with
            `"per_example"` the updates have the examples along their first axis, before and after.
        on_nonfinite: See `clip_gradients`.
        axis_name: See `clip_gradients`.

    Returns:
        An `optax.GradientTransformation` without state.

    Raises:
        MissingExtraError: optax is not installed.
        TypeError: An option of another type.
        ValueError: An option with a value that it cannot have.
    """
    check_options(max_norm=max_norm, by=by, on_nonfinite=on_nonfinite, axis_name=axis_name)
    try:
        import optax
    except ImportError as error:
        raise MissingExtraError("optax", "optax") from error
    clip = Clipper(max_norm, by, on_nonfinite, axis_name)

    def init(params: Any) -> optax.EmptyState:
        return optax.EmptyState()

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        if by == "adaptive" and params is None:
            raise ValueError(
                "by='adaptive' compares gradients with parameters: "
                "call update(updates, state, params)"
            )
        return clip(updates, params)[0], state

    return optax.GradientTransformation(init, update)
