# ruff: noqa: ISC004  (messages of several lines)
"""Arrays, keys, structs and trees: what is drawn, what is not, and to what it shrinks."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import find
from hypothesis import strategies as st
from jaxtyping import Float, Num

from jaxkit.testing import arrays, keys, pytrees, shape_dtype_structs
from tests.testing.strategies.test_annotated_signatures import draws

FLOATS = ["float16", "bfloat16", "float32", "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn"]
OTHERS = ["bool", "int4", "int8", "uint8", "int32", "uint32", "complex64"]


@pytest.mark.parametrize("dtype", [*FLOATS, *OTHERS])
def test_numbers_are_finite_and_moderate(dtype: str) -> None:
    for x in draws(arrays(dtype, (4,)), 40):
        assert isinstance(x, jax.Array)
        assert (x.dtype, x.shape) == (dtype, (4,))
        assert not x.weak_type
        values = np.asarray(x).astype(np.complex128)
        assert np.isfinite(values).all()
        assert max(np.abs(values.real).max(), np.abs(values.imag).max()) <= 1000


@pytest.mark.parametrize("dtype", FLOATS)
def test_subnormal_numbers_are_drawn_only_on_request(dtype: str) -> None:
    normal = float(jnp.finfo(dtype).smallest_normal)

    def subnormal(x: jax.Array) -> bool:
        values = np.abs(np.asarray(x).astype(np.float64))
        return bool(((values > 0) & (values < normal)).any())

    assert not any(subnormal(x) for x in draws(arrays(dtype, (40,)), 20))
    assert any(subnormal(x) for x in draws(arrays(dtype, (40,), allow_subnormal=True), 20))


def test_nan_and_infinities_are_drawn_only_on_request() -> None:
    asked = arrays("float32", (20,), allow_nan=True, allow_inf=True)
    assert any(np.isnan(x).any() for x in draws(asked, 10))
    assert any(np.isinf(x).any() for x in draws(asked, 10))
    # A type without infinities, and one without NaN.
    assert all(
        np.isfinite(np.asarray(x, np.float32)).all()
        for x in draws(arrays("float4_e2m1fn", (20,), allow_nan=True, allow_inf=True), 10)
    )


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("float32", 0.1, 0.2),
        ("bfloat16", 0.1, 0.2),
        ("float32", 2000, None),
        ("float32", None, -3e38),
        ("int8", -1000, 1000),
        ("uint32", None, None),
        ("int32", 2**31 - 2, None),
        ("float16", -1e9, 1e9),
    ],
)
def test_bounds_are_kept(dtype: str, low: float | None, high: float | None) -> None:
    for x in draws(arrays(dtype, (9,), min_value=low, max_value=high)):
        values = np.asarray(x).astype(np.float64)
        assert np.isfinite(values).all()
        assert low is None or (values >= low).all()
        assert high is None or (values <= high).all()


def test_a_category_draws_the_types_that_jax_makes() -> None:
    assert {x.dtype.name for x in draws(arrays(Float, ()))} == {"float32"}
    assert {x.dtype.name for x in draws(arrays(Num, ()), 60)} == {
        *("float32", "int32", "complex64", "uint32")
    }


def test_dtypes_and_shapes_may_be_strategies() -> None:
    strategy = arrays(st.sampled_from(["int8", jnp.bool_]), st.tuples(st.integers(0, 2)))
    assert {(x.dtype.name, x.shape) for x in draws(strategy, 80)} == {
        (dtype, (n,)) for dtype in ("int8", "bool") for n in range(3)
    }


def test_elements_may_be_drawn_one_by_one() -> None:
    even = arrays("int32", (3,), elements=st.integers(0, 3).map(lambda n: 2 * n))
    assert all((x % 2 == 0).all() for x in draws(even))


def test_few_shapes_where_none_is_said() -> None:
    assert len({x.shape for x in draws(arrays(), 100)}) == 6


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (lambda x: True, [[0, 0], [0, 0]]),
        (lambda x: x[0, 1] > 2, [[0, 3], [0, 0]]),
        (lambda x: x[1, 0] < 0, [[0, 0], [-1, 0]]),
        (lambda x: (x == x[0, 0]).all() and x.any(), [[1, 1], [1, 1]]),
    ],
)
def test_arrays_shrink_to_simple_numbers(predicate: Callable[[Any], Any], expected: Any) -> None:
    found = find(arrays("float32", (2, 2)), lambda x: bool(predicate(x)))
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_shapes_and_trees_shrink() -> None:
    assert find(arrays("int32"), lambda x: x.ndim == 2).shape == (2, 3)
    assert find(pytrees(st.integers()), lambda tree: True) == 0
    assert find(pytrees(st.integers()), lambda tree: isinstance(tree, list)) == [0, 0]


def test_trees_keep_the_order_of_keys_and_the_classes_of_tuples() -> None:
    drawn = draws(pytrees(st.just(1), allow_empty=True, allow_none=True), 150)
    assert any(list(tree) == ["b", "a"] for tree in drawn if isinstance(tree, dict))
    assert any(type(tree).__name__ == "Pair" for tree in drawn)
    assert None in drawn
    assert len({str(tree) for tree in drawn}) == 13


def test_keys() -> None:
    for key in draws(keys((2,), impl="rbg"), 5):
        assert jax.random.key_impl(key) == "rbg"
        assert key.shape == (2,)
    assert all(key.dtype == jnp.uint32 and key.shape == (2,) for key in draws(keys(legacy=True), 5))
    assert find(keys(), lambda key: True) == jax.random.key(0)


def test_structs() -> None:
    assert find(shape_dtype_structs(), lambda struct: True) == jax.ShapeDtypeStruct((), "float32")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: arrays("flaot32"),
            TypeError,
            "dtype must be a dtype such as 'float32', a category of jaxtyping such as Float, or "
            "a strategy, got dtype='flaot32'",
        ),
        (
            lambda: arrays("float32", (2, -1)),
            ValueError,
            "shape must not have negative sizes, got shape=(2, -1)",
        ),
        (
            lambda: arrays("float32", (2.0,)),
            TypeError,
            "shape must be a tuple of sizes such as (2, 3), or a strategy, got shape=(2.0,)",
        ),
        (
            lambda: arrays("float32", min_value=2, max_value=1),
            ValueError,
            "min_value must not exceed max_value, got min_value=2, max_value=1",
        ),
        (
            lambda: arrays("float32", max_value=float("inf")),
            ValueError,
            "max_value must be finite, got max_value=inf; allow_inf=True draws infinities as well",
        ),
        (
            lambda: pytrees([1]),  # type: ignore[arg-type]
            TypeError,
            "leaves must be a strategy such as arrays('float32', (3,)), got leaves=[1]",
        ),
        (
            lambda: find(arrays("int8", (), min_value=300), lambda x: True),
            ValueError,
            "int8 has no number that min_value=300, max_value=None and allow_subnormal admit: "
            "widen the bounds or draw another dtype",
        ),
        (
            lambda: find(arrays("float64", ()), lambda x: True),
            ValueError,
            "dtype float64 has no array in JAX with 64-bit types off; turn them on with "
            "jax.config.update('jax_enable_x64', True), or draw a narrower dtype",
        ),
    ],
    ids=["dtype", "negative", "shape", "bounds", "infinite", "leaves", "nothing", "x64"],
)
def test_mistakes_are_named(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


def test_strategies_show_how_they_were_made() -> None:
    assert repr(arrays("float32", (2, 3), min_value=0)) == (
        "arrays('float32', (2, 3), min_value=0)"
    )
    assert repr(pytrees(keys(), allow_none=True)) == "pytrees(keys(), allow_none=True)"
