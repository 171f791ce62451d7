"""Optimisers and links that a step cannot use: an error that says so, and what can be done."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxkit.training import DynamicLossScale, StaticLossScale, fit
from tests.training.problem import adam, batches, each, mean, model

LINE_SEARCH = (
    "fit gives an optimizer the gradients, value= and grad=, and this one needs 'value_fn', too: a "
    "line search takes the loss more than once a step; take one without, as "
    "optax.lbfgs(1e-2, linesearch=None)"
)


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.lbfgs(),
        optax.chain(
            optax.sgd(1.0), optax.scale_by_backtracking_linesearch(max_backtracking_steps=5)
        ),
    ],
)
def test_line_searches(optimizer: Any) -> None:
    with pytest.raises(TypeError) as caught:
        fit(model(), each, batches(), optimizer)
    assert str(caught.value) == LINE_SEARCH


def test_without_a_line_search() -> None:
    result = fit(model(), each, batches(), optax.lbfgs(1e-2, linesearch=None), epochs=20)
    assert result.history[-1]["loss"] < result.history[0]["loss"]


def test_what_it_is_given() -> None:
    seen = {}

    def update(updates: Any, state: Any, params: Any = None, **more: Any) -> Any:
        seen.update(more)
        assert more["grad"] is updates
        return jax.tree.map(lambda g: -0.01 * g, updates), state

    mine = optax.GradientTransformationExtraArgs(lambda params: (), update)
    assert fit(model(), each, batches(), mine).step == 4
    assert set(seen) == {"value", "grad"}

    def picky(updates: Any, state: Any, params: Any = None, *, hessian: Any, **more: Any) -> Any:
        return updates, state

    mine = optax.GradientTransformationExtraArgs(lambda params: (), picky)  # type: ignore[arg-type]
    with pytest.raises(TypeError) as caught:
        fit(model(), each, batches(), mine)
    assert str(caught.value) == (
        "fit gives an optimizer the gradients, value= and grad=, and this one needs 'hessian', too"
    )


def test_an_error_of_its_own_is_left_alone() -> None:
    def broken(updates: Any, state: Any, params: Any = None) -> Any:
        raise TypeError("mine")

    mine = optax.GradientTransformation(lambda params: (), broken)
    with pytest.raises(TypeError) as caught:
        fit(model(), each, batches(), mine)
    assert str(caught.value) == "mine"


def test_optimizer_and_batches_the_wrong_way_round() -> None:
    with pytest.raises(TypeError) as caught:
        fit(model(), each, adam(), batches())
    assert str(caught.value).startswith(
        "optimizer must be one of optax's, such as optax.adam(1e-3), got optimizer=[{'x': array([["
    )
    assert str(caught.value).endswith("... of type list")
    assert len(str(caught.value)) < 180


@pytest.mark.parametrize(
    ("link", "name"),
    [
        (jax.grad, "grad"),
        (jax.value_and_grad, "value_and_grad"),
        (functools.partial(jax.grad, has_aux=True), "grad"),
    ],
)
def test_gradients_are_taken_by_fit(link: Any, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        fit(model(), mean, batches(), adam(), transforms=[link])
    assert str(caught.value) == (
        "transforms are put around a function that returns (loss, gradients), which "
        f"{name} cannot differentiate: leave it out, fit takes the gradients itself"
    )


def test_transforms_of_optax() -> None:
    with pytest.raises(TypeError) as caught:
        fit(model(), mean, batches(), adam(), transforms=[optax.clip(1.0)])  # type: ignore[list-item]
    assert str(caught.value).startswith(
        "transforms are functions of functions, got one of optax's, GradientTransformation"
    )
    assert str(caught.value).endswith(
        "...: give it with the optimiser, as optimizer=optax.chain(optax.clip(1.0), "
        "optax.adam(1e-3))"
    )


def test_a_name_in_place_of_links() -> None:
    with pytest.raises(TypeError) as caught:
        fit(model(), mean, batches(), adam(), transforms="clip")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "transforms must be a list of links, as in transforms=[clip], got transforms='clip' of "
        "type str"
    )


def test_a_link_that_returns_an_array() -> None:
    def alone(fun: Any) -> Any:
        return lambda *args: fun(*args)[0]

    with pytest.raises(TypeError) as caught:
        fit(model(), mean, batches(), adam(), transforms=[alone])
    assert str(caught.value) == (
        "transforms must return (loss, gradients) as the function under them does, got float32[]: "
        "give a link has_value=True, and none with_norm=True"
    )


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0, -1.0, "a", True])
def test_scales(value: Any) -> None:
    for make, name in ((StaticLossScale, "scale"), (DynamicLossScale, "initial")):
        with pytest.raises(ValueError) as caught:
            make(**{name: value})
        assert str(caught.value) == f"{name} must be a positive number, got {name}={value!r}"
    with pytest.raises(ValueError, match=r"^factor must be a positive number, got factor='a'$"):
        DynamicLossScale(factor="a")  # type: ignore[arg-type]
    assert jnp.isfinite(DynamicLossScale(initial=2.0**40).init()["scale"])
