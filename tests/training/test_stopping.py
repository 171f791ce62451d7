"""Early stopping."""

from __future__ import annotations

from typing import Any

import optax
import pytest

from jaxkit.training import EarlyStopping, fit
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
        patience.look({"m": value})
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
    ],
)
def test_rules_that_make_no_sense(options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        EarlyStopping(**options)
    assert str(caught.value) == message
