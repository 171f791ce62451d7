# ruff: noqa: F821  (dimensions are no names)
"""What is drawn satisfies its annotations: jaxtyping and beartype are asked."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from beartype import beartype
from hypothesis import given, settings
from jaxtyping import Array, Float, Num, jaxtyped

from jaxkit.testing import arguments_for, from_annotation
from tests.testing.strategies import signatures, string_signatures


def draws(strategy: Any, count: int = 25) -> list[Any]:
    found: list[Any] = []

    @settings(max_examples=count, database=None)
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def check(fun: Callable[..., Any], **options: Any) -> list[Any]:
    checked = jaxtyped(fun, typechecker=beartype)
    calls = draws(arguments_for(fun, **options))
    for args, kwargs in calls:
        checked(*args, **kwargs)
    return calls


@pytest.mark.parametrize("fun", signatures.FUNCTIONS, ids=lambda fun: fun.__name__)
def test_arguments_satisfy_their_annotations(fun: Callable[..., Any]) -> None:
    check(fun)


@pytest.mark.parametrize("fun", string_signatures.FUNCTIONS, ids=lambda fun: fun.__name__)
def test_annotations_may_be_strings(fun: Callable[..., Any]) -> None:
    check(fun)


@pytest.mark.parametrize(
    "options",
    [
        {"sizes": (0, 1, 4)},
        {"dims": {"n": (2, 7), "m": 3}},
        {"max_shapes": 1},
        {"dtypes": ("bfloat16", "int8")},
        {"min_value": 1, "max_value": 2},
        {"allow_nan": True, "allow_inf": True, "allow_subnormal": True},
    ],
    ids=str,
)
def test_options_keep_to_annotations(options: dict[str, Any]) -> None:
    def fun(x: Float[Array, "n m"], y: Num[Array, "#n"], z: Float[Array, "n+1"]): ...

    check(fun, **options)


def test_64_bit_types_are_drawn_where_they_are_on() -> None:
    def fun(x: Float[Array, "n"], y: Num[Array, "n"]): ...

    with jax.enable_x64(True):
        seen = {args[0].dtype.name for args, _ in check(fun)}
    assert seen == {"float32", "float64"}
    assert {args[0].dtype.name for args, _ in check(fun)} == {"float32"}


def test_names_agree_and_still_differ_from_each_other() -> None:
    shapes = {x.shape for x in draws(from_annotation(Float[Array, "b d"]), 100)}
    assert len(shapes) == 8
    assert (1, 1) in shapes
    assert any(b != d for b, d in shapes)


def test_alternatives_are_all_drawn() -> None:
    values = draws(from_annotation(Float[Array, "n"] | Float[Array, "n m"] | None), 60)
    assert {getattr(x, "ndim", None) for x in values} == {None, 1, 2}


def test_a_name_used_before_it_is_bound_is_still_drawn() -> None:
    """jaxtyping refuses every value there, but the author's meaning is plain."""

    def fun(x: Float[Array, "n+1"], y: Float[Array, "n"]): ...

    for (x, y), _ in draws(arguments_for(fun)):
        assert x.shape[0] == y.shape[0] + 1


def test_few_shapes_so_that_jit_is_reused() -> None:
    traced: list[tuple] = []

    @jax.jit
    def fun(x: Float[Array, "*batch n d"], y: Float[Array, "#n d+1"], *, s: float = 1.0):
        traced.append((x.shape, y.shape))
        return jnp.sum(x) * jnp.sum(y) * s

    for args, kwargs in draws(arguments_for(fun, dims={"*batch": [(), (2,)]}), 100):
        fun(*args, **kwargs)
    assert len(traced) <= 2 * 8
