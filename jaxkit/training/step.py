"""One step of training as one jitted program, and one of validation."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxkit.errors import MissingExtraError
from jaxkit.training.devices import Placement
from jaxkit.training.finite import all_finite
from jaxkit.training.loss import Loss
from jaxkit.training.scaling import LossScale
from jaxkit.training.state import State, initial, joined
from jaxkit.training.words import short, what
from jaxkit.transforms import Transform, chain

__all__ = ["OnNonfinite", "Out", "Program"]

OnNonfinite = Literal["stop", "skip", "raise"]


class Out(NamedTuple):
    """What a step returns beside the state, in arrays that no later step gives away.

    Args:
        metrics: `loss` and the others, one number each.
        bad: The step that was not finite and ended the run, -1 for none.
    """

    metrics: Any
    bad: Any


class Program:
    """The programs of a run.

    Args:
        loss: The user's loss.
        optimizer: An optax optimiser.
        static: What is no array of the model.
        transforms: Links put around the function of value and gradients.
        scale: The loss scale, or None.
        on_nonfinite: What becomes of a step that is not finite.
        placement: On which devices.
        donate: Whether a step may overwrite the state before it.

    Raises:
        MissingExtraError: optax is not installed.
        TypeError: `optimizer` is none of optax's.
    """

    def __init__(
        self,
        loss: Loss,
        optimizer: Any,
        *,
        static: Any,
        transforms: Sequence[Callable[..., Any]],
        scale: LossScale | None,
        on_nonfinite: OnNonfinite,
        placement: Placement,
        donate: bool,
    ) -> None:
        if on_nonfinite not in get_args(OnNonfinite):
            raise ValueError(
                "on_nonfinite must be 'stop', 'skip' or 'raise', got "
                f"on_nonfinite={short(on_nonfinite)}"
            )
        if scale is not None and not isinstance(scale, LossScale):
            raise TypeError(
                "loss_scale must be DynamicLossScale() or StaticLossScale(2.0**15), got "
                f"loss_scale={short(scale)} of type {type(scale).__name__}"
            )
        self.structure: Any = None  # of the state; known once there is one
        self._optax = _import_optax()
        self.optimizer = _checked(optimizer, self._optax)
        self._loss, self._static, self._scale = loss, static, scale
        self._links = chain(*_checked_links(transforms))
        self._skips = on_nonfinite == "skip"
        self._placement = placement
        self.step = placement.compile(self._train_step(), donate=donate, state=True)
        self.validate = placement.compile(self._validation_step(), donate=False, state=False)

    def initial(self, params: Any, frozen: Any, key: Any) -> State:
        """The state before the first step; its structure is that of every other."""
        scale = {} if self._scale is None else self._scale.init()
        state = initial(params, frozen, self.optimizer, scale, key)
        self.structure = jax.tree.structure(state)
        return state

    def _train_step(self) -> Callable[..., Any]:
        # Leaves, not a State: taking modules apart and putting them together is done in Python.
        def train_step(leaves: list[Any], batch: Any, weight: Any) -> tuple[list[Any], Out]:
            state = self.structure.unflatten(leaves)
            (value, metrics), grads = self.gradients(state, batch, weight)
            state = self._after(state, grads, value)
            return jax.tree.leaves(state), Out({"loss": value, **metrics}, state.bad)

        return train_step

    def gradients(self, state: State, batch: Any, weight: Any, *, split: bool = True) -> Any:
        """`((loss, metrics), gradients)` of a step, transforms applied.

        Args:
            state: The state before it.
            batch: The batch, or the part of it that a device has.
            weight: The weights of its rows; None where all are real.
            split: Whether it is a part where there are several devices.
        """
        key, mean = state.key, self._placement.mean if split else _same
        if key is not None:
            key = jax.random.fold_in(key, state.step)
            key = self._placement.key(key) if split else key
        scale = None if self._scale is None else state.scale["scale"]
        inner = self._loss.value_and_grad(state.frozen, self._static, key, scale, mean)
        return _head(self._links(inner)(state.params, batch, weight), self._loss.has_aux)

    def _after(self, old: State, grads: Any, value: Any) -> State:
        """The state after a step: the updated one, or the old where that is not to be applied."""
        fine, scale, lost = all_finite(grads), old.scale, jnp.bool_(False)
        if self._scale is not None:
            scale, lost = self._scale.update(old.scale, fine)
        finite = fine & jnp.isfinite(value)
        ends = ~finite & ~(lost & jnp.isfinite(value)) & (not self._skips)
        bad = jnp.where((old.bad < 0) & ends, old.step, old.bad)
        # Only the step that ends the run leaves everything as it was before it.
        goes_on = bad < 0
        # A choice for each number, not a branch: the update reads and writes them all anyway, and
        # XLA fuses nothing across a branch.
        applied, before = finite & goes_on, (old.params, old.optimizer)
        params, optimizer = jax.tree.map(
            lambda new, old: jnp.where(applied, new, old),
            self._updated(*before, grads, value),
            before,
        )
        return dataclasses.replace(
            old,
            step=old.step + goes_on.astype(jnp.int32),
            params=params,
            optimizer=optimizer,
            scale=jax.tree.map(lambda a, b: jnp.where(goes_on, a, b), scale, old.scale),
            bad=bad,
            skipped=old.skipped + (goes_on & ~finite).astype(jnp.int32),
        )

    def _updated(self, params: Any, state: Any, grads: Any, value: Any) -> tuple[Any, Any]:
        try:
            updates, new = self.optimizer.update(grads, state, params, value=value, grad=grads)
        except TypeError as error:
            _explain_missing(error)
            raise
        return self._optax.apply_updates(params, updates), jax.tree.map(_like, new, state)

    def _validation_step(self) -> Callable[..., Any]:
        def validation_step(leaves: list[Any], batch: Any, weight: Any) -> Any:
            state = self.structure.unflatten(leaves)
            model = joined(state.params, state.frozen, self._static)
            model = eqx.nn.inference_mode(model)
            key = None if state.key is None else self._placement.key(state.key)
            value, metrics = self._loss(model, batch, weight, key)
            return self._placement.mean({"loss": value, **metrics})

        return validation_step

    def may_pad(self, state: State) -> Callable[[Any, Any], bool]:
        """Asks whether the loss leaves padding out of all that it returns."""
        # Types only: the arrays are not kept.
        given = state.params, state.frozen, state.key
        types = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), given)

        def traced(given: Any, batch: Any, weight: Any) -> Any:
            params, frozen, key = given
            return self._loss(joined(params, frozen, self._static), batch, weight, key)

        def asked(batch: Any, weight: Any) -> bool:
            if self._loss.leaves_padding_out is None:
                jax.eval_shape(traced, types, batch, weight)
            return bool(self._loss.leaves_padding_out)

        return asked


def _import_optax() -> Any:
    try:
        import optax
    except ImportError as error:
        raise MissingExtraError("optax", "training") from error
    return optax


def _checked(optimizer: Any, optax: Any) -> Any:
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(
            "optimizer must be one of optax's, such as optax.adam(1e-3), got "
            f"optimizer={short(optimizer)} of type {type(optimizer).__name__}"
        )
    return optax.with_extra_args_support(optimizer)


def _explain_missing(error: TypeError) -> None:
    """Raises an error of ours where the optimiser asks for what a step cannot give it."""
    found = re.search(r"missing \d+ required keyword-only arguments?: (.+)", str(error))
    if found is None:
        return
    hint = ""
    if "'value_fn'" in found[1]:
        hint = (
            ": a line search takes the loss more than once a step; take one without, as "
            "optax.lbfgs(1e-2, linesearch=None)"
        )
    raise TypeError(
        f"fit gives an optimizer the gradients, value= and grad=, and this one needs {found[1]}, "
        f"too{hint}"
    ) from error


def _checked_links(transforms: Any) -> Sequence[Callable[..., Any]]:
    if isinstance(transforms, str) or callable(transforms) or not isinstance(transforms, Sequence):
        raise TypeError(
            "transforms must be a list of links, as in transforms=[clip], got "
            f"transforms={short(transforms)} of type {type(transforms).__name__}"
        )
    for link in transforms:
        _check_link(link)
    for link in chain(*transforms).links:
        if not isinstance(link, Transform) or "has_value" not in link.signature.parameters:
            continue
        if not link.options.get("has_value"):
            raise ValueError(
                f"{link} in transforms= is put around a function that returns (loss, gradients), "
                "and would take the loss for one of the gradients: give it has_value=True"
            )
    return transforms


def _check_link(link: Any) -> None:
    if hasattr(link, "init") and hasattr(link, "update"):
        raise TypeError(
            f"transforms are functions of functions, got one of optax's, {short(link)}: give it "
            "with the optimiser, as optimizer=optax.chain(optax.clip(1.0), optax.adam(1e-3))"
        )
    fun = link.func if isinstance(link, functools.partial) else link
    takes_gradients = jax.grad, jax.value_and_grad, eqx.filter_grad, eqx.filter_value_and_grad
    if any(fun is each for each in takes_gradients):
        raise TypeError(
            f"transforms are put around a function that returns (loss, gradients), which "
            f"{fun.__name__} cannot differentiate: leave it out, fit takes the gradients itself"
        )


def _head(result: Any, has_aux: bool) -> Any:
    """The result of the links as ((loss, metrics), gradients)."""
    form = "((loss, metrics), gradients)" if has_aux else "(loss, gradients)"
    fits = isinstance(result, tuple) and len(result) == 2
    if fits and has_aux:
        fits = isinstance(result[0], tuple) and len(result[0]) == 2
    if fits and not has_aux:
        fits = not isinstance(result[0], tuple)
    if not fits:
        raise TypeError(
            f"transforms must return {form} as the function under them does, got "
            f"{what(result)}: give a link has_value=True, and none with_norm=True"
        )
    return result if has_aux else ((result[0], {}), result[1])


def _same(tree: Any) -> Any:
    return tree


def _like(new: Any, old: Any) -> Any:
    """With the type that it began with, or the next step would be compiled again."""
    new = jnp.asarray(new)
    if jnp.issubdtype(new.dtype, jax.dtypes.prng_key):
        return new
    return jax.lax.convert_element_type(new, old.dtype)
