"""`fit`: a training loop from a loss, an optimiser and batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any

from jaxkit._jax.tracing import trace_kind
from jaxkit.compiles.log import CompileLog
from jaxkit.errors import UsageError
from jaxkit.training.bar import Bar
from jaxkit.training.checkpoint import Checkpoints, Store
from jaxkit.training.compiled import watch_here
from jaxkit.training.data import Data, Ragged
from jaxkit.training.devices import Parallel, Placement, placement_of
from jaxkit.training.event import Progress
from jaxkit.training.loop import Loop
from jaxkit.training.loss import Loss
from jaxkit.training.plan import Plan
from jaxkit.training.result import Result
from jaxkit.training.scaling import LossScale
from jaxkit.training.signals import Signals
from jaxkit.training.state import State, check_given, check_key, split
from jaxkit.training.step import OnNonfinite, Program
from jaxkit.training.stopping import EarlyStopping
from jaxkit.training.summary import report_of
from jaxkit.training.validation import Validation
from jaxkit.training.words import short

__all__ = ["fit"]

Batches = Iterable[Any] | Callable[[int], Iterable[Any]]


def fit(
    model: Any,
    loss: Callable[..., Any],
    batches: Batches,
    optimizer: Any,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    key: Any = None,
    has_aux: bool = False,
    transforms: Sequence[Callable[..., Any]] = (),
    ragged: Ragged = "pad",
    validation: Batches | None = None,
    validate_every: int | None = None,
    metric: str = "loss",
    callbacks: Sequence[Callable[[Progress], Any]] = (),
    early_stopping: EarlyStopping | None = None,
    checkpoints: Checkpoints | None = None,
    resume: bool = True,
    devices: Any = None,
    parallel: Parallel = "sharding",
    loss_scale: LossScale | None = None,
    compute_dtype: Any = None,
    on_nonfinite: OnNonfinite = "stop",
    log_every: int = 50,
    progress: bool | None = None,
    donate: bool = True,
) -> Result:
    """Trains a model: one jitted step over batches, compiled once, and all that a long run needs.

    The step is value and gradients of the loss, the `transforms` around them, a check that they are
    finite, and the optimiser. Nothing in the loop waits for the device, except once in
    `log_every` steps. The model that was given is not touched.

    Example:
        >>> import equinox as eqx, jax, jax.numpy as jnp, numpy as np, optax, jaxkit
        >>> from jaxkit.training import fit
        >>> model = eqx.nn.Linear(2, 1, key=jax.random.key(0))
        >>> x = np.random.default_rng(0).normal(size=(70, 2)).astype(np.float32)
        >>> y = x @ np.float32([[1.0], [-2.0]])
        >>> batches = [(x[i : i + 16], y[i : i + 16]) for i in range(0, 70, 16)]  # the last has 6
        >>> def loss(model, batch):
        ...     x, y = batch
        ...     return jnp.square(jax.vmap(model)(x) - y)[:, 0]  # one for each example
        >>> clip = jaxkit.clip_gradients(max_norm=1.0, has_value=True)
        >>> result = fit(model, loss, batches, optax.adam(0.1), epochs=40, transforms=[clip])
        >>> result.step, result.stopped, result.history[-1]["loss"] < 0.01
        (200, 'finished', True)
        >>> [event.function.name for event in result.compiles.events].count("train_step")
        1

    Args:
        model: A pytree, such as an Equinox module. Its arrays of floating-point numbers are
            trained, its other arrays are kept as they are.
        loss: `loss(model, batch)`, or `loss(model, batch, key)` with `key=`. It returns one number,
            or one for each example, `f[batch]`, of which the mean is taken. An argument named
            `mask`, `f32[batch]`, is 1 for real rows and 0 for padding; what such a loss returns as
            one number is the mean over the real rows.
        batches: What is gone through once an epoch: pytrees of arrays with one row for each example
            along their first axis. Or a function from the epoch, from 0, to that: for another order
            in each.
        optimizer: An `optax.GradientTransformation`.
        epochs: How often the batches are gone through; once if `steps` is not given either.
        steps: How many steps, over as many epochs as it takes.
        key: A random key; each step gets one of its own, made of it and of the step's number (with
            pmap also of the device's).
        has_aux: The loss returns (loss, metrics), a dict of numbers or of one for each example.
        transforms: Links as for `jaxkit.chain`, innermost first, around a function of
            (model, batch, mask) that returns (loss, gradients), with has_aux
            ((loss, metrics), gradients): `jaxkit.clip_gradients(max_norm=1.0, has_value=True)`.
        ragged: What becomes of a batch with fewer rows than the first. `"pad"`: its last row is
            repeated and left out of every mean, so that nothing is compiled again; a loss that
            returns one number and takes no `mask` would count the padding, and is compiled for the
            smaller batch instead, which the report says. `"drop"`: it is left out. `"compile"`: the
            step is compiled for its size.
        validation: Batches that are measured and not trained on, of an Equinox model in inference
            mode. Their metrics are called `validation_loss` and so on.
        validate_every: After how many steps; by default at the end of each epoch.
        metric: Which metric of the history the progress bar shows.
        callbacks: Functions of a `Progress`, called after each step; they return None, or `"stop"`,
            which ends the run.
        early_stopping: When a metric has not improved for a while: see `EarlyStopping`.
        checkpoints: Where and how often to save: see `Checkpoints`.
        resume: Goes on from the newest whole checkpoint of that directory: with the same arguments,
            bitwise as if it had not been interrupted; `result.resumed_from` says from which.
        devices: None for one device; a number of them, `"all"`, a list or a `jax.sharding.Mesh` to
            split each batch over; the first axis of the mesh is used.
        parallel: By `"sharding"` of the jitted step, or by `"pmap"`.
        loss_scale: `DynamicLossScale()` or `StaticLossScale(...)`, for float16.
        compute_dtype: What model and batch are cast to for the loss, such as `jnp.bfloat16`.
            Parameters and optimiser keep their own dtype.
        on_nonfinite: What becomes of a step whose loss or gradients are not finite. `"stop"`: the
            run ends with the state before it, and `result.report` has what `jaxkit.nan_origin` says
            of the step. `"raise"`: the same as NonFiniteError. `"skip"`: it is not applied, and
            counted.
        log_every: After how many steps a row of the history is written; one is at the end of each
            epoch, too.
        progress: Whether to show a bar; by default where stderr is a terminal.
        donate: Whether each step may overwrite the state before it.

    SIGTERM and Ctrl-C let the step be finished and the checkpoint be written; then `fit` returns,
    with `result.stopped` `"signal"` or `"interrupted"`. A second Ctrl-C ends it at once. Handlers
    are those of before when it returns.

    Returns:
        A `Result`: `model`, `optimizer_state`, `step`, `epoch`, `history`, `timing`, `compiles`,
        `stopped`, `report`, `resumed_from`, `best`.

    Raises:
        TypeError: An argument of the wrong kind; a loss that has no gradient; a model with layers
            that keep state, such as `equinox.nn.BatchNorm`.
        ValueError: A model with NaN, a batch that is not like the first, no batches, a number that
            makes no sense. What was trained so far is saved first, where there are checkpoints.
        UsageError: Checkpoints that cannot be written, or that are of another model or key; a call
            while JAX traces.
        NonFiniteError: With on_nonfinite="raise".
        MissingExtraError: optax or Orbax is not installed.

    References:
        The loss scale and float32 weights are those of Micikevicius et al. 2018,
        https://arxiv.org/abs/1710.03740.
    """
    _refuse_trace()
    plan = Plan(epochs, steps, validate_every, log_every, metric, callbacks, early_stopping)
    params, frozen, static = split(model)
    placement = placement_of(devices, parallel, model)
    program = Program(
        Loss(loss, keyed=key is not None, has_aux=has_aux, dtype=compute_dtype),
        optimizer,
        static=static,
        transforms=transforms,
        scale=loss_scale,
        on_nonfinite=on_nonfinite,
        placement=placement,
        donate=donate,
    )
    store = _store_of(checkpoints, resume=resume)
    watch = watch_here()
    compiles = watch.start()
    try:
        begin = program.initial(params, frozen, key)
        data = _Sources(program, placement, begin, ragged)
        loop = Loop(plan, program, placement, *data.both(batches, validation), static, begin, store)
        _begin(loop, begin, store, resume=resume)
        loop.check_validation()
        del begin
        with Signals() as signals, Bar(progress, metric, plan.limit(batches)) as bar:
            loop.run(signals, bar)
    finally:
        watch.stop()
        if store is not None:
            store.close()
    if on_nonfinite == "raise":
        loop.raise_if_nonfinite()
    return _result(loop, compiles)


def _result(loop: Loop, compiles: CompileLog) -> Result:
    timing = loop.clock.report()
    return Result(
        model=loop.chosen(),
        optimizer_state=loop.state().optimizer,
        step=loop.step,
        epoch=loop.epochs,
        history=loop.history.rows,
        timing=timing,
        compiles=compiles,
        stopped=loop.stopped or "finished",
        report=report_of(loop, timing, compiles),
        resumed_from=loop.resumed_from,
        best=loop.best,
    )


def _refuse_trace() -> None:
    if (tracing := trace_kind()) is not None:
        raise UsageError(
            "fit runs a loop of jitted steps, which cannot be traced, and was called inside "
            f"{tracing}: call it outside, once for each model"
        )


def _begin(loop: Loop, begin: State, store: Store | None, *, resume: bool) -> None:
    """Goes on from the newest checkpoint, or begins with what was given."""
    found = store.load(loop.like(begin)) if store is not None and resume else None
    if found is None or store is None:
        check_given(begin.params)
        return
    (state, meta), directory = found, str(store.directory)
    check_key(state.key, begin.key, f"the checkpoint of step {meta['step']} in {directory!r}")
    loop.load(state, meta, directory)


def _store_of(checkpoints: Checkpoints | None, *, resume: bool) -> Store | None:
    if checkpoints is None:
        return None
    if not isinstance(checkpoints, Checkpoints):
        raise TypeError(
            f"checkpoints must be Checkpoints, got checkpoints={short(checkpoints)}: "
            "write Checkpoints('runs/1', every=500)"
        )
    store = Store(checkpoints)
    if not resume:
        store.refuse_others()
    return store


class _Sources:
    """Makes what is trained on, and what is measured on, of what was given."""

    def __init__(
        self, program: Program, placement: Placement, begin: State, ragged: Ragged
    ) -> None:
        self._program, self._placement = program, placement
        self._ragged: Ragged = ragged
        self._may_pad = program.may_pad(begin)

    def both(self, batches: Batches, validation: Batches | None) -> tuple[Data, Validation | None]:
        data = self._made(batches, "batches", self._ragged)
        if validation is None:
            return data, None
        # No example of a validation is left out.
        ragged = "pad" if self._ragged == "drop" else self._ragged
        made = self._made(validation, "validation", ragged)
        listed = isinstance(validation, Sized) and not callable(validation)
        return data, Validation(made, self._program, listed=listed)

    def _made(self, source: Batches, name: str, ragged: Ragged) -> Data:
        return Data(
            source,
            ragged=ragged,
            divisor=self._placement.count,
            pads_first=name == "validation",
            place=self._placement.batch,
            may_pad=self._may_pad,
            name=name,
        )
