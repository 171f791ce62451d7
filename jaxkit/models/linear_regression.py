"""Linear regression, with the weights that a training run should arrive at."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Real

from jaxkit.models._checks import (
    Features,
    as_input,
    check_array,
    check_dtype,
    check_features,
    check_key,
    shape_of,
    wide,
)

__all__ = ["LinearRegression"]


class LinearRegression(eqx.Module):
    """An affine function, `weight @ x + bias`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> x = jax.random.normal(jax.random.key(0), (20, 2))
        >>> y = x @ jnp.array([2.0, -3.0]) + 1.0
        >>> model = LinearRegression.solve(x, y)
        >>> [round(float(each), 3) for each in (*model.weight, model.bias)]
        [2.0, -3.0, 1.0]
        >>> LinearRegression(2, "scalar", key=jax.random.key(1))(x[0]).shape
        ()

    Args:
        in_features: The size of an example, or `"scalar"`.
        out_features: The size of a prediction, or `"scalar"` for a single number: predictions of
            shape (batch, 1) beside targets of shape (batch,) broadcast to (batch, batch).
        key: For the weights and the bias, uniform within +-1/sqrt(in_features), those of
            `equinox.nn.Linear`.
        use_bias: Whether there is a bias.
        dtype: Of the parameters; JAX's default if None. Examples are cast to it.

    Raises:
        ValueError: A size that is no positive integer, or a dtype that is not floating-point.
        TypeError: `key` is no key.
    """

    linear: eqx.nn.Linear

    def __init__(
        self,
        in_features: Features,
        out_features: Features,
        *,
        key: PRNGKeyArray,
        use_bias: bool = True,
        dtype: Any = None,
    ) -> None:
        self.linear = eqx.nn.Linear(
            check_features("in_features", in_features),
            check_features("out_features", out_features),
            use_bias,
            dtype=check_dtype(dtype),
            key=check_key(key),
        )

    @property
    def weight(self) -> Float[Array, ...]:
        """The weights: (out, in), without the axes of what is a `"scalar"`."""
        layer = self.linear
        shape = (*shape_of(layer.out_features), *shape_of(layer.in_features))
        return layer.weight.reshape(shape)

    @property
    def bias(self) -> Float[Array, ...] | None:
        """The bias: (out,), or () where the output is a `"scalar"`; None if there is none."""
        layer = self.linear
        return None if layer.bias is None else layer.bias.reshape(shape_of(layer.out_features))

    def __call__(self, x: Real[Array, "*in"]) -> Float[Array, "*out"]:
        """The prediction for one example.

        Args:
            x: f[in], or f[] where in_features is `"scalar"`.

        Returns:
            f[out], or f[] where out_features is `"scalar"`.

        Raises:
            ValueError: Another shape; the message says how to call it on a batch.
            TypeError: No array of real numbers.
        """
        layer = self.linear
        return layer(as_input(x, shape_of(layer.in_features), layer.weight.dtype))

    @classmethod
    def solve(
        cls,
        x: Real[Array, "examples in"],
        y: Real[Array, "examples ..."],
        *,
        use_bias: bool = True,
    ) -> LinearRegression:
        """The model of the least mean squared error, in closed form.

        Example:
            >>> import jax.numpy as jnp
            >>> model = LinearRegression.solve(jnp.array([[0.0], [1.0]]), jnp.array([1.0, 3.0]))
            >>> round(float(model.weight[0]), 3), round(float(model.bias), 3)
            (2.0, 1.0)

        Args:
            x: Examples, f[examples, in].
            y: Targets, f[examples, out], or f[examples] for a model whose output is a `"scalar"`.
            use_bias: Whether the model has a bias.

        Returns:
            A model in the dtype of the data; float16 and bfloat16 are solved in float32. Where
            several models are best, as with fewer examples than features, the one of the smallest
            weights; the bias does not count as one.

        Raises:
            ValueError: The shapes are others, or do not agree.
            TypeError: No arrays of real numbers.

        References:
            Least squares by the singular value decomposition (`jax.numpy.linalg.lstsq`) of data
            from which its mean is taken, which loses less to rounding than a column of ones.
        """
        check_array(x, "x")
        check_array(y, "y")
        dtype = _common_dtype(x, y)
        wider = wide(dtype)
        vmap = "LinearRegression.solve"
        x = as_input(x, ("examples", "in"), wider, batched=vmap)
        examples, in_features = x.shape
        shape = (examples, "out") if jnp.ndim(y) > 1 else (examples,)
        y = as_input(y, shape, wider, name="y", batched=vmap)
        weight, bias = _solve(x, y, use_bias)
        out_features = "scalar" if y.ndim == 1 else y.shape[1]
        key = jax.random.key(0)  # its numbers are replaced
        model = cls(in_features, out_features, key=key, use_bias=use_bias, dtype=dtype)
        layer = model.linear
        weight = weight.T.reshape(layer.weight.shape).astype(dtype)
        model = eqx.tree_at(lambda each: each.linear.weight, model, weight)
        if layer.bias is None:
            return model
        bias = bias.reshape(layer.bias.shape).astype(dtype)
        return eqx.tree_at(lambda each: each.linear.bias, model, bias)


def _common_dtype(x: Any, y: Any) -> Any:
    """The wider of the two that are floating-point; JAX's default where none is."""
    dtypes = [jnp.result_type(each) for each in (x, y)]
    floating = [each for each in dtypes if jnp.issubdtype(each, jnp.floating)]
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*floating) if floating else jnp.result_type(float)


def _solve(x: jax.Array, y: jax.Array, use_bias: bool) -> tuple[jax.Array, jax.Array]:
    if not use_bias:
        return jnp.linalg.lstsq(x, y)[0], jnp.zeros(())
    x_mean, y_mean = jnp.mean(x, axis=0), jnp.mean(y, axis=0)
    weight = jnp.linalg.lstsq(x - x_mean[None], y - y_mean[None])[0]
    return weight, y_mean - x_mean @ weight
