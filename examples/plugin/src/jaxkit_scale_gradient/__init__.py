"""A function's values with its gradients scaled, for jaxkit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

import jaxkit

__all__ = ["scale_gradient"]


@jaxkit.transform(tags=("changes_grad",))
def scale_gradient(fun: Callable[..., Any], *, factor: float = 1.0) -> Callable[..., Any]:
    """Leaves what a function returns as it is, and scales its derivatives.

    Example:
        >>> import jax
        >>> reverse = scale_gradient(lambda x: x**2, factor=-1.0)
        >>> float(reverse(3.0)), float(jax.grad(reverse)(3.0))
        (9.0, -6.0)

    Args:
        fun: Any function of JAX.
        factor: What derivatives are multiplied by: small for layers that should learn slowly, 0.0
            for none, -1.0 to reverse them.

    References:
        Gradient reversal: Ganin and Lempitsky, "Unsupervised Domain Adaptation by Backpropagation",
        ICML 2015.
    """

    @jax.custom_jvp
    def through(out: Any) -> Any:
        return out

    @through.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return primals[0], jax.tree.map(scaled, tangents[0])

    def scaled(tangent: Any) -> Any:
        return tangent if tangent.dtype == jax.dtypes.float0 else factor * tangent

    def with_scaled_gradient(*args: Any, **kwargs: Any) -> Any:
        return through(fun(*args, **kwargs))

    return with_scaled_gradient
