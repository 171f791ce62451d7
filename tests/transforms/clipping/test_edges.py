"""Every edge of the table in docs/clipping.md, in each of the ways that JAX can run a function.

Every fifth edge in each way by default; JAXKIT_ALL=1 in the environment takes all.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import jaxkit
from tests.part import part
from tests.transforms.clipping.compare import x64
from tests.transforms.clipping.variants import VARIANTS

F16, F32, BF16, NAN, INF = np.float16, np.float32, ml_dtypes.bfloat16, math.nan, math.inf
LARGEST = float(np.finfo(F32).max)


@dataclass(frozen=True)
class Edge:
    """Two numbers as two leaves, what they are clipped to, and what must come out."""

    name: str
    dtypes: tuple[Any, Any]
    given: tuple[float, float]
    limit: float
    clipped: tuple[float, float]
    norm: float
    exact: bool = False

    def tree(self) -> dict[str, Any]:
        return {key: np.asarray(v, d) for key, v, d in zip("ab", self.given, self.dtypes)}  # noqa: B905

    def check(self, clipped: Any, norm: Any) -> None:
        for key, expected, dtype in zip("ab", self.clipped, self.dtypes, strict=True):
            rtol = 0 if self.exact else float(jnp.finfo(dtype).eps) * 2
            assert clipped[key].dtype == dtype
            found = np.asarray(clipped[key]).astype(np.float64)
            if self.exact:
                expected = float(np.asarray(expected, dtype))
            np.testing.assert_allclose(found, expected, rtol, 0, err_msg=self.name)
        np.testing.assert_allclose(norm, self.norm, rtol=1e-2)


def same(
    name: str, given: tuple[float, float], limit: float, norm: float, dtype: Any = F32
) -> Edge:
    return Edge(name, (dtype, dtype), given, limit, given, norm, exact=True)


TINY = float(np.finfo(F32).tiny)
EDGES = [
    Edge("overflow f32", (F32, F32), (3e20, 4e20), 1.0, (0.6, 0.8), 5e20),
    Edge("overflow bf16", (BF16, BF16), (3e30, 4e30), 1.0, (0.6, 0.8), 5e30),
    Edge("overflow f16", (F16, F16), (300, 400), 1.0, (0.6, 0.8), 500),
    Edge("norm beyond f16", (F16, F32), (60000, 80000), 1.0, (0.6, 0.8), 1e5),
    Edge("norm beyond f32", (F32, F32), (3e38, 3e38), 1.0, (0.5**0.5, 0.5**0.5), LARGEST),
    Edge("underflow f32", (F32, F32), (3e-30, 4e-30), 1e-30, (0.6e-30, 0.8e-30), 5e-30),
    Edge("underflow bf16", (BF16, BF16), (3e-30, 4e-30), 1e-30, (0.6e-30, 0.8e-30), 5e-30),
    Edge(
        "smallest", (F32, F32), (TINY * 3, TINY * 4), TINY * 2, (TINY * 1.2, TINY * 1.6), TINY * 5
    ),
    Edge("norm 1e-7", (F32, F32), (6e-8, 8e-8), 1e-8, (0.6e-8, 0.8e-8), 1e-7),
    Edge("far apart", (F32, F32), (3e38, 1e-20), 1e38, (1e38, 1e-20 / 3), 3e38),
    Edge("factor underflows", (F32, F32), (1e30, 1e10), 1e-15, (1e-15, 1e-35), 1e30),
    Edge("nan", (F32, F32), (NAN, 1.0), 1.0, (NAN, NAN), NAN),
    Edge("inf", (F32, F32), (INF, 1.0), 1.0, (NAN, 0.0), INF),
    Edge("inf bf16", (BF16, BF16), (-INF, 1.0), 1.0, (NAN, 0.0), INF),
    Edge("limit 0", (F32, F32), (3.0, 4.0), 0.0, (0.0, 0.0), 5.0, exact=True),
    Edge("limit 0 overflow", (F32, F32), (3e20, 4e20), 0.0, (0.0, 0.0), 5e20, exact=True),
    Edge("limit 0 underflow", (F32, F32), (3e-30, 4e-30), 0.0, (0.0, 0.0), 5e-30, exact=True),
    same("zeros", (0.0, -0.0), 1.0, 0.0),
    same("zeros, limit 0", (0.0, 0.0), 0.0, 0.0),
    same("norm == limit", (0.0, 12.0), 12.0, 12.0),
    same("norm == limit, 3-4-5", (3.0, 4.0), 5.0, 5.0),
    same("norm == limit, overflow", (0.0, 2.0**100), 2.0**100, 2.0**100),
    same("norm == limit, f16", (3.0, 4.0), 5.0, 5.0, F16),
    same("limit inf", (1e38, 1e38), INF, math.hypot(1e38, 1e38)),
    same("limit inf, inf", (INF, 1.0), INF, INF),
    same("limit inf, nan", (NAN, 1.0), INF, NAN),
    same("limit largest", (1e38, 1e38), LARGEST, math.hypot(1e38, 1e38)),
    same("subnormal within", (1e-40, 1.0), 2.0, 1.0),
    same("subnormal f16", (6e-8, 0.0), 1.0, 6e-8, F16),
]


GLOBALLY = part(
    (
        pytest.param(variant, edge, id=f"{variant}-{edge.name}")
        for edge in EDGES
        for variant in VARIANTS
    ),
    5,
)


@functools.cache
def hoisted(variant: str, clip: Any) -> Any:
    return VARIANTS[variant](clip)


@pytest.mark.parametrize(("variant", "edge"), GLOBALLY)
def test_global_norm(variant: str, edge: Edge) -> None:
    clip = hoisted(variant, jaxkit.clip_by_global_norm)
    edge.check(*clip(edge.tree(), np.asarray(edge.limit, F32)))


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
@pytest.mark.parametrize("variant", ["without_jit", "with_vmap"])
def test_each_example_is_such_a_tree(variant: str, edge: Edge) -> None:
    clip = hoisted(variant, jaxkit.clip_per_example)
    rows = {key: np.stack([x, np.zeros_like(x)]) for key, x in edge.tree().items()}
    clipped, norms = clip(rows, np.asarray(edge.limit, F32))
    edge.check({key: x[0] for key, x in clipped.items()}, norms[0])
    assert norms[1] == 0
    assert all(x[1] == 0 for x in clipped.values())


@pytest.mark.parametrize("edge", [e for e in EDGES if e.dtypes[0] is e.dtypes[1]], ids=str)
def test_each_leaf_and_each_unit_is_such_a_tree(edge: Edge) -> None:
    vector = np.stack(list(edge.tree().values()))
    clipped, norm = hoisted("with_jit", jaxkit.clip_by_leaf_norm)(vector, F32(edge.limit))
    edge.check(dict(zip("ab", clipped, strict=True)), norm)
    if edge.limit in (0, 1):  # of parameters of norm 1
        params = np.asarray([0, 1], vector.dtype)
        clipped, norms = hoisted("with_jit", jaxkit.adaptive_clip)(vector, params, F32(edge.limit))
        edge.check(dict(zip("ab", clipped, strict=True)), norms[0])


def test_float64_beyond_its_squares() -> None:
    with x64():
        for size in (1e200, 1e-200):
            clipped, norm = jaxkit.clip_by_global_norm(jnp.array([3, 4]) * size, size)
            np.testing.assert_allclose(clipped, np.array([0.6, 0.8]) * size, 1e-15)
            np.testing.assert_allclose(norm, 5 * size, 1e-15)


def test_many_small_leaves_of_low_precision_all_count() -> None:
    tree = [jnp.ones((), BF16)] * 1024
    with jax.disable_jit():  # a program of so many leaves takes half a minute to compile
        clipped, norm = jaxkit.clip_by_global_norm(tree, 16.0)
    assert (float(norm), norm.dtype) == (32.0, F32)
    assert {float(x) for x in clipped} == {0.5}


def test_many_entries_all_count() -> None:
    # One after the other, ones would stop adding up at 2**24.
    clipped, norm = jax.jit(jaxkit.clip_by_global_norm)(jnp.ones(2**25, BF16), 2.0**11.5)
    assert float(norm) == pytest.approx(2**12.5, rel=1e-6)
    assert float(clipped[0]) == 0.5


def test_zero_d_and_empty() -> None:
    for tree in ((), None, {}, jnp.zeros((0, 3)), [jnp.zeros(0, F16)]):
        clipped, norm = jaxkit.clip_by_global_norm(tree, 1.0)
        assert jax.tree.structure(clipped) == jax.tree.structure(tree)
        assert (norm.shape, norm.dtype, float(norm)) == ((), F32, 0.0)
    assert jaxkit.clip_by_leaf_norm({}, 1.0) == ({}, {})
    assert jaxkit.clip_by_value((), 1.0) == ()
    assert jaxkit.adaptive_clip([], []) == ([], [])
    assert jaxkit.clip_per_example({}, 1.0)[1].shape == (0,)
    assert jaxkit.clip_per_example(jnp.zeros((3, 0)), 1.0)[1].tolist() == [0, 0, 0]
    assert jaxkit.clip_per_example(jnp.zeros((0, 3)), 1.0)[1].shape == (0,)


def test_what_has_no_norm_is_left_alone() -> None:
    tree = {
        "key": jax.random.key(0),
        "float0": np.zeros(2, jax.dtypes.float0),
        "int": jnp.arange(3),
        "bool": True,
        "number": 7,
        "none": None,
        "w": jnp.array([30.0, 40.0]),
    }
    results = [
        jaxkit.clip_by_global_norm(tree, 5.0)[0],
        jaxkit.clip_by_leaf_norm(tree, 5.0)[0],
        jaxkit.adaptive_clip(tree, tree | {"w": jnp.array([0.0, 50.0])}, 0.1)[0],
        jaxkit.clip_per_example(tree | {"w": tree["w"][None]}, 5.0)[0],
        jaxkit.clip_by_value(tree | {"w": jnp.array([3.0, 40.0])}, 4.0),
    ]
    for clipped in results:
        assert list(clipped) == list(tree)
        assert all(clipped[name] is tree[name] for name in tree if name != "w")
        np.testing.assert_allclose(clipped["w"].ravel(), [3, 4], rtol=1e-6)
    norms = jaxkit.clip_by_leaf_norm(tree, 5.0)[1]
    assert {name: norms[name] for name in norms if norms[name] is not None} == {"w": 50.0}


def test_complex() -> None:
    z = np.array([3 + 4j, 0], np.complex64)
    for scale in (1, 1e25, 1e-25):
        clipped, norm = jaxkit.clip_by_global_norm(z * F32(scale), scale)
        assert (clipped.dtype, norm.dtype) == (z.dtype, F32)
        np.testing.assert_allclose(clipped, np.array([0.6 + 0.8j, 0]) * scale, 1e-6)
        by_value = jaxkit.clip_by_value(z * F32(scale), scale)
        np.testing.assert_allclose(by_value, np.array([0.6 + 0.8j, 0]) * scale, 1e-6)
    assert jaxkit.clip_by_global_norm(z, 5.0)[0].tolist() == z.tolist()
    part = jaxkit.clip_by_global_norm(np.array([complex(INF, 1), 2j], np.complex64), 1.0)[0]
    assert np.isnan(part[0].real)
    assert (part[0].imag, part[1]) == (0, 0)


def test_python_numbers_and_weak_types() -> None:
    tree = {"float": 3.0, "complex": 4j, "vector": jnp.broadcast_to(jnp.asarray(0.0), (2,))}
    for clipped in (
        jaxkit.clip_by_global_norm(tree, 1.0)[0],
        jaxkit.clip_by_leaf_norm(tree, 1.0)[0],
        jaxkit.clip_by_value(tree, 1.0),
        jax.jit(jaxkit.clip_by_global_norm)(tree, 1.0)[0],
    ):
        for name, x in clipped.items():
            aval = jax.typeof(x)
            assert (aval.weak_type, aval.dtype) == (True, jax.dtypes.result_type(tree[name]))
    clipped, norm = jaxkit.clip_by_global_norm(jnp.ones(3), 1.0)
    assert not jax.typeof(clipped).weak_type
    assert not jax.typeof(norm).weak_type


def test_a_weak_leaf_beside_wider_ones_keeps_its_type() -> None:
    weak = jnp.asarray(3.0)
    with x64():
        clipped, norm = jaxkit.clip_by_global_norm([weak, jnp.array([4.0], np.float64)], 1.0)
        assert (str(jax.typeof(clipped[0])), norm.dtype) == (str(jax.typeof(weak)), np.float64)


def test_value_keeps_bits_and_signs() -> None:
    given = np.array([1e-40, -1e-40, -0.0, 1.0, -1.0, 2.0, -INF, NAN], F32)
    clipped = np.asarray(jax.jit(jaxkit.clip_by_value)(given, 1.0))
    expected = np.array([1e-40, -1e-40, -0.0, 1.0, -1.0, 1.0, -1.0, NAN], F32)
    assert clipped.tobytes() == expected.tobytes()
    assert np.asarray(jaxkit.clip_by_value(F16(3e4), 1e6)) == F16(3e4)
    assert np.isnan(jax.jit(jaxkit.clip_by_value)(0.5, NAN))
    assert jax.jit(jaxkit.clip_by_value)(0.5, -1.0) == 0.0


def test_no_nan_is_made_on_the_way() -> None:
    with jax.debug_nans(True):
        for x in ([0.0, 0.0], [3e30, 4e30], [3e-30, 4e-30], [3e38, 1e-38]):
            for limit in (0.0, 1e-35, 1.0, 1e38, INF):
                clip = jax.jit(jaxkit.clip_by_global_norm)
                assert np.isfinite(clip(jnp.array(x), limit)[0]).all()
