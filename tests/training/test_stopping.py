"""Early stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxkit.errors import UsageError
from jaxkit.training import Checkpoints, EarlyStopping, fit
from jaxkit.training.stopping import Patience
from tests.training.problem import adam, batches, each, model


def test_it_ends_when_nothing_gets_better() -> None:
    rule = EarlyStopping("validation_loss", patience=2)
    result = fit(
        model(),
        each,
        batches(),
        optax.sgd(0.0),
        epochs=9,
        validation=batches(),
        early_stopping=rule,
    )
    assert (result.stopped, result.epoch, result.step) == ("early", 3, 12)


def test_a_metric_of_training() -> None:
    rule = EarlyStopping("loss", patience=1, min_delta=1e6)
    result = fit(model(), each, batches(), adam(), epochs=9, early_stopping=rule, log_every=2)
    assert (result.stopped, result.step) == ("early", 4)


def test_an_unknown_metric_is_refused_at_the_first_step() -> None:
    with pytest.raises(ValueError) as caught:
        fit(model(), each, batches(), adam(), early_stopping=EarlyStopping())
    assert str(caught.value) == (
        "early_stopping looks at a metric of this run, got metric='validation_loss': there are loss"
    )


@pytest.mark.parametrize(
    ("rule", "values", "over"),
    [
        (EarlyStopping("m", patience=2), [3, 2, 1, 1, 1], [0, 0, 0, 0, 1]),
        (EarlyStopping("m", patience=2, mode="max"), [1, 2, 1, 2], [0, 0, 0, 1]),
        (EarlyStopping("m", patience=1, min_delta=0.5), [3, 2.6], [0, 1]),
        (EarlyStopping("m", patience=2), [float("nan")] * 3, [0, 1, 1]),
    ],
)
def test_patience(rule: Any, values: list[float], over: list[int]) -> None:
    patience, seen = Patience(rule), []
    for value in values:
        patience.look({"step": 1, "m": value})
        again = Patience(rule)
        again.load(patience.save())
        seen.append(int(again.over))
    assert seen == over


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience must be 1 or more, got patience=0"),
        ({"min_delta": -1.0}, "min_delta must be 0 or more, got min_delta=-1.0"),
        ({"mode": "least"}, "mode must be 'min' or 'max', got mode='least'"),
        ({"restore_best": 1}, "restore_best must be True or False, got restore_best=1"),
    ],
)
def test_rules_that_make_no_sense(options: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        EarlyStopping(**options)
    assert str(caught.value) == message


# `at` goes down by one in each step, from 0, and is best at -3.
LINE: Any = {"at": jnp.zeros(()), "names": np.arange(3)}
ROWS = [{"x": np.zeros(4, np.float32)}]


def falling(model: Any, batch: Any) -> Any:
    return model["at"] + batch["x"], {"off": (model["at"] + 3.0) ** 2 + batch["x"]}


def run(restore: bool, patience: int = 2, epochs: int = 20, **options: Any) -> Any:
    rule = EarlyStopping("validation_off", patience=patience, restore_best=restore)
    options.setdefault("validation", ROWS)
    return fit(
        LINE,
        falling,
        ROWS,
        optax.sgd(1.0),
        has_aux=True,
        early_stopping=rule,
        epochs=epochs,
        **options,
    )


def ended(result: Any) -> tuple[Any, ...]:
    return result.stopped, result.step, float(result.model["at"]), result.best


def test_the_best_model_comes_back_where_it_is_asked_for() -> None:
    assert ended(run(restore=False)) == ("early", 5, -5.0, None)
    result = run(restore=True)
    assert ended(result) == ("early", 5, -3.0, (3, 0.0))
    assert "the model is that of step 3" in repr(result)
    assert "the model is that of step 3, the best one: 0" in str(result.report)
    assert result.report.data["best"] == {"step": 3, "value": 0.0}
    assert result.model["names"].tolist() == [0, 1, 2]


def test_whatever_ended_the_run() -> None:
    assert ended(run(restore=True, patience=9, epochs=4)) == ("finished", 4, -3.0, (3, 0.0))
    assert ended(run(restore=True, epochs=2)) == ("finished", 2, -2.0, (2, 1.0))
    stop = run(restore=True, callbacks=[lambda event: "stop" if event.step == 4 else None])
    assert ended(stop) == ("callback", 4, -3.0, (3, 0.0))


def test_without_a_best_row_it_is_the_last() -> None:
    spoilt = [{"x": np.full(4, np.nan, np.float32)}]
    assert ended(run(restore=True, validation=spoilt)) == ("early", 2, -2.0, None)


@pytest.mark.parametrize("parallel", ["sharding", "pmap"])
def test_on_several_devices_too(parallel: str) -> None:
    assert ended(run(restore=True, devices=4, parallel=parallel)) == ("early", 5, -3.0, (3, 0.0))


@pytest.mark.parametrize("ends", [1, 3, 4])
def test_a_run_that_goes_on_knows_the_best_model(ends: int, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, every=1)
    first = run(restore=True, epochs=ends, checkpoints=kept)
    assert first.step == ends
    result = run(restore=True, checkpoints=kept)
    assert result.resumed_from == (ends, str(tmp_path))
    assert ended(result) == ("early", 5, -3.0, (3, 0.0))
    with pytest.raises(UsageError, match=r"written with EarlyStopping\(restore_best=True\), and"):
        run(restore=False, checkpoints=kept)


def test_the_best_model_is_nobody_elses_memory() -> None:
    seen = []
    result = run(restore=True, callbacks=[lambda event: seen.append(event.model["at"])])
    jax.block_until_ready(result.model)
    assert [float(at) for at in seen] == [-1.0, -2.0, -3.0, -4.0, -5.0]
    assert not result.model["at"].is_deleted()
