"""What a limit may be: refused where its value is known, harmless where it is not."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import jaxkit

ROW = jnp.array([[3.0, 4.0]])
CLIPS = {
    "clip_by_global_norm": ("max_norm", lambda c: jaxkit.clip_by_global_norm(ROW, c)[0]),
    "clip_by_leaf_norm": ("max_norm", lambda c: jaxkit.clip_by_leaf_norm(ROW, c)[0]),
    "clip_per_example": ("max_norm", lambda c: jaxkit.clip_per_example(ROW, c)[0]),
    "clip_by_value": ("limit", lambda c: jaxkit.clip_by_value(ROW, c)),
    "adaptive_clip": ("max_ratio", lambda c: jaxkit.adaptive_clip(ROW, ROW, c)[0]),
}
WAY_OUT = "0 makes all gradients zero, math.inf clips nothing"


@pytest.fixture(params=CLIPS)
def case(request: pytest.FixtureRequest) -> Any:
    return CLIPS[request.param]


@pytest.mark.parametrize(
    ("limit", "shown"),
    [(-1, "-1"), (-0.5, "-0.5"), (np.float32(-2), "-2.0"), (jnp.asarray(-3.0), "-3.0")],
)
def test_negative(case: Any, limit: Any, shown: str) -> None:
    name, clip = case
    with pytest.raises(ValueError) as caught:
        clip(limit)
    assert str(caught.value) == (
        f"{name} must be positive, got {name}={shown}: a limit below 0 cannot be held; {WAY_OUT}"
    )


def test_nan(case: Any) -> None:
    name, clip = case
    with pytest.raises(ValueError) as caught:
        clip(math.nan)
    assert str(caught.value) == (
        f"{name} must be positive, got {name}=nan: NaN bounds nothing; {WAY_OUT}"
    )
    assert np.isnan(jax.jit(clip)(math.nan)).all()


@pytest.mark.parametrize("limit", ["1", None, 1j, True, [1.0], object()])
def test_no_number(case: Any, limit: Any) -> None:
    name, clip = case
    with pytest.raises(TypeError) as caught:
        clip(limit)
    assert str(caught.value) == (
        f"{name} must be a number, got {name}={limit!r} of type {type(limit).__name__}"
    )


def test_more_than_one(case: Any) -> None:
    name, clip = case
    for run in (clip, jax.jit(clip)):
        with pytest.raises(ValueError) as caught:
            run(jnp.ones(2))
        assert str(caught.value) == (
            f"{name} must be a single number, got an array of shape (2,): "
            "for one limit a leaf, clip each with its own"
        )


def test_traced_negative_counts_as_zero(case: Any) -> None:
    _, clip = case
    assert jax.jit(clip)(-1.0).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("limit", [1e300, 10**400, math.inf, np.inf, jnp.inf, jnp.asarray(jnp.inf)])
def test_beyond_every_norm(case: Any, limit: Any) -> None:
    _, clip = case
    assert clip(limit).tolist() == ROW.tolist()


def test_below_every_number(case: Any) -> None:
    _, clip = case
    assert clip(1e-300).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("limit", [1, np.int8(1), np.float64(1), ml_dtypes.bfloat16(1)])
def test_any_number_is_a_limit(case: Any, limit: Any) -> None:
    _, clip = case
    expected = clip(1.0)
    for each in (limit, jnp.asarray(limit)):
        assert clip(each).tolist() == expected.tolist()
        assert clip(each).dtype == np.float32


@pytest.mark.parametrize("limit", [1.0, jnp.ones((), np.float32), jnp.ones((), np.float16)])
def test_the_limit_does_not_change_the_dtype(limit: Any) -> None:
    given = jnp.array([[3.0, 4.0]], jnp.bfloat16)
    for clip in (jaxkit.clip_by_global_norm, jaxkit.clip_by_leaf_norm, jaxkit.clip_per_example):
        clipped, norm = clip(given, limit)
        assert (clipped.dtype, norm.dtype) == (jnp.bfloat16, np.float32)
    assert jaxkit.clip_by_value(given, limit).dtype == jnp.bfloat16


def test_other_limits_are_no_other_program() -> None:
    jaxkit.clip_by_global_norm(ROW, 1.0)
    with jaxkit.watch() as log:
        for limit in (2.0, 3, np.float64(0.5), math.inf, 1e300):
            jaxkit.clip_by_global_norm(ROW, limit)
    assert log.events == []


@pytest.mark.parametrize("leaf", ["text", object(), np.array(["a"]), print])
def test_a_leaf_that_is_no_array_is_named(leaf: Any) -> None:
    tree = {"a": 1.0, "b": [2.0, leaf]}
    for clip in (jaxkit.clip_by_global_norm, jaxkit.clip_by_leaf_norm, jaxkit.clip_by_value):
        with pytest.raises(TypeError) as caught:
            clip(tree, 1.0)
        assert str(caught.value) == (
            f"the leaves of tree must be arrays or numbers, got tree['b'][1] of type "
            f"{type(leaf).__name__}: take it out first, for example with "
            "equinox.filter(tree, equinox.is_array)"
        )


def test_rows_must_agree() -> None:
    with pytest.raises(ValueError) as caught:
        jaxkit.clip_per_example({"a": jnp.ones((2, 3)), "b": jnp.ones(3)}, 1.0)
    assert str(caught.value) == (
        "all leaves must have as many examples along their first axis, "
        "got tree['a'] of shape (2, 3) and tree['b'] of shape (3,)"
    )
    with pytest.raises(ValueError) as caught:
        jaxkit.clip_per_example([1.0], 1.0)
    assert str(caught.value) == (
        "each leaf must have the examples along its first axis, got tree[0] of shape (): "
        "make it with jax.vmap(jax.grad(loss), in_axes=(None, 0))"
    )


def test_params_must_agree() -> None:
    with pytest.raises(ValueError, match="params must have the structure of grads: "):
        jaxkit.adaptive_clip({"w": jnp.ones(2)}, {"v": jnp.ones(2)})
    with pytest.raises(ValueError) as caught:
        jaxkit.adaptive_clip({"w": jnp.ones(2)}, {"w": jnp.ones(3)})
    assert str(caught.value) == (
        "params must have the shapes of grads, got grads['w'] of shape (2,) "
        "for parameters of shape (3,)"
    )
    with pytest.raises(ValueError) as caught:
        jaxkit.adaptive_clip(1.0, 1.0, output_axis="middle")  # type: ignore[arg-type]
    assert str(caught.value) == ("output_axis must be 'first' or 'last', got output_axis='middle'")
