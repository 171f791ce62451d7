"""A run that goes on from a checkpoint: it is that of before, and says that it was resumed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

from jaxkit import Report, UsageError
from jaxkit.training import Checkpoints, EarlyStopping, fit
from tests.training.problem import adam, assert_equal, batches, each, model

DATA = batches(rows=20 * 10, size=10)


def shuffled(epoch: int) -> Any:
    order = np.random.default_rng(epoch).permutation(len(DATA))
    return (DATA[i] for i in order)


def run(directory: Path | None, end: Any = None, **options: Any) -> Any:
    """Ended early by the loss of training: another row would count for its patience."""
    given: dict[str, Any] = {
        "early_stopping": EarlyStopping("loss", patience=2, min_delta=0.1),
        "checkpoints": None if directory is None else Checkpoints(directory),
        "callbacks": [] if end is None else [end],
        "epochs": 9,
        "log_every": 5,
    }
    return fit(model(), each, shuffled, optax.sgd(0.02), **(given | options))


def terminate(event: Any) -> None:
    if event.step == 11:
        os.kill(os.getpid(), 15)


def stop_at(step: int) -> Any:
    return lambda event: "stop" if event.step == step else None


def steps(result: Any) -> list[int]:
    return [row["step"] for row in result.history]


def test_ended_from_outside_its_row_goes_on(tmp_path: Path) -> None:
    whole = run(None)
    assert whole.stopped == "early"
    assert whole.step > 20
    for name, end in (("11", stop_at(11)), ("20", stop_at(20)), ("signal", terminate)):
        first = run(tmp_path / name, end)
        at = 20 if name == "20" else 11
        assert first.step == at
        # What was under way is told, and not kept: it is no row of the whole run.
        assert steps(first) == [*range(5, at, 5), at]
        again = run(tmp_path / name)
        assert_equal(again.model, whole.model)
        assert again.history == whole.history
        assert (again.stopped, again.step) == (whole.stopped, whole.step)


def test_it_says_that_it_was_resumed(tmp_path: Path) -> None:
    options: dict[str, Any] = {"early_stopping": None, "checkpoints": Checkpoints(tmp_path / "run")}
    first = run(None, stop_at(7), **options)
    assert first.resumed_from is None
    assert "resumed" not in str(first.report) + repr(first)
    again = run(None, steps=30, **options)
    directory = str(tmp_path / "run")
    assert again.resumed_from == (7, directory)
    assert f"; resumed from step 7 of {directory}, 23 steps now>" in repr(again)
    told = " ".join(str(again.report).split())
    assert "resumed from step 7 of" in told
    assert "23 steps were done now" in told
    assert again.report.data["resumed_from"] == {"step": 7, "directory": directory}
    assert Report.from_json(again.report.to_json()) == again.report
    assert "0 steps were done now" in " ".join(str(run(None, steps=30, **options).report).split())


def test_another_key_is_refused(tmp_path: Path) -> None:
    def loss(model: Any, batch: Any, key: Any) -> Any:
        return each(model, batch) * (1 + jax.random.uniform(key))

    def keyed(key: Any) -> Any:
        return fit(model(), loss, DATA, adam(), steps=2, key=key, checkpoints=Checkpoints(tmp_path))

    keyed(jax.random.key(3))
    with pytest.raises(UsageError) as caught:
        keyed(jax.random.key(99))
    assert str(caught.value) == (
        f"the checkpoint of step 2 in {str(tmp_path)!r} was written with another key than that "
        "which is given: give the same key=, or another directory to begin anew"
    )
    assert keyed(jax.random.PRNGKey(3)).resumed_from == (2, str(tmp_path))


def test_epochs_are_counted_where_fewer_are_asked_for(tmp_path: Path) -> None:
    """The checkpoint of the last step is of within its epoch: `every` came before the end."""
    data = batches()
    options: dict[str, Any] = {"checkpoints": Checkpoints(tmp_path, every=3)}
    assert fit(model(), each, data, adam(), epochs=3, **options).epoch == 3
    again = fit(model(), each, data, adam(), epochs=2, **options)
    assert (again.step, again.epoch, again.stopped) == (12, 3, "finished")


def test_validations_are_counted_on(tmp_path: Path) -> None:
    def seen(epochs: int) -> list[int]:
        numbers: list[int] = []

        def validation(number: int) -> Any:
            numbers.append(number)
            return batches(seed=1)

        options: dict[str, Any] = {"checkpoints": Checkpoints(tmp_path), "validation": validation}
        fit(model(), each, batches(), adam(), epochs=epochs, **options)
        return numbers

    assert seen(2) == [0, 1]
    assert seen(4) == [2, 3]


def test_the_warning_of_a_damaged_checkpoint_is_of_the_line_of_the_call(tmp_path: Path) -> None:
    options: dict[str, Any] = {"checkpoints": Checkpoints(tmp_path, every=2)}
    fit(model(), each, batches(), adam(), steps=4, **options)
    shutil.rmtree(tmp_path / "4" / "state")
    with pytest.warns(RuntimeWarning, match="the checkpoint of step 4") as caught:
        result = fit(model(), each, batches(), adam(), steps=4, **options)
    assert [each.filename for each in caught] == [__file__]
    assert result.resumed_from == (2, str(tmp_path))
