"""What `fit` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from jaxkit.compiles.log import CompileLog
from jaxkit.report import Report

__all__ = ["Result", "Stopped"]

Stopped = Literal["finished", "early", "nonfinite", "signal", "interrupted", "callback"]


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Args:
        model: The trained model: that of the last step, or of the best row where
            `EarlyStopping(restore_best=True)` asks for it.
        optimizer_state: The optimiser's state.
        step: Steps done, those of earlier processes included.
        epoch: Whole epochs done.
        history: Rows of metrics: `step`, `epoch`, `loss` and the others as means over the steps
            since the row before, and `validation_loss` and so on where there was a validation.
        timing: Where the time of this process's steps went.
        compiles: The log of what was compiled meanwhile by the thread of `fit`.
        stopped: Why it ended: `"finished"`, `"early"` (stopping), `"nonfinite"`, `"signal"`
            (SIGTERM), `"interrupted"` (Ctrl-C) or `"callback"`.
        report: What is worth being told, and a summary.
        resumed_from: The step and the directory of the checkpoint that it went on from; None for
            from the beginning.
        best: The step that `model` is of, and the metric there, where it is that of the best row;
            None where it is the last.
    """

    model: Any = field(repr=False)
    optimizer_state: Any = field(repr=False)
    step: int
    epoch: int
    history: list[dict[str, Any]] = field(repr=False)
    timing: Report = field(repr=False)
    compiles: CompileLog = field(repr=False)
    stopped: Stopped
    report: Report = field(repr=False)
    resumed_from: tuple[int, str] | None = None
    best: tuple[int, float] | None = None

    def __repr__(self) -> str:
        last = self.history[-1] if self.history else {}
        values = [
            f"{name}={value:.4g}" for name, value in last.items() if name not in ("step", "epoch")
        ]
        said = "".join(f", {each}" for each in values)
        if self.best is not None:
            said += f"; the model is that of step {self.best[0]}"
        if self.resumed_from is not None:
            step, directory = self.resumed_from
            said += f"; resumed from step {step} of {directory}, {self.step - step} steps now"
        return f"<fit: {self.stopped} after {self.step} steps, {self.epoch} epochs{said}>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()
