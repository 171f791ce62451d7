"""Clipping agrees with exact arithmetic, whatever the tree and however it is run.

Every fifth pair of a tree and a way to run by default; JAXKIT_ALL=1 in the environment takes all.
"""

import functools
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxkit
from tests.part import part
from tests.transforms.clipping import reference
from tests.transforms.clipping.compare import assert_array, assert_norm, wide, x64
from tests.transforms.clipping.variants import VARIANTS

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

# A pool: every tree of a kind hits the same compiled program.
TREES: dict[str, Any] = {
    "vector": [((5,), np.float32)],
    "half": {"w": ((2, 2), np.float16), "b": ((3,), np.float16)},
    "brain": {"w": ((2, 3), BFLOAT16), "empty": ((0, 2), BFLOAT16), "none": None},
    "mixed": ({"w": ((2, 2), np.float32)}, [((3,), BFLOAT16), ((), np.float16)]),
    "complex": {"z": ((2, 2), np.complex64), "w": ((1,), np.float32)},
}


def numbers(dtype: Any) -> st.SearchStrategy[Any]:
    """Numbers of every size that is not subnormal, and zero."""
    info = jnp.finfo(dtype)
    width = min(jnp.finfo(dtype).bits, 64)
    if width == 16:  # drawn as float32 and rounded
        bound = float(info.max)
        whole = st.floats(-bound, bound, width=32, allow_subnormal=False)
        parts = whole.map(lambda x: np.float32(x).astype(jnp.finfo(dtype).dtype))
        real = parts.filter(lambda x: x == 0 or abs(float(x)) >= float(info.tiny))
    else:
        real = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False, width=width)
    if np.issubdtype(dtype, np.complexfloating):
        return st.builds(complex, real, real)
    return real


def arrays(leaf: Any) -> st.SearchStrategy[Any]:
    shape, dtype = leaf
    size = int(np.prod(shape))
    # Often all of one size: then the squares leave the range all at once.
    exponents = st.integers(int(jnp.finfo(dtype).minexp) + 1, int(jnp.finfo(dtype).maxexp) - 2)
    alike = st.builds(
        lambda e, signs: [s * 2.0**e for s in signs],
        exponents,
        st.lists(st.sampled_from([-1.75, -1, 0, 1, 1.5]), min_size=size, max_size=size),
    )
    values = st.lists(numbers(dtype), min_size=size, max_size=size) | alike
    return values.map(lambda each: np.asarray(each).astype(dtype).reshape(shape))


def is_leaf(node: Any) -> bool:
    return isinstance(node, tuple) and len(node) == 2 and not isinstance(node[0], dict)


def trees(kind: str) -> st.SearchStrategy[Any]:
    leaves, structure = jax.tree.flatten(TREES[kind], is_leaf=is_leaf)
    return st.tuples(*map(arrays, leaves)).map(lambda each: jax.tree.unflatten(structure, each))


limits = st.floats(2.0**-120, 2.0**120, width=32) | st.sampled_from([0.5, 1.0, 3.0])


@functools.cache
def hoisted(variant: str, clip: Any) -> Any:
    return VARIANTS[variant](clip)


@pytest.mark.parametrize(
    ("kind", "variant"), part([(kind, way) for kind in TREES for way in VARIANTS], 5)
)
def test_global_norm(variant: str, kind: str) -> None:
    clip = hoisted(variant, jaxkit.clip_by_global_norm)

    @settings(max_examples=4 if variant == "disabled_jit" else 15)
    @given(trees(kind), limits)
    def check(tree: Any, limit: float) -> None:
        leaves, structure = jax.tree.flatten(tree)
        compute = max(wide([x.dtype for x in leaves]), FLOAT32, key=lambda dtype: dtype.itemsize)
        clipped, norm = clip(tree, np.float32(limit))
        expected, exact_norm = reference.clip(leaves, limit)
        assert_norm(norm, exact_norm, compute)
        assert jax.tree.structure(clipped) == structure
        for found, exact, given_ in zip(jax.tree.leaves(clipped), expected, leaves, strict=True):
            assert_array(found, exact, given_, compute, limit)

    check()


@pytest.mark.parametrize("variant", ["without_jit", "with_vmap", "with_shard_map"])
def test_leaf_norm(variant: str) -> None:
    clip = hoisted(variant, jaxkit.clip_by_leaf_norm)

    @settings(max_examples=20)
    @given(trees("mixed"), limits)
    def check(tree: Any, limit: float) -> None:
        clipped, norms = clip(tree, np.float32(limit))
        assert jax.tree.structure(norms) == jax.tree.structure(tree)
        rows = zip(*map(jax.tree.leaves, (clipped, norms, tree)), strict=True)
        for found, norm, given_ in rows:
            (expected,), exact_norm = reference.clip([given_], limit)
            assert_norm(norm, exact_norm, FLOAT32)
            assert_array(found, expected, given_, FLOAT32, limit)

    check()


@pytest.mark.parametrize("variant", ["without_jit", "with_jit", "with_scan"])
def test_per_example(variant: str) -> None:
    clip = hoisted(variant, jaxkit.clip_per_example)
    tree_of_rows = st.tuples(arrays(((3, 2), np.float32)), arrays(((3,), BFLOAT16)))

    @settings(max_examples=20)
    @given(tree_of_rows, limits)
    def check(tree: Any, limit: float) -> None:
        clipped, norms = clip(tree, np.float32(limit))
        assert norms.shape == (3,)
        for row in range(3):
            expected, exact_norm = reference.clip([x[row] for x in tree], limit)
            assert_norm(norms[row], exact_norm, FLOAT32)
            for found, exact, given_ in zip(clipped, expected, tree, strict=True):
                assert_array(found[row], exact, given_[row], FLOAT32, limit)

    check()


@pytest.mark.parametrize("variant", ["without_jit", "with_jit", "with_pmap", "with_shard_map"])
def test_value(variant: str) -> None:
    clip = hoisted(variant, jaxkit.clip_by_value)

    @settings(max_examples=20)
    @given(trees("mixed"), limits)
    def check(tree: Any, limit: float) -> None:
        clipped = clip(tree, np.float32(limit))
        for found, given_ in zip(*map(jax.tree.leaves, (clipped, tree)), strict=True):
            exact = np.asarray(np.clip(given_.astype(np.float64), -limit, limit))
            largest = float(jnp.finfo(given_.dtype).max)
            assert_array(found, np.clip(exact, -largest, largest), given_, FLOAT32)

    check()


@pytest.mark.parametrize("variant", ["without_jit", "with_jit", "with_vmap"])
def test_adaptive(variant: str) -> None:
    clip = hoisted(variant, jaxkit.adaptive_clip)
    shape, ratio, eps = (3, 2), 0.25, np.float32(1e-3)

    @settings(max_examples=20)
    @given(arrays((shape, np.float32)), arrays((shape, np.float32)))
    def check(grads: Any, params: Any) -> None:
        clipped, norms = clip(grads, params, np.float32(ratio))
        assert norms.shape == (1, 2)
        for unit in range(2):
            size = min(reference.norm([params[:, unit]]), Fraction(float(np.finfo(FLOAT32).max)))
            limit = reference.as_float(Fraction(ratio) * max(size, Fraction(float(eps))))
            (expected,), exact_norm = reference.clip([grads[:, unit]], limit)
            assert_norm(norms[0, unit], exact_norm, FLOAT32)
            assert_array(clipped[:, unit], expected, grads[:, unit], FLOAT32)

    check()


def test_float64() -> None:
    @settings(max_examples=60)
    @given(arrays(((4,), np.float64)), arrays(((2,), np.float32)), st.floats(2.0**-900, 2.0**900))
    def check(double: Any, single: Any, limit: float) -> None:
        with x64():
            clipped, norm = jaxkit.clip_by_global_norm([double, single], limit)
            expected, exact_norm = reference.clip([double, single], limit)
            assert_norm(norm, exact_norm, FLOAT64)
            assert_array(clipped[0], expected[0], double, FLOAT64)
            assert_array(clipped[1], expected[1], single, FLOAT64)

    check()
