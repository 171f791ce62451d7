"""Clipping what a gradient function returns."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from jaxkit.transforms._clip_by_global_norm import AxisName
from jaxkit.transforms._clipper import By, Clipper, OnNonfinite, check_options
from jaxkit.transforms._transform import transform

__all__ = ["clip_gradients"]


def _validate(*, argnums: Any, **options: Any) -> None:
    check_options(**{name: options[name] for name in _CHECKED})
    for each in argnums if isinstance(argnums, tuple) else (argnums,):
        try:
            operator.index(each)
        except TypeError:
            raise TypeError(
                f"argnums must be an integer or a tuple of integers, as for jax.grad, "
                f"got argnums={argnums!r}"
            ) from None


_CHECKED = ("max_norm", "by", "on_nonfinite", "axis_name")


@transform(tags=("of_gradients", "changes_values", "changes_grad"), validate=_validate)
def clip_gradients(
    grad_fun: Callable[..., Any],
    *,
    max_norm: Any,
    by: By = "global_norm",
    on_nonfinite: OnNonfinite = "propagate",
    has_value: bool = False,
    has_aux: bool = False,
    with_norm: bool = False,
    axis_name: AxisName = None,
    argnums: int | tuple[int, ...] = 0,
) -> Callable[..., Any]:
    """Clips the gradients that a function returns, and leaves all else of its result as it is.

    Example:
        >>> import jax, jax.numpy as jnp, jaxkit
        >>> loss = lambda w: 50 * jnp.sum(w**2)
        >>> print(jaxkit.clip_gradients(jax.grad(loss), max_norm=1.0)(jnp.array([3.0, 4.0])))
        [0.6 0.8]
        >>> step = jaxkit.chain(
        ...     jax.value_and_grad,
        ...     jaxkit.clip_gradients(max_norm=1.0, has_value=True, with_norm=True),
        ...     jax.jit,
        ... )(loss)
        >>> (value, grads), norm = step(jnp.array([3.0, 4.0]))
        >>> print(value, grads, norm)
        1250.0 [0.6 0.8] 500.0

    Args:
        grad_fun: What `jax.grad`, `equinox.filter_grad` or, with `has_value`, `value_and_grad`
            returned; any function with such a result. Gradients with respect to several arguments
            are clipped together, as one tree.
        max_norm: The limit, a number of 0 or more, possibly traced; for `"adaptive"` the largest
            ratio of a gradient's norm to its parameter's.
        by: What is held to the limit: the norm of all entries (`"global_norm"`), of each leaf
            (`"leaf_norm"`), the magnitude of each entry (`"value"`), the norm of each unit against
            that of its parameters (`"adaptive"`), the norm of each row of a batch
            (`"per_example"`). See `clip_by_global_norm`, `clip_by_leaf_norm`, `clip_by_value`,
            `adaptive_clip`, `clip_per_example`.
        on_nonfinite: What becomes of gradients with a NaN or infinite entry. `"propagate"`: what
            the clip makes of them. `"zero"`: all gradients are zero, with `"per_example"` only
            that row's. `"raise"`: NonFiniteError, which names the leaf; needs values, so that a
            trace refuses it.
        has_value: `grad_fun` returns (value, gradients), as `jax.value_and_grad` makes it. The
            result alone could not tell this from gradients of two arguments.
        has_aux: As for `jax.grad`: the gradients stand before the auxiliary data,
            (gradients, aux). With `has_value` JAX puts those beside the value,
            ((value, aux), gradients), so that nothing changes for the gradients.
        with_norm: Whether to return (result, norm), with the norm before clipping beside what
            would be returned without: one number for `"global_norm"`, a tree of them for
            `"leaf_norm"` and `"adaptive"`, the largest magnitude for `"value"`, a vector for
            `"per_example"`. It is finite if, and only if, the gradients are.
        axis_name: For `"global_norm"` under `shard_map`: see `clip_by_global_norm`.
        argnums: For `"adaptive"`: the positional arguments that were differentiated, as given to
            `jax.grad`; there the parameters are found.

    Returns:
        A function with the arguments of `grad_fun` and its result, the gradients clipped. Called,
        it raises NonFiniteError and UsageError as said above, and TypeError for a result that is
        not the pair that `has_value` or `has_aux` says.

    Raises:
        TypeError: An option of another type.
        ValueError: An option with a value that it cannot have.

    References:
        optax's clipping functions and torch.nn.utils.clip_grad_norm_; the documentation has a
        table of where they differ.
    """
    clip = Clipper(max_norm, by, on_nonfinite, axis_name)

    def clipped(*args: Any, **kwargs: Any) -> Any:
        params = _differentiated(args, argnums) if by == "adaptive" else None
        result = grad_fun(*args, **kwargs)
        before, grads, after = _take_apart(result, has_value=has_value, has_aux=has_aux)
        grads, norm = clip(grads, params)
        whole = (*before, grads, *after) if before or after else grads
        return (whole, norm) if with_norm else whole

    return clipped


def _take_apart(
    result: Any, *, has_value: bool, has_aux: bool
) -> tuple[tuple[Any, ...], Any, tuple[Any, ...]]:
    """What stands before the gradients, the gradients, and what stands behind them."""
    if not has_value and not has_aux:
        return (), result, ()
    if not isinstance(result, tuple) or len(result) != 2:
        option, wanted, way_out = (
            ("has_value", "(value, gradients)", "wrap jax.value_and_grad")
            if has_value
            else ("has_aux", "(gradients, aux)", "give has_aux=True to jax.grad as well")
        )
        raise TypeError(
            f"with {option}=True the function must return {wanted}, "
            f"got {type(result).__name__}: {way_out}, or leave {option} out"
        )
    first, second = result
    return ((first,), second, ()) if has_value else ((), first, (second,))


def _differentiated(args: tuple[Any, ...], argnums: int | tuple[int, ...]) -> Any:
    """The arguments that the gradients belong to, in their structure."""
    try:
        return tuple(args[i] for i in argnums) if isinstance(argnums, tuple) else args[argnums]
    except IndexError:
        raise TypeError(
            f"by='adaptive' finds the parameters among the positional arguments, "
            f"got argnums={argnums} and {len(args)} positional arguments"
        ) from None
