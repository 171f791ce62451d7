"""A recurrent network of gated units for sequences."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PRNGKeyArray, Real

from jaxkit.models._checks import (
    as_input,
    check_array,
    check_dtype,
    check_key,
    check_shape,
    check_size,
)

__all__ = ["GRU"]


class GRU(eqx.Module):
    """A gated recurrent unit that goes through a sequence, and a linear layer on its states.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = GRU(3, 2, width=8, key=jax.random.key(0))
        >>> x = jax.random.normal(jax.random.key(1), (5, 3))
        >>> model(x).shape
        (5, 2)
        >>> padded = jnp.concatenate([x, jnp.full((4, 3), jnp.nan)])
        >>> bool(jnp.allclose(model(padded, length=5)[-1], model(x)[-1]))
        True

    Args:
        in_features: The size of a step's input.
        out_features: The size of a step's output.
        width: The size of the state.
        key: For the parameters: those of `equinox.nn.GRUCell`, uniform within +-1/sqrt(width), as
            in PyTorch; of the linear layer likewise.
        dtype: Of the parameters; JAX's default if None. Sequences are cast to it.

    Raises:
        ValueError: A size that is no positive integer, or a dtype that is not floating-point.
        TypeError: `key` is no key.

    References:
        Cho et al.: Learning phrase representations using RNN encoder-decoder, 2014,
        arXiv:1406.1078. As in cuDNN the reset gate comes after the matrix product, and 1 - z and z
        are exchanged.
    """

    cell: eqx.nn.GRUCell
    readout: eqx.nn.Linear

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int,
        *,
        key: PRNGKeyArray,
        dtype: Any = None,
    ) -> None:
        in_features = check_size("in_features", in_features)
        out_features = check_size("out_features", out_features)
        width, dtype = check_size("width", width), check_dtype(dtype)
        first, second = jax.random.split(check_key(key))
        self.cell = eqx.nn.GRUCell(in_features, width, dtype=dtype, key=first)
        self.readout = eqx.nn.Linear(width, out_features, dtype=dtype, key=second)

    def initial_state(self) -> Float[Array, " width"]:
        """The state before the first step: zeros."""
        return jnp.zeros(self.cell.hidden_size, self.readout.weight.dtype)

    def __call__(
        self,
        x: Real[Array, "time in"],
        *,
        length: int | Int[Array, ""] | None = None,
        state: Real[Array, " width"] | None = None,
    ) -> Float[Array, "time out"]:
        """The output of each step of one sequence.

        Args:
            x: f[time, in].
            length: How many of the steps are real. What comes after them is not looked at, may be
                NaN, and has zero gradients; its outputs are that of the last real step, so that
                `model(x, length=n)[-1]` is what a classifier needs. All are real if None. Where it
                is traced, what is out of range counts as the nearest that is not.
            state: f[width], the state to begin with; zeros if None.

        Returns:
            f[time, out].

        Raises:
            ValueError: Another shape; the message says how to call it on a batch. A length below 0
                or above time.
            TypeError: No array of real numbers.
        """
        x = as_input(x, ("time", self.cell.input_size), self.readout.weight.dtype)
        real = jnp.arange(x.shape[0]) < _check_length(length, x.shape[0])
        x = jnp.where(real[:, None], x, 0)  # no gradient of a NaN that is padding
        states = _unroll(self.cell, self._state(state), x, real)
        return jax.vmap(self.readout)(states)

    def step(
        self, x: Real[Array, " in"], state: Real[Array, " width"]
    ) -> tuple[Float[Array, " out"], Float[Array, " width"]]:
        """One step, for sequences that are not there as a whole.

        Example:
            >>> import jax, jax.numpy as jnp
            >>> model = GRU(1, 1, width=4, key=jax.random.key(0))
            >>> state = model.initial_state()
            >>> for x in jnp.ones((3, 1)):
            ...     y, state = model.step(x, state)
            >>> bool(jnp.allclose(y, model(jnp.ones((3, 1)))[-1]))
            True

        Args:
            x: f[in], the step's input.
            state: f[width], the state before it.

        Returns:
            The step's output, f[out], and the state after it, f[width].

        Raises:
            ValueError: Another shape.
            TypeError: No array of real numbers.
        """
        x = as_input(x, (self.cell.input_size,), self.readout.weight.dtype)
        state = self.cell(x, self._state(state))
        return self.readout(state), state

    def _state(self, state: Any) -> jax.Array:
        if state is None:
            return self.initial_state()
        width = self.cell.hidden_size
        return as_input(state, (width,), self.readout.weight.dtype, name="state")


@jax.jit  # outside of a jit, a scan over a new function is compiled for each call
def _unroll(cell: eqx.nn.GRUCell, state: jax.Array, x: jax.Array, real: jax.Array) -> jax.Array:
    """The state after each step; one that is not real leaves it as it is."""

    def advance(state: jax.Array, step: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        x, real = step
        state = jnp.where(real, cell(x, state), state)
        return state, state

    return jax.lax.scan(advance, state, (x, real))[1]


def _check_length(length: Any, time: int) -> Any:
    if length is None:
        return time
    check_array(length, "length")
    if not jnp.issubdtype(jnp.result_type(length), jnp.integer):
        raise TypeError(f"length must be an integer, got dtype {jnp.result_type(length)}")
    check_shape(length, (), "length")
    if not isinstance(length, Tracer) and not 0 <= int(length) <= time:
        raise ValueError(
            f"length must be from 0 to the {time} steps that there are, got length={int(length)}"
        )
    return length
