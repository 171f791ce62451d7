"""The loop: dispatch a step, then look after everything else while the device works."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxkit.errors import NonFiniteError
from jaxkit.report import Report
from jaxkit.timing.steps import StepClock
from jaxkit.training.bar import Bar
from jaxkit.training.checkpoint import Store
from jaxkit.training.data import Batch, Data
from jaxkit.training.devices import Placement
from jaxkit.training.event import Progress
from jaxkit.training.history import History
from jaxkit.training.nonfinite import Lookout, explained
from jaxkit.training.plan import Plan
from jaxkit.training.result import Stopped
from jaxkit.training.signals import Signals
from jaxkit.training.state import State, joined
from jaxkit.training.step import Program
from jaxkit.training.stopping import Patience
from jaxkit.training.validation import Validation
from jaxkit.training.words import short

__all__ = ["Loop"]


class Loop:
    """A run under way.

    Args:
        plan: How long, and what how often.
        program: The jitted steps.
        placement: On which devices.
        data: The batches.
        validation: What is measured beside, or None.
        static: What is no array of the model.
        begin: The state before the first step.
        store: The checkpoints, or None.
    """

    def __init__(
        self,
        plan: Plan,
        program: Program,
        placement: Placement,
        data: Data,
        validation: Validation | None,
        static: Any,
        begin: State,
        store: Store | None,
    ) -> None:
        self._plan, self._program, self._placement = plan, program, placement
        self.data, self._validation, self._static = data, validation, static
        self._store = store
        self._leaves = jax.tree.leaves(placement.put(begin))
        self.step = self.epoch = self._position = 0
        # The step, and the directory, of the checkpoint that it went on from.
        self.resumed_from: tuple[int, str] | None = None
        self.stopped: Stopped | None = None
        self.history = History()
        self.nonfinite: Report | None = None
        self._patience = Patience(plan.early_stopping)
        self._keeps_best = plan.early_stopping is not None and plan.early_stopping.restore_best
        self._best: Any = None  # the params of the best row
        self._lookout = Lookout()
        self._checked = False
        self._epochs = _Epochs(self)
        self.clock = _Clock(self._epochs, every=min(plan.log_every, 10))

    def check_validation(self) -> None:
        """Looks at what is measured on, where that takes nothing away."""
        if self._validation is not None:
            self._validation.check(self._leaves)

    # Going on from a checkpoint.

    def load(self, state: State, meta: dict[str, Any], directory: str) -> None:
        """Goes on from a checkpoint.

        Args:
            state: Its state, on the host.
            meta: What `save` has put beside it.
            directory: Where it was found.
        """
        # Whether the step that ended it is finite now, is seen again.
        best, state = state.best, dataclasses.replace(state, bad=np.int32(-1), best=None)
        self._leaves = jax.tree.leaves(self._placement.put(state))
        self.step, self.epoch, self._position = meta["step"], meta["epoch"], meta["position"]
        self.resumed_from = meta["step"], directory
        self.data.rows, self.data.length = meta["rows"], meta["length"]
        if self._validation is not None:
            self._validation.count = meta["validations"]
        self.history.load(meta["history"])
        self._patience.load(meta["stopping"])
        if self._keeps_best and self._patience.best is not None:
            self._best = self._placement.fetch(self._placement.put(best))

    def save(self) -> None:
        """Writes a checkpoint of this step, unless there is one."""
        if self._store is None or self._store.saved_step == self.step:
            return
        meta = {
            "step": self.step,
            "epoch": self.epoch,
            "position": self._position,
            "rows": self.data.rows,
            "length": self.data.length,
            "validations": 0 if self._validation is None else self._validation.count,
            "stopping": self._patience.save(),
            "history": self.history.save(),
        }
        state = self.state()
        if self._keeps_best:
            best = state.params if self._best is None else self._best
            state = dataclasses.replace(state, best=best)
        self._store.save(self.step, state, meta)

    def like(self, state: State) -> State:
        """A state as this run's checkpoints have it, made of one that has entered it."""
        return dataclasses.replace(state, best=state.params) if self._keeps_best else state

    # The loop.

    def run(self, signals: Signals, bar: Bar) -> None:
        """Trains until something ends it, and saves at the end.

        Args:
            signals: What came from outside.
            bar: Where it says how far it is.
        """
        self._signals, self._bar = signals, bar
        try:
            while self._going_on():
                self._run_epoch()
            self._end()
        except Exception as error:
            self._rescue(error)
            raise
        finally:
            self._epochs.loop = None

    def _going_on(self) -> bool:
        last = self._plan.last_epoch
        if self.stopped is None and self._patience.over:
            self.stopped = "early"
        done = self._plan.steps is not None and self.step >= self._plan.steps
        if self.stopped is None and (done or (last is not None and self.epoch >= last)):
            self.stopped = "finished"
        return self.stopped is None

    def _run_epoch(self) -> None:
        with contextlib.closing(iter(self.clock)) as batches:  # type: ignore[type-var]
            for batch in batches:
                self._advance(batch)
                if not self._going_on():
                    return
        self._look(wait=True)
        if self.stopped is None:
            self._end_epoch()

    def epoch_batches(self) -> Iterator[Batch]:
        """What is left of the epoch."""
        return self.data.epoch(self.epoch, skip=self._position)

    @property
    def epochs(self) -> int:
        """Whole epochs done, also where the steps ended with the last batch of one."""
        return self.epoch + (0 < self._position == self.data.length)

    def _advance(self, batch: Batch) -> None:
        self._leaves, out = self._program.step(self._leaves, batch.values, batch.weight)
        self.clock.step(out.metrics["loss"])
        self.step += 1
        self._position = batch.position + 1
        self._lookout.add(self.step - 1, batch, out.bad)
        self.history.add(out.metrics)
        if not self._checked:
            self._check_names(out.metrics)
        if self._lookout.worth_it:
            self._look()
        if self.stopped is None:
            self._call_back(out.metrics)
            self._now_and_then()
        if self.stopped is None and self._signals.got is not None:
            self.stopped = "signal" if self._signals.got == "signal" else "interrupted"

    def _now_and_then(self) -> None:
        plan = self._plan
        if plan.validate_every and self.step % plan.validate_every == 0:
            self._row(validate=True)
        elif self.step % plan.log_every == 0:
            self._row()
        if self._store is not None and self.step % self._store.every == 0 and self._look(wait=True):
            self.save()

    def _call_back(self, metrics: Any) -> None:
        for callback in self._plan.callbacks:
            said = callback(Progress(self.step, self.epoch, metrics, self.model))
            if said is None:
                continue
            if not isinstance(said, str) or said != "stop":
                name = getattr(callback, "__name__", type(callback).__name__)
                raise TypeError(
                    "a callback must return None, or 'stop' to end the run, got "
                    f"{name}() -> {short(said)}"
                )
            self.stopped = "callback"

    def _end_epoch(self) -> None:
        self._row(validate=self._plan.validate_every is None)
        self.epoch, self._position = self.epoch + 1, 0

    def _end(self) -> None:
        fine = self._look(wait=True)
        if self.stopped in ("callback", "signal", "interrupted"):
            # What is ended from outside goes on later, and its row too: saved is that it is open.
            self.save()
        if fine:
            inside = self._plan.validate_every is None and self._position > 0
            self._row(validate=inside and self.stopped == "finished")
        self.save()

    def _rescue(self, error: Exception) -> None:
        """Saves what there is before an error goes on its way, and says so in it."""
        where = f"jaxkit.training.fit had done {self.step} steps"
        if self.step == 0 and (one := self.data.described()):
            where += f", and the first batch was {one}"
        try:
            if self._look(wait=True):
                self.save()
        except Exception as other:
            error.add_note(f"{where}; a checkpoint could not be written: {other}")
            return
        if self._store is None:
            error.add_note(f"{where}; checkpoints= would have kept them")
        elif self._store.saved_step is not None:
            error.add_note(f"{where}; the newest checkpoint is of step {self._store.saved_step}")

    # What is measured.

    def _row(self, *, validate: bool = False) -> None:
        more: dict[str, float] = {}
        if not self._look(wait=True):
            return
        if validate and self._validation is not None:
            more = self._validation.measure(self._leaves)
        if not (self.history.waiting or more):
            return
        row = self.history.row(self.step, self.epoch, more)
        if self._patience.look(row) and self._keeps_best:
            params = self._program.structure.unflatten(self._leaves).params
            self._best = self._placement.fetch(params)
        self._bar.tell(self.step, row)

    def _check_names(self, metrics: Any) -> None:
        self._checked = True
        also = [f"validation_{name}" for name in metrics] if self._validation is not None else []
        names = {*metrics, *also}
        self._patience.check(names)
        self._plan.check_metric(names)

    def state(self) -> State:
        """The state as it is now: a copy, of one device."""
        return self._program.structure.unflatten(self._placement.fetch(self._leaves))

    def model(self) -> Any:
        """The model as it is now: a copy."""
        state = self.state()
        return joined(state.params, state.frozen, self._static)

    @property
    def best(self) -> tuple[int, float] | None:
        """The step and the metric of the best row, where its model is what comes of the run."""
        return self._patience.best if self._best is not None else None

    def chosen(self) -> Any:
        """The model that comes of the run."""
        if self._best is None:
            return self.model()
        return joined(self._best, self.state().frozen, self._static)

    # Steps that are not finite.

    def _look(self, *, wait: bool = False) -> bool:
        """Whether the steps so far are finite, as far as is known; ends the run if one is not."""
        if self.stopped == "nonfinite":
            return False
        found = self._lookout.look(wait=wait)
        if found is None:
            return True
        batch, after = found
        # The state is that before the step: nothing was applied from there on.
        self.step -= after + 1
        self.epoch, self._position, self.stopped = batch.epoch, batch.position, "nonfinite"
        self.history.forget(after + 1)
        self.nonfinite = explained(self._program, self._placement, self.state(), batch, self.step)
        return False

    def raise_if_nonfinite(self) -> None:
        """Raises NonFiniteError if that is what ended the run."""
        if self.nonfinite is not None:
            raise NonFiniteError(self.nonfinite, self.nonfinite.findings[0].message)

    @property
    def skipped(self) -> int:
        """How many steps were not applied."""
        return int(self.state().skipped)


class _Clock(StepClock[Batch]):
    """Tells of recompilations in its report; `fit` knows of them, so that it does not warn."""

    def _warn(self) -> None:
        pass


class _Epochs:
    """What is left of the loop's epoch, each time it is gone through."""

    def __init__(self, loop: Loop) -> None:
        # None at the end: reports keep the clock, and that keeps this.
        self.loop: Loop | None = loop

    def __iter__(self) -> Iterator[Batch]:
        return iter(()) if self.loop is None else self.loop.epoch_batches()
