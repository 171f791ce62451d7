"""Clipping inside and around JAX's own transforms.

Derivatives in every fifth case by default; JAXKIT_ALL=1 in the environment takes all.
"""

from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import jaxkit
from tests.part import part
from tests.transforms.clipping.variants import mesh

CLIPS: dict[str, Callable[..., Any]] = {
    "global": lambda x, c=1.0: jaxkit.clip_by_global_norm(x, c)[0],
    "leaf": lambda x, c=1.0: jaxkit.clip_by_leaf_norm(x, c)[0],
    "example": lambda x, c=1.0: jaxkit.clip_per_example(x[None], c)[0][0],
    "adaptive": lambda x, c=1.0: jaxkit.adaptive_clip(x, jnp.array([0.6, 0.8]), c)[0],
}


def plain(x: jax.Array, limit: Any = 1.0) -> jax.Array:
    return jnp.where(jnp.linalg.norm(x) <= limit, x, x * (limit / jnp.linalg.norm(x)))


@pytest.mark.parametrize(
    ("name", "at"), part([(n, at) for at in ([3.0, 4.0], [0.3, 0.4]) for n in CLIPS], 5)
)
def test_derivatives_are_those_of_the_formula(name: str, at: Any) -> None:
    clip = CLIPS[name]

    def derivatives(fun: Any) -> Any:
        return jax.jit(
            lambda x, c: (
                jax.jacfwd(fun, argnums=(0, 1))(x, c),
                jax.jacrev(fun, argnums=(0, 1))(x, c),
                jax.hessian(fun, argnums=(0, 1))(x, c),
            )
        )(jnp.array(at), 2.0)

    pairs = zip(*map(jax.tree.leaves, map(derivatives, (clip, plain))), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size"), part([(n, size) for n in CLIPS for size in (1e25, 1e13, 1e-25, 1e-13)], 5)
)
def test_derivatives_far_from_one(name: str, size: float) -> None:
    clip = CLIPS[name]
    x = jnp.array([3.0, 4.0]) * size
    expected = jax.jacobian(plain)(jnp.array([3.0, 4.0]))
    for derivative in (jax.jacfwd, jax.jacrev):
        found = jax.jit(derivative(lambda x: clip(x, size)))(x)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
def test_at_zero_the_derivative_is_the_identity(clip: Any) -> None:
    derivatives = jax.jit(
        lambda x, limit: (jax.jacfwd(clip)(x, limit), jax.jacrev(jax.jacrev(clip))(x, limit))
    )
    for limit in (1.0, 1e-30, 1e30, jnp.inf, 0.0):
        first, second = derivatives(jnp.zeros(2), limit)
        assert first.tolist() == ([[1, 0], [0, 1]] if limit else [[0, 0], [0, 0]])
        assert not np.any(second)


def test_the_norm_has_derivatives_too() -> None:
    norm = lambda x: jaxkit.clip_by_global_norm(x, 1.0)[1]  # noqa: E731
    for size in (1e25, 1.0, 1e-25):
        np.testing.assert_allclose(jax.grad(norm)(jnp.array([3.0, 4.0]) * size), [0.6, 0.8], 1e-6)
    assert jax.grad(norm)(jnp.zeros(2)).tolist() == [0, 0]


def test_value_passes_what_is_within_and_stops_the_rest() -> None:
    slope = jax.vmap(jax.grad(lambda x: jaxkit.clip_by_value(x, 1.0)))
    assert slope(jnp.array([0.0, 0.5, 1.0, -1.0, 1.5, -2.0])).tolist() == [1, 1, 1, 1, 0, 0]


def test_through_a_step_of_meta_learning() -> None:
    def outer(w: jax.Array) -> jax.Array:
        inner = jax.grad(lambda w: jnp.sum(w**4))(w)
        return jnp.sum((w - 0.1 * jaxkit.clip_by_global_norm(inner, 1.0)[0]) ** 2)

    found = jax.jit(jax.grad(outer))(jnp.array([0.5, 2.0]))
    step = 1e-3
    for i in range(2):
        shift = jnp.zeros(2).at[i].set(step)
        at = jnp.array([0.5, 2.0])
        slope = (outer(at + shift) - outer(at - shift)) / (2 * step)
        assert float(found[i]) == pytest.approx(float(slope), rel=5e-3)


def test_under_vmap_each_has_its_own_norm() -> None:
    rows = jnp.array([[3e25, 4e25], [0.0, 0.0], [3.0, 4.0], [0.3, 0.4], [3e-25, 4e-25]])
    clip = jax.vmap(jaxkit.clip_by_global_norm, (0, None))
    clipped, norms = clip(rows, 1.0)
    expected = [[0.6, 0.8], [0, 0], [0.6, 0.8], [0.3, 0.4], [3e-25, 4e-25]]
    np.testing.assert_allclose(clipped, expected, 1e-6)
    np.testing.assert_allclose(norms, [5e25, 0, 5, 0.5, 5e-25], 1e-6)
    limits = jax.vmap(jaxkit.clip_by_global_norm, (None, 0))(rows[2], jnp.array([1.0, 10.0, -1.0]))
    np.testing.assert_allclose(limits[0], [[0.6, 0.8], [3, 4], [0, 0]], 1e-6)


def test_shardings_are_kept() -> None:
    sharding = NamedSharding(mesh(), PartitionSpec("i"))
    tree = {
        "w": jax.device_put(jnp.full((8, 2), 3.0), sharding),
        "b": jax.device_put(jnp.full(4, 2.0), NamedSharding(mesh(), PartitionSpec())),
    }
    alone = jax.tree.map(np.asarray, tree)
    for clip in (jaxkit.clip_by_global_norm, jaxkit.clip_by_leaf_norm):
        for run in (clip, jax.jit(clip)):
            clipped, _ = run(tree, 1.0)
            for name, x in clipped.items():
                assert x.sharding.is_equivalent_to(tree[name].sharding, x.ndim), name
                np.testing.assert_allclose(x, clip(alone, 1.0)[0][name], 1e-6)
    rows, norms = jaxkit.clip_per_example(tree["w"], 1.0)
    assert rows.sharding.is_equivalent_to(sharding, 2)
    assert norms.sharding.is_equivalent_to(sharding, 1)


@pytest.mark.parametrize("check_vma", [True, False])
@pytest.mark.parametrize("size", [1.0, 1e25, 1e-25])
def test_the_norm_across_devices(check_vma: bool, size: float) -> None:
    parts, whole = PartitionSpec("i"), PartitionSpec()
    x = jnp.arange(8.0) * size
    clip = jax.shard_map(
        lambda x: jaxkit.clip_by_global_norm({"x": x}, 3 * size, "i"),
        mesh=mesh(),
        in_specs=parts,
        out_specs=({"x": parts}, whole),
        check_vma=check_vma,
    )
    expected, norm = jaxkit.clip_by_global_norm({"x": x}, 3 * size)
    clip = jax.jit(clip)
    clipped, found = clip(x)
    np.testing.assert_allclose(clipped["x"], expected["x"], 1e-6)
    np.testing.assert_allclose(found, norm, 1e-6)
    assert clip(jnp.zeros(8))[1] == 0
    found = jax.jit(jax.jacobian(lambda x: clip(x)[0]["x"]))(x)
    exact = jax.jit(jax.jacobian(lambda x: jaxkit.clip_by_global_norm(x, 3 * size)[0]))(x)
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-6)


def test_devices_of_very_different_size_and_a_leaf_that_all_share() -> None:
    x = jnp.array([3e25, 1.0, 0.0, 1e-25])
    shared = jnp.array([4e25])
    clip = jax.shard_map(
        lambda x, shared: jaxkit.clip_by_global_norm((x, shared), 1.0, ("i",)),
        mesh=mesh(),
        in_specs=(PartitionSpec("i"), PartitionSpec()),
        out_specs=((PartitionSpec("i"), PartitionSpec()), PartitionSpec()),
    )
    (clipped, same), norm = jax.jit(clip)(x, shared)
    np.testing.assert_allclose(norm, 5e25, 1e-6)
    np.testing.assert_allclose(clipped, [0.6, 2e-26, 0, 0], 1e-6)
    np.testing.assert_allclose(same, [0.8], 1e-6)


def test_the_norm_across_pmap_and_vmap() -> None:
    x = jnp.array([[3.0], [4.0]])
    for mapped in (jax.pmap, jax.vmap):
        clip = mapped(lambda x: jaxkit.clip_by_global_norm(x, 1.0, "rows"), axis_name="rows")
        clipped, norms = clip(x)
        np.testing.assert_allclose(np.asarray(clipped), [[0.6], [0.8]], 1e-6)
        assert np.asarray(norms).tolist() == [5, 5]


Pair = namedtuple("Pair", "y x")


class Model(eqx.Module):
    w: jax.Array
    act: Any = eqx.field(static=True)


def test_trees_keep_their_form() -> None:
    tree = {
        "z": [jnp.array(3.0), (jnp.array(0.0), None)],
        "a": Pair(y=jnp.array(4.0), x={"k": jnp.array(0.0), "b": jnp.array(0.0)}),
        "o": OrderedDict(q=jnp.array(0.0), p=jnp.array(0.0)),
        "d": defaultdict(list, v=jnp.array(0.0), u=jnp.array(0.0)),
        "m": Model(jnp.array(0.0), jnp.tanh),
    }
    results = [
        jaxkit.clip_by_global_norm(tree, 1.0)[0],
        *jaxkit.clip_by_leaf_norm(tree, 1.0),
        jaxkit.clip_by_value(tree, 1.0),
        *jaxkit.adaptive_clip(tree, tree),
    ]
    for found in results:
        assert jax.tree.structure(found) == jax.tree.structure(tree)
        assert list(found) == list(tree)
        assert list(found["a"].x) == ["k", "b"]
        assert (type(found["o"]), list(found["o"])) == (OrderedDict, ["q", "p"])
        assert (found["d"].default_factory, list(found["d"])) == (list, ["v", "u"])
    np.testing.assert_allclose(results[0]["a"].y, 0.8, 1e-6)


def test_nothing_given_is_changed() -> None:
    tree = {"w": np.array([3.0, 4.0], np.float32)}
    kept = tree["w"].copy()
    jaxkit.clip_by_global_norm(tree, 1.0)
    assert tree["w"].tolist() == kept.tolist()


@pytest.mark.usefixtures("strict_promotion")
def test_under_strict_promotion() -> None:
    tree = {"w": jnp.ones((3, 2), jnp.bfloat16), "b": jnp.ones(3), "z": jnp.ones(3, jnp.complex64)}
    for run in (
        lambda: jaxkit.clip_by_global_norm(tree, 1.0),
        lambda: jaxkit.clip_by_leaf_norm(tree, 1),
        lambda: jaxkit.clip_per_example(tree, np.float64(1)),
        lambda: jaxkit.clip_by_value(tree, 1.0),
        lambda: jaxkit.adaptive_clip(tree, tree),
        lambda: jax.grad(lambda x: jaxkit.clip_by_global_norm(x, 1.0)[0].sum())(tree["w"]),
    ):
        run()


def test_units() -> None:
    shapes = {
        (): ((), ()),
        (4,): ((1,), (1,)),
        (1, 4): ((1, 1), (1, 1)),
        (2, 3): ((1, 3), (2, 1)),
        (2, 3, 4): ((1, 3, 4), (2, 1, 1)),
        (2, 2, 3, 4): ((1, 1, 1, 4), (2, 1, 1, 1)),
    }
    x = [jnp.ones(shape) for shape in shapes]
    last = jaxkit.adaptive_clip(x, x)[1]
    first = jaxkit.adaptive_clip(x, x, output_axis="first")[1]
    assert [(a.shape, b.shape) for a, b in zip(last, first, strict=True)] == list(shapes.values())
