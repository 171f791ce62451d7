# ruff: noqa: F821, B008, ISC004  (dimensions are no names)
"""What a function can be, how it is called, and what is said where nothing can be drawn."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import find
from hypothesis import strategies as st
from jaxtyping import Array, Float, Float64, Int

from jaxkit.testing import arguments_for, arrays, from_annotation, modules
from tests.testing.strategies.test_annotated_signatures import check, draws


def scaled(x: Float[Array, "b d"], y: Float[Array, "d"], *, by: float = 2.0) -> Array:
    return x @ y * by


class Model(eqx.Module):
    weight: Float[Array, "k d"]
    size: int = eqx.field(static=True, default=4)

    def __call__(self, x: Float[Array, "{self.weight.shape[1]}"]) -> Array:
        return self.weight @ x

    def resized(self, x: Float[Array, "d {self.size}"]) -> Array:
        return x

    @classmethod
    def of_class(cls, x: Float[Array, "d"]) -> Array:
        return x

    @staticmethod
    def of_none(x: Float[Array, "d"]) -> Array:
        return x


MODEL = Model(jnp.ones((2, 3)))


@pytest.mark.parametrize(
    "fun",
    [
        scaled,
        jax.jit(scaled),
        eqx.filter_jit(scaled),
        functools.partial(scaled, by=3.0),
        MODEL,
        MODEL.resized,
        Model.of_class,
        Model.of_none,
        Model,
    ],
    ids=[
        *("function", "jit", "filter_jit", "partial", "module", "method", "classmethod"),
        *("staticmethod", "class"),
    ],
)
def test_any_callable_can_be_called_with_what_is_drawn(fun: Callable[..., Any]) -> None:
    for args, kwargs in draws(arguments_for(fun), 15):
        fun(*args, **kwargs)


def test_dimensions_ask_the_object_of_a_method() -> None:
    ((x,), _), *_ = draws(arguments_for(MODEL.resized), 5)
    assert x.shape[1] == 4


def test_dimensions_ask_a_size_that_is_an_argument() -> None:
    def fun(x: Float[Array, "{size} n"], size: int): ...

    calls = draws(arguments_for(fun))
    assert all(x.shape[0] == size for (x, size), _ in calls)
    assert len({size for (_, size), _ in calls}) > 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is of Python 3.12")
def test_parameters_of_types() -> None:
    space: dict[str, Any] = {}
    source = """
from jaxtyping import Array, Float
type Vector = Float[Array, "n"]
type Twice[T] = tuple[T, T]
type Nest = Vector | list[Nest]
def fun[T: Array](x: Float[T, "n"], y: Vector, z: Twice[Vector], w: T, v: Nest): ...
"""
    exec(source, space)
    for (x, y, z, _, _), _ in check(space["fun"]):
        assert x.shape == y.shape == z[0].shape == z[1].shape


def test_defaults_are_left_out_or_given() -> None:
    def fun(x: Float[Array, "d"], y: Float[Array, "d"] = jnp.ones(7), *, key: object = None): ...

    calls = draws(arguments_for(fun), 40)
    assert {len(args) for args, _ in calls} == {1, 2}
    # A default that stands has its sizes as well.
    assert {args[0].shape for args, _ in calls if len(args) == 1} == {(7,)}


def test_parameters_after_one_left_out_are_given_by_name() -> None:
    def fun(x: Int[Array, ""], /, y: object = inspect, *rest: Int[Array, ""], z: int): ...

    for args, kwargs in draws(arguments_for(fun)):
        inspect.signature(fun).bind(*args, **kwargs)
        assert "z" in kwargs


def test_overrides_bind_dimensions() -> None:
    strategy = arguments_for(scaled, {"x": arrays("float32", (4, 6)), "by": 3.0})
    for (x, y), kwargs in draws(strategy):
        assert (x.shape, y.shape, kwargs) == ((4, 6), (6,), {"by": 3.0})


def test_overrides_without_dimensions_are_taken_as_they_are() -> None:
    assert find(arguments_for(scaled, {"x": "text"}), lambda call: True)[0][0] == "text"


def test_modules_have_matching_fields() -> None:
    for model in draws(modules(Model), 5):
        assert (model.weight.ndim, model.size) == (2, 4)
    linear = modules(eqx.nn.Linear, in_features=3, out_features=st.integers(1, 2))
    assert {each.weight.shape for each in draws(linear, 6)} == {(1, 3), (2, 3)}
    made = modules(lambda key: eqx.nn.Linear(2, 3, key=key))
    assert find(made, lambda linear: True).weight.shape == (3, 2)


def no_annotation(x, y: int): ...
def of_function(f: Callable[[Array], Array]): ...
def with_module(mlp: eqx.nn.MLP): ...
def not_resolved(x: "Flaot[Array, 'n']"): ...
def field(x: "Holder"): ...


class Holder(eqx.Module):
    parts: list[Callable[[Array], Array]]


@pytest.mark.parametrize(
    ("fun", "message"),
    [
        (
            no_annotation,
            "parameter 'x' of no_annotation has no annotation; say what to draw for it with "
            "overrides={'x': strategy}",
        ),
        (
            of_function,
            "parameter 'f' of of_function has the annotation Callable[[Array], Array]: "
            "Callable[[Array], Array] is not among what is drawn; say what to draw for it with "
            "overrides={'f': strategy}",
        ),
        (
            with_module,
            "parameter 'mlp' of with_module has the annotation MLP: MLP has a constructor of its "
            "own, which does not say what its fields may be: draw it with modules(factory); say "
            "what to draw for it with overrides={'mlp': strategy}",
        ),
        (
            not_resolved,
            "parameter 'x' of not_resolved has the annotation \"Flaot[Array, 'n']\", which is not "
            "resolved (NameError: name 'Flaot' is not defined); say what to draw for it with "
            "overrides={'x': strategy}",
        ),
        (
            field,
            "parameter 'x' of field has the annotation Holder: field 'parts' of Holder: "
            "Callable[[Array], Array] is not among what is drawn; say what to draw for it with "
            "overrides={'x': strategy}",
        ),
        (3, "fun must be callable, got fun=3"),
    ],
    ids=["none", "callable", "module", "string", "field", "no function"],
)
def test_what_cannot_be_drawn_is_named_with_the_way_out(fun: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        arguments_for(fun)
    assert str(caught.value) == message


def test_an_override_makes_up_for_an_annotation() -> None:
    ((f,), _) = find(arguments_for(of_function, {"f": st.just(jnp.sin)}), lambda call: True)
    assert f is jnp.sin


def test_mistaken_options_are_named() -> None:
    with pytest.raises(TypeError) as caught:
        arguments_for(scaled, {"bye": 1.0})
    assert str(caught.value) == (
        "overrides has 'bye', which is none of scaled's parameters; did you mean 'by'?"
    )
    with pytest.raises(ValueError) as refused:
        arguments_for(scaled, dims={"q": 3})
    assert str(refused.value) == "dims has 'q', which is no dimension of scaled: b, d"


WAY_OUT = (
    "; say which sizes fit with dims={'n': (2, 3)} or sizes=(...), or draw with a strategy of "
    "your own"
)


def impossible(x: Float[Array, "n"], y: Float[Array, "n-n-1"]): ...
def contrary(x: Float[Array, "n m n+m"], y: Float[Array, "n-m-1 m-n"]): ...


@pytest.mark.parametrize(
    ("fun", "overrides", "message"),
    [
        (
            impossible,
            {},
            "arguments_for(impossible): dimension 'n-n-1' of y: Float[Array, 'n-n-1'] is a size "
            "for none of the sizes tried for 'n'",
        ),
        (
            contrary,
            {},
            "arguments_for(contrary): dimensions 'n+m', 'n-m-1', 'm-n' have no sizes that suit "
            "all arrays",
        ),
        (
            scaled,
            {"x": np.ones((2, 3)), "y": np.ones(4)},
            "arguments_for(scaled): dimension 'd' is 3 and, in y: Float[Array, 'd'], 4",
        ),
    ],
    ids=["alone", "together", "overrides"],
)
def test_sizes_that_never_fit_are_named(fun: Any, overrides: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        find(arguments_for(fun, overrides), lambda call: True)
    assert str(caught.value) == message + WAY_OUT


def test_64_bit_arrays_need_64_bit_types() -> None:
    with pytest.raises(ValueError) as caught:
        find(from_annotation(Float64[Array, "n"]), lambda x: True)
    assert str(caught.value) == (
        "Float64[Array, 'n'] has a dtype that JAX does not have with 64-bit types off; turn them "
        "on with jax.config.update('jax_enable_x64', True), or annotate a narrower one"
    )


def test_a_strategy_shows_how_it_was_made() -> None:
    annotation = Float[Array, "n d"]
    text = repr(from_annotation(annotation, dims={"d": 3}, allow_nan=True))
    assert text == f"from_annotation({annotation.__name__}, allow_nan=True, dims={{'d': 3}})"
    assert repr(arguments_for(scaled)) == "arguments_for(scaled)"
