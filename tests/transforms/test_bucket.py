"""Arguments of many sizes, few compilations, and results as without the padding."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit import bucket
from jaxkit.transforms import powers_of_two


def masked_mean(x: Any, *, mask: Any) -> Any:
    """A mean."""
    return jnp.sum(jnp.where(mask, x, 0)) / jnp.sum(mask)


def double(x: Any) -> Any:
    return 2 * x


@pytest.mark.parametrize("make", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_compiles_once_a_bucket_and_nothing_else(make: Any) -> None:
    # Functions of this test alone: JAX keeps what it compiled by the function.
    for_mean, for_out = functools.partial(masked_mean), functools.partial(double)
    mean = bucket(jax.jit(for_mean), in_axes={"x": 0}, sizes=(4, 8, 16))
    out = bucket(jax.jit(for_out), in_axes={"x": 0}, sizes=(4, 8, 16), out_axes=0, mask=None)
    inputs = {n: make(np.arange(n, dtype="float32")) for n in range(1, 17)}
    mean(inputs[16])
    out(inputs[16])
    with jaxkit.watch() as log:
        for n, x in inputs.items():
            assert float(mean(x)) == pytest.approx((n - 1) / 2)
            np.testing.assert_array_equal(out(x), 2 * np.arange(n))
    # Two more each; neither padding nor cutting nor the mask compiles anything.
    assert [event.function.name for event in log.events if event.outcome == "compiled"] == [
        "masked_mean",
        "double",
        "masked_mean",
        "double",
    ]


def test_the_mask_is_true_for_what_is_real() -> None:
    seen: list[Any] = []

    def f(x: Any, mask: Any) -> Any:
        seen.append((x, mask))

    bucket(f, in_axes={"x": -1}, sizes=5)(np.ones((2, 3), "float32"))
    ((x, mask),) = seen
    assert (x.shape, x.dtype, type(x)) == ((2, 5), np.float32, np.ndarray)
    assert x[:, 3:].sum() == 0.0
    assert (mask.dtype, mask.tolist()) == (jnp.bool_, [True] * 3 + [False] * 2)
    assert isinstance(mask, jax.Array)


def test_many_arguments_with_axes_of_their_own() -> None:
    def f(params: Any, batch: Any, scale: float = 1.0, *, mask: Any, other: Any) -> Any:
        assert (batch["x"].shape, batch["n"].shape, other.shape) == ((2, 8), (8,), (8, 1))
        assert params.shape == (3,)
        return {"rows": batch["n"] * scale, "all": jnp.sum(other), "mask": mask}

    g = bucket(
        f,
        in_axes={"batch": {"x": 1, "n": 0, "name": None, "none": 0}, "other": 0},
        sizes=[16, 8],
        out_axes={"rows": 0, "all": None, "mask": 0},
    )
    batch = {"x": jnp.ones((2, 5)), "n": np.arange(5), "name": "train", "none": None}
    for call in (
        lambda: g(jnp.ones(3), batch, other=jnp.ones((5, 1))),
        lambda: g(params=jnp.ones(3), batch=batch, other=jnp.ones((5, 1))),
    ):
        out = call()
        assert out["rows"].tolist() == [0, 1, 2, 3, 4]
        assert float(out["all"]) == 5.0
        assert out["mask"].all()
        assert out["mask"].shape == (5,)


@pytest.mark.parametrize("size", [0, 1, 3, 4])
def test_every_size_up_to_the_largest(size: int) -> None:
    total = bucket(lambda x, mask: (x.sum(), mask.sum()), in_axes={"x": 0}, sizes=(1, 4))
    assert [float(v) for v in total(np.ones(size))] == [size, size]


def test_where_the_mask_stands_among_the_arguments() -> None:
    def first(mask: Any, x: Any) -> Any:
        return jnp.where(mask, x, -1)

    def positional(x: Any, mask: Any, /, y: float) -> Any:
        return jnp.where(mask, x, y)

    def anything(x: Any, **rest: Any) -> Any:
        return rest["valid"]

    options: Any = {"in_axes": {"x": 0}, "sizes": 2}
    assert bucket(first, **options)(np.ones(1)).tolist() == [1, -1]
    assert bucket(first, **options)(x=np.ones(1)).tolist() == [1, -1]
    at_position = bucket(positional, in_axes={0: 0}, sizes=2)
    assert at_position(np.ones(1), 5).tolist() == at_position(np.ones(1), y=5).tolist() == [1, 5]
    assert bucket(anything, **options, mask="valid")(np.ones(1)).tolist() == [True, False]
    assert str(inspect.signature(bucket(first, **options))) == "(x: 'Any') -> 'Any'"


def test_it_looks_like_the_function_without_the_mask() -> None:
    g = bucket(jax.jit(masked_mean), in_axes={"x": 0}, sizes=(4, 8))
    assert (g.__name__, g.__doc__) == ("masked_mean", "A mean.")
    assert str(inspect.signature(g)) == "(x: 'Any') -> 'Any'"
    assert "4xf32" in g.lower(np.ones(3, "float32")).as_text()
    assert g.eval_shape(jax.ShapeDtypeStruct((3,), "float32")).shape == ()


def test_static_arguments_stay_static() -> None:
    @bucket(in_axes={"x": 0}, sizes=4)
    @functools.partial(jax.jit, static_argnums=2)
    def f(mask: Any, x: Any, power: int) -> Any:
        assert type(power) is int
        return jnp.sum(jnp.where(mask, x, 0) ** power)

    assert float(f(np.full(3, 2.0), 3)) == 24.0
    assert float(f.lower(np.full(3, 2.0), 3).compile()(np.full(3, 2.0))) == 24.0


def test_methods_and_modules() -> None:
    class Model(eqx.Module):
        weight: jax.Array

        def __call__(self, x: Any, *, mask: Any) -> Any:
            return masked_mean(self.weight * x, mask=mask)

        @bucket(in_axes={"x": 0}, sizes=4, mask=None)
        def total(self, x: Any) -> Any:
            return (self.weight * x).sum()

    model = Model(jnp.array(2.0))
    bucketed = bucket(model, in_axes={"x": 0}, sizes=(4, 8))
    assert float(bucketed(np.ones(3))) == float(bucketed(np.ones(7))) == 2.0
    assert float(model.total(np.ones(3))) == 6.0
    assert len(jax.tree.leaves(bucketed)) == 1


def test_dtypes_weak_types_devices_and_kinds_are_kept() -> None:
    @functools.partial(bucket, in_axes={"x": 0}, sizes=4, out_axes=0, mask=None)
    def same(x: Any) -> Any:
        assert x.shape == (4,)
        return x

    device = jax.devices()[1]
    for x in (
        np.arange(3, dtype="int8"),
        jnp.arange(3, dtype="bfloat16"),
        jnp.zeros(3, bool),
        jnp.broadcast_to(jnp.asarray(1.0), 3),
        jax.device_put(jnp.ones(3), device),
        jax.device_put(jnp.ones((4,)), device)[:3],
    ):
        out = same(x)
        assert (type(out), out.dtype, out.shape) == (type(x), x.dtype, (3,))
        np.testing.assert_array_equal(out, x)
        if isinstance(x, jax.Array):
            assert isinstance(out, jax.Array)
            assert (out.weak_type, out.devices(), out.committed) == (
                x.weak_type,
                x.devices(),
                x.committed,
            )
    keys = jax.random.split(jax.random.key(0), 3)
    np.testing.assert_array_equal(jax.random.key_data(same(keys)), jax.random.key_data(keys))


def test_the_caller_keeps_his_arrays() -> None:
    x = np.arange(3.0)
    bucket(lambda x: None, in_axes={"x": 0}, sizes=4, mask=None)(x)
    np.testing.assert_array_equal(x, [0.0, 1.0, 2.0])


def test_under_jit_vmap_grad_scan_and_shard_map() -> None:
    mean = bucket(masked_mean, in_axes={"x": 0}, sizes=(4, 8))
    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(jax.jit(jax.vmap(mean))(x), x.mean(axis=1))
    np.testing.assert_allclose(jax.grad(mean)(x[0]), np.full(3, 1 / 3), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(jax.jit(mean))(x[0]), np.full(3, 1 / 3), rtol=1e-6)
    np.testing.assert_allclose(jax.lax.map(mean, x), x.mean(axis=1))
    doubled = bucket(double, in_axes={"x": 0}, sizes=(4, 8), out_axes=0, mask=None)
    np.testing.assert_array_equal(jax.jvp(doubled, (x[0],), (x[0],))[1], 2 * x[0])
    mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("d")
    sharded = jax.shard_map(doubled, mesh=mesh, in_specs=spec, out_specs=spec)
    np.testing.assert_array_equal(jax.jit(sharded)(x.ravel()), 2 * x.ravel())


def test_a_sharded_argument() -> None:
    mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, "d"))
    x = jax.device_put(jnp.ones((3, 2)), sharding)
    doubled = bucket(double, in_axes={"x": 0}, sizes=4, out_axes=0, mask=None)
    out = doubled(x)
    assert (out.shape, len(out.devices())) == ((3, 2), 2)


def test_sizes_may_be_a_function() -> None:
    def to_ten(size: int) -> int:
        return -(-size // 10) * 10

    shape = bucket(lambda x: x.shape, in_axes={"x": 0}, sizes=to_ten, mask=None)
    assert [shape(np.ones(n))[0] for n in (1, 10, 11)] == [10, 10, 20]
    assert bucket(sizes=to_ten, in_axes={"x": 0}) == bucket(in_axes={"x": 0}, sizes=to_ten)


def test_powers_of_two() -> None:
    assert powers_of_two(16, 100) == (16, 32, 64, 128)
    assert powers_of_two(3, 4) == (4,)
    assert powers_of_two(1, 1) == (1,)
    assert powers_of_two(5, 6) == (8,)
    for lowest, highest in ((0, 4), (8, 4)):
        with pytest.raises(ValueError) as caught:
            powers_of_two(lowest, highest)
        assert str(caught.value) == (
            f"sizes must be 1 or more and go up, got lowest={lowest} and highest={highest}"
        )


def messages() -> list[tuple[Any, type[Exception], str]]:
    def two(x: Any, y: Any) -> Any:
        return x

    axes: Any = {"in_axes": {"x": 0}}
    plain: Any = {**axes, "mask": None}
    return [
        (
            lambda: bucket(double, **plain, sizes=(4, 8))(np.ones(9)),
            ValueError,
            (
                "x with 9 along axis 0 is more than the largest bucket, 8: "
                "add a size to sizes=(4, 8), or call it with less"
            ),
        ),
        (
            lambda: bucket(two, in_axes={"x": 0, "y": 1}, sizes=8, mask=None)(
                np.ones(3), {"t": np.ones((2, 4))}
            ),
            ValueError,
            (
                "the arguments in in_axes must agree on the size of the batch, "
                "got x with 3 along axis 0 and y['t'] with 4 along axis 1"
            ),
        ),
        (
            lambda: bucket(double, **axes, sizes=8),
            TypeError,
            (
                "bucket() passes the mask as 'mask', which double(x: 'Any') -> 'Any' does not "
                "take: add the argument, or give its name with mask=, or mask=None if what is "
                "padded cannot change the result"
            ),
        ),
        (
            lambda: bucket(masked_mean, **axes, sizes=8)(np.ones(3), mask=np.ones(3)),
            TypeError,
            "bucket() makes the argument 'mask' itself: leave it out of the call",
        ),
        (
            lambda: bucket(double, in_axes={"z": 0}, sizes=8, mask=None),
            TypeError,
            "in_axes names 'z', which double(x) does not have; name one of its arguments",
        ),
        (
            lambda: bucket(in_axes={}, sizes=8),
            ValueError,
            (
                "in_axes must name an argument, got in_axes={}: give argument names and axes, "
                "such as in_axes={'batch': 0}"
            ),
        ),
        (
            lambda: bucket(**axes, sizes=()),
            ValueError,
            (
                "sizes must be positive integers, or a function from a size to its bucket, "
                "got sizes=()"
            ),
        ),
        (
            lambda: bucket(**axes, sizes=2.5),
            TypeError,
            (
                "sizes must be positive integers, or a function from a size to its bucket, "
                "got sizes=2.5 of type float"
            ),
        ),
        (
            lambda: bucket(**axes, sizes=(4, -8)),
            ValueError,
            (
                "sizes must be positive integers, or a function from a size to its bucket, "
                "got sizes=(4, -8)"
            ),
        ),
        (
            lambda: bucket(double, **plain, sizes=lambda size: 2)(np.ones(3)),
            ValueError,
            "sizes must return an integer that is not below what it is given, got sizes(3)=2",
        ),
        (
            lambda: bucket(**axes, sizes=4, mask=True),
            TypeError,
            "mask must be the name of an argument, or None, got mask=True",
        ),
        (
            lambda: bucket(lambda x: x.sum(), **plain, sizes=4, out_axes=0)(np.ones(3)),
            ValueError,
            (
                "out_axes gives axis 0 to output, whose shape is (): "
                "give None to what has no batch axis"
            ),
        ),
        (
            lambda: bucket(lambda x: x[:2], **plain, sizes=4, out_axes=0)(np.ones(3)),
            ValueError,
            (
                "out_axes names what has the bucket's size, 4, got output with 2 along axis 0: "
                "give it None"
            ),
        ),
        (
            lambda: bucket(double, **plain, sizes=4)(3.0),
            ValueError,
            "in_axes gives axis 0 to x, whose shape is (): give None to what has no batch axis",
        ),
        (
            lambda: bucket(double, in_axes={"x": "0"}, mask=None, sizes=4)(np.ones(3)),
            TypeError,
            "in_axes must hold axes, integers, got '0' for x",
        ),
    ]


@pytest.mark.parametrize("number", range(len(messages())))
def test_mistakes(number: int) -> None:
    act, error, message = messages()[number]
    with pytest.raises(error) as caught:
        act()
    assert str(caught.value) == message


def test_axes_that_do_not_fit_the_argument() -> None:
    g = bucket(double, in_axes={"x": {"a": 0}}, sizes=4, mask=None)
    with pytest.raises(ValueError) as caught:
        g({"b": np.ones(3)})
    assert str(caught.value).startswith(
        "in_axes must be an axis or a tree of axes with the structure of x, got {'a': 0}: "
    )
