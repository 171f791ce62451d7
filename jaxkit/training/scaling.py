"""Loss scales: gradients of float16 that would be too small are made larger on their way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxkit.training.words import short

__all__ = ["DynamicLossScale", "LossScale", "StaticLossScale", "check_compute_dtype"]


@dataclass(frozen=True)
class StaticLossScale:
    """One factor for the whole run.

    Example:
        >>> StaticLossScale(1024.0)
        StaticLossScale(scale=1024.0)

    Args:
        scale: What the loss is multiplied by before it is differentiated; gradients are divided
            by it. Powers of two lose nothing.

    Raises:
        ValueError: It is not positive.

    References:
        Micikevicius et al. 2018, Mixed precision training, https://arxiv.org/abs/1710.03740
    """

    scale: float = 2.0**15

    def __post_init__(self) -> None:
        _positive("scale", self.scale)

    def init(self) -> dict[str, Any]:
        """The state before the first step."""
        return {"scale": jnp.float32(self.scale)}

    def update(self, state: dict[str, Any], finite: Any) -> tuple[dict[str, Any], Any]:
        """The next state, and whether the step's gradients were lost to the scale: never."""
        return state, jnp.bool_(False)


@dataclass(frozen=True)
class DynamicLossScale:
    """A factor that falls when gradients overflow and grows when they have not for a while.

    A step whose gradients overflow is not applied and counted in `result.report`; training goes on
    with the smaller factor. Only at the smallest it is up to `on_nonfinite`.

    Example:
        >>> DynamicLossScale(initial=1024.0).init()["scale"]
        Array(1024., dtype=float32)

    Args:
        initial: The first factor.
        factor: By how much it grows and falls.
        every: After how many steps without overflow it grows.
        smallest: It does not fall below.

    Raises:
        ValueError: A number that is not positive, or a factor of 1 or less.

    References:
        Micikevicius et al. 2018, Mixed precision training, https://arxiv.org/abs/1710.03740;
        torch.amp.GradScaler has the same rule.
    """

    initial: float = 2.0**15
    factor: float = 2.0
    every: int = 2000
    smallest: float = 1.0

    def __post_init__(self) -> None:
        for name in ("initial", "every", "smallest"):
            _positive(name, getattr(self, name))
        _positive("factor", self.factor)
        if not self.factor > 1:
            raise ValueError(f"factor must be more than 1, got factor={short(self.factor)}")

    def init(self) -> dict[str, Any]:
        """The state before the first step."""
        return {"scale": jnp.float32(self.initial), "good": jnp.int32(0)}

    def update(self, state: dict[str, Any], finite: Any) -> tuple[dict[str, Any], Any]:
        """The next state, and whether the step's gradients were lost to the scale.

        Args:
            state: What `init` or `update` returned.
            finite: Whether the gradients are.
        """
        scale, good = state["scale"], state["good"] + 1
        grow = good >= self.every
        larger = jnp.minimum(scale * self.factor, jnp.float32(2.0**120))
        kept = jnp.where(grow, larger, scale)
        smaller = jnp.maximum(scale / self.factor, self.smallest)
        new = {
            "scale": jnp.where(finite, kept, smaller).astype(jnp.float32),
            "good": jnp.where(finite & ~grow, good, 0).astype(jnp.int32),
        }
        return new, ~finite & (scale > self.smallest)


LossScale = StaticLossScale | DynamicLossScale


def check_compute_dtype(dtype: Any) -> Any:
    """What model and batch are cast to for the loss; None for as they are.

    Args:
        dtype: What was given.

    Raises:
        ValueError: It is no dtype of floating-point numbers, or one of 64 bits while JAX has 32.
    """
    if dtype is None:
        return None
    try:
        known = jnp.dtype(dtype)
    except TypeError:
        known = None
    if known is None or not jnp.issubdtype(known, jnp.floating):
        raise ValueError(
            "compute_dtype must be a dtype of floating-point numbers, such as jnp.bfloat16, got "
            f"compute_dtype={short(dtype)}"
        )
    if known == jnp.float64 and jnp.result_type(float) != jnp.float64:
        raise ValueError(
            "compute_dtype=float64 needs JAX in 64 bits, and it is in 32: call "
            "jax.config.update('jax_enable_x64', True) first, or take float32"
        )
    return known


def _positive(name: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive number, got {name}={short(value)}")
