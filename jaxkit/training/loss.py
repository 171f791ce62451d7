"""The user's loss as one function of parameters, batch and mask that returns numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.training.scaling import check_compute_dtype
from jaxkit.training.state import joined
from jaxkit.training.words import short, what

__all__ = ["Loss"]


class Loss:
    """The loss as the user wrote it, and how it is called.

    Args:
        fun: `loss(model, batch)`, with a third argument for the key if there is one, and one named
            `mask` if it wants it.
        keyed: Whether there is a key.
        has_aux: Whether it returns (loss, metrics).
        dtype: What model and batch are cast to; None for as they are.

    Raises:
        TypeError: It cannot be called so.
    """

    def __init__(self, fun: Callable[..., Any], *, keyed: bool, has_aux: bool, dtype: Any) -> None:
        if not callable(fun):
            raise TypeError(f"loss must be a function, got loss={short(fun)}")
        self.name = getattr(fun, "__name__", type(fun).__name__)
        self.has_aux = has_aux
        self._fun = fun
        self._dtype = check_compute_dtype(dtype)
        self._keyed = keyed
        self._key_name, self.takes_mask = _how_called(fun, self.name, keyed)
        # Whether padding is left out of every result; known once it has been traced.
        self.leaves_padding_out: bool | None = None

    def __call__(self, model: Any, batch: Any, weight: Any, key: Any) -> tuple[Any, dict[str, Any]]:
        """The loss and the metrics, each one number in float32 or wider.

        Args:
            model: The model.
            batch: A batch.
            weight: `f32[batch]`: 0 for padding, and else what makes the mean of all rows that of
                the real ones, so that means of parts of the batch can be averaged. None where all
                rows are real.
            key: The key of this step, or None.
        """
        if self._dtype is not None:
            model, batch = (jax.tree.map(self._cast, tree) for tree in (model, batch))
        args, kwargs = [model, batch], {}
        if self._keyed and self._key_name is None:
            args.append(key)
        elif self._keyed:
            kwargs[self._key_name] = key
        if self.takes_mask:
            kwargs["mask"] = _mask(batch, weight)
        value, metrics = self._taken_apart(self._fun(*args, **kwargs))
        given = [("the loss", value), *((f"metric {name!r}", x) for name, x in metrics.items())]
        for called, x in given:
            _check_kind(called, x, self.name)
        self.leaves_padding_out = self.takes_mask or all(jnp.ndim(x) == 1 for _, x in given)
        reduced = [_number(called, x, weight, whole=not self.takes_mask) for called, x in given]
        return reduced[0], dict(zip(metrics, reduced[1:], strict=True))

    def value_and_grad(
        self, frozen: Any, static: Any, key: Any, scale: Any, mean: Callable[[Any], Any]
    ) -> Callable[..., Any]:
        """The function that transforms are put around; it returns as `jax.value_and_grad` does.

        Args:
            frozen: Arrays of the model that are not trained.
            static: The rest of the model.
            key: The key of this step, or None.
            scale: The factor of the loss while it is differentiated, or None.
            mean: The mean over devices that each run a part of the batch.
        """
        factor = 1.0 if scale is None else scale

        def scaled(params: Any, batch: Any, weight: Any) -> Any:
            value, metrics = self(joined(params, frozen, static), batch, weight, key)
            return (value if scale is None else value * factor), (value, metrics)

        def loss(model: Any, batch: Any, mask: Any) -> Any:
            (_, head), grads = jax.value_and_grad(scaled, has_aux=True)(model, batch, mask)
            if scale is not None:
                grads = jax.tree.map(lambda g: (g / factor).astype(g.dtype), grads)
            (value, metrics), grads = mean((head, grads))
            return ((value, metrics) if self.has_aux else value), grads

        return loss

    def _cast(self, leaf: Any) -> Any:
        real = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
        return jnp.asarray(leaf, self._dtype) if real else leaf

    def _taken_apart(self, out: Any) -> tuple[Any, dict[str, Any]]:
        if not self.has_aux:
            if isinstance(out, (tuple, dict)):
                raise TypeError(
                    f"loss must return one number, or one for each example, got {self.name}() -> "
                    f"{type(out).__name__}: give has_aux=True if it returns (loss, metrics)"
                )
            return out, {}
        pair = isinstance(out, tuple) and len(out) == 2
        if not pair or not isinstance(out[1], Mapping):
            raise TypeError(
                "with has_aux=True loss must return (loss, metrics), metrics a dict, got "
                f"{self.name}() -> {what(out)}"
            )
        if "loss" in out[1]:
            raise ValueError("metrics have the name 'loss', which is the loss's own: rename it")
        return out[0], dict(out[1])


def _mask(batch: Any, weight: Any) -> Any:
    if weight is None:
        return jnp.ones(jnp.shape(jax.tree.leaves(batch)[0])[0], jnp.float32)
    real = weight > 0
    # A part that is all padding counts nothing, but its mean over no rows would be 0 / 0, which a
    # gradient keeps whatever it is multiplied by: its rows, which repeat a real one, stand for it.
    return (real | ~real.any()).astype(jnp.float32)


def _check_kind(called: str, value: Any, name: str) -> None:
    """Refuses what is no array of numbers, and a loss that has no gradient."""
    form, is_loss = "one number, or one for each example", called == "the loss"
    if not isinstance(value, (bool, int, float, complex, np.generic, np.ndarray, jax.Array)):
        if is_loss:
            raise TypeError(f"loss must return {form}, got {name}() -> {what(value)}")
        raise TypeError(
            f"metrics must be {form}, got {what(value)} for {called} of {name}(): give each number "
            "a name of its own, and nothing else"
        )
    dtype = getattr(value, "dtype", None)
    dtype = jnp.result_type(value) if dtype is None else dtype
    real = jnp.issubdtype(dtype, jnp.floating)
    counts = jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, np.bool_)
    if real or (counts and not is_loss):
        return
    if counts:
        hint = "it has no gradient; what is counted belongs into the metrics (has_aux=True)"
    else:
        hint = "take a real part, or an absolute value"
    which = "loss must be of floating-point numbers" if is_loss else "metrics must be real numbers"
    of = "" if is_loss else f" for {called}"
    raise TypeError(f"{which}, got {dtype}{of} from {name}(): {hint}")


def _number(called: str, value: Any, weight: Any, *, whole: bool) -> Any:
    """One number of a result: the mean of the real rows where there is one for each row.

    Args:
        called: What messages call it.
        value: What the loss returned.
        weight: As in `Loss`.
        whole: Whether one number is that of all rows, not the mean of those that the mask leaves.
    """
    value = jnp.asarray(value)
    narrow = not jnp.issubdtype(value.dtype, jnp.floating) or jnp.finfo(value.dtype).bits < 32
    value = value.astype(jnp.float32) if narrow else value
    if value.ndim == 0:
        if whole or weight is None:
            return value
        # The mean of the real rows of this part; of all parts, it counts as many as those are.
        share = jnp.mean(weight).astype(value.dtype)
        return jnp.where(share > 0, value * share, 0)
    if weight is None:
        return jnp.mean(value)
    if value.shape != weight.shape:
        raise ValueError(
            f"loss must return one number, or one for each of the {weight.shape[0]} examples of a "
            f"batch, got shape {value.shape} for {called}: take the mean of the other axes"
        )
    return jnp.mean(jnp.where(weight > 0, value, 0) * weight.astype(value.dtype))


def _how_called(fun: Callable[..., Any], name: str, keyed: bool) -> tuple[str | None, bool]:
    """The name that the key is passed by, None for its place; whether it takes a mask."""
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        return None, False
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = {each.name for each in signature.parameters.values() if each.kind in by_name}
    key_name, takes_mask = ("key" if "key" in named else None), "mask" in named
    args = [None, None] + ([None] if keyed and key_name is None else [])
    kwargs = {
        each: None for each, wanted in (("key", keyed and key_name), ("mask", takes_mask)) if wanted
    }
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        form = "loss(model, batch, key)" if keyed else "loss(model, batch)"
        hint = "" if keyed else "; give key= if it needs a random key"
        raise TypeError(f"loss is called as {form}, got {name}{signature}: {error}{hint}") from None
    return key_name, takes_mask
