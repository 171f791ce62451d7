"""What a loss may return, and what each mistake is told."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.training import fit
from tests.training.problem import adam, batches, each, mean, model

FLOATS = "loss must be of floating-point numbers"
COUNTS = "it has no gradient; what is counted belongs into the metrics (has_aux=True)"
PART = "take a real part, or an absolute value"
EACH = "metrics must be one number, or one for each example"
NAMES = "give each number a name of its own, and nothing else"


def returns(value: Any, **options: Any) -> str:
    """What is said of a loss that returns something else."""

    def loss(model: Any, batch: Any) -> Any:
        return value(mean(model, batch)) if callable(value) else value

    with pytest.raises(TypeError) as caught:
        fit(model(), loss, batches(), adam(), **options)
    return str(caught.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, f"{FLOATS}, got int32 from loss(): {COUNTS}"),
        (lambda x: x.astype(int), f"{FLOATS}, got int32 from loss(): {COUNTS}"),
        (lambda x: x > 0, f"{FLOATS}, got bool from loss(): {COUNTS}"),
        (lambda x: x * 1j, f"{FLOATS}, got complex64 from loss(): {PART}"),
        (
            None,
            "loss must return one number, or one for each example, got loss() -> NoneType",
        ),
        (
            lambda x: [x, x],
            "loss must return one number, or one for each example, got loss() -> list",
        ),
    ],
)
def test_losses_without_a_gradient(value: Any, message: str) -> None:
    assert returns(value) == message


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda x: {"a": x}, f"{EACH}, got dict for metric 'm' of loss(): {NAMES}"),
        (lambda x: None, f"{EACH}, got NoneType for metric 'm' of loss(): {NAMES}"),
        (lambda x: "best", f"{EACH}, got str for metric 'm' of loss(): {NAMES}"),
        (
            lambda x: eqx.nn.State(eqx.nn.StateIndex(jnp.zeros(()))),
            f"{EACH}, got State for metric 'm' of loss(): {NAMES}",
        ),
        (
            lambda x: x * 1j,
            f"metrics must be real numbers, got complex64 for metric 'm' from loss(): {PART}",
        ),
        (
            lambda x: jax.random.key(0),
            f"metrics must be real numbers, got key<fry> for metric 'm' from loss(): {PART}",
        ),
    ],
)
def test_metrics_that_are_no_numbers(metric: Any, message: str) -> None:
    assert returns(lambda x: (x, {"m": metric(x)}), has_aux=True) == message


def test_what_came_instead_of_metrics() -> None:
    wanted = "with has_aux=True loss must return (loss, metrics), metrics a dict, got loss() -> "
    assert returns(lambda x: x, has_aux=True) == f"{wanted}float32[]"
    assert returns(lambda x: (x, x), has_aux=True) == f"{wanted}(float32[], float32[])"


def test_metrics_may_be_counts() -> None:
    def loss(model: Any, batch: Any) -> Any:
        values = each(model, batch)
        return values, {"right": values < 1e9, "n": np.int32(3), "one": 1, "yes": True}

    row = fit(model(), loss, batches(), adam(), has_aux=True).history[-1]
    assert {name: row[name] for name in ("right", "n", "one", "yes")} == {
        "right": 1,
        "n": 3,
        "one": 1,
        "yes": 1,
    }
