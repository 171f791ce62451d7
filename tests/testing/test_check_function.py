"""Sound functions pass, and of broken ones the kind of what is broken is found.

Every eighth one by default; JAXKIT_ALL=1 in the environment takes all.
"""

import gc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from jaxkit.testing import check_function
from jaxkit.testing.variants import VARIANTS, run_as
from tests.part import part

pytestmark = pytest.mark.usefixtures("cheap_compilation")

VALUES = st.lists(st.integers(-40, 40), min_size=3, max_size=3)


def vectors(count: int = 1, dtype: Any = jnp.float32) -> st.SearchStrategy[Any]:
    made = VALUES.map(lambda each: jnp.asarray(np.array(each) / 8, dtype))
    return st.tuples(*[made] * count).map(lambda args: (args, {}))


def scanned(x: Any) -> Any:
    return jax.lax.scan(lambda c, v: (c * 0.5 + v, c), jnp.float32(0), x)


def chosen(x: Any) -> Any:
    return jax.lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x)


def counted(x: Any) -> Any:
    return jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * x), (0, x))[1]


def norm(x: Any) -> Any:
    return jnp.linalg.norm(x)


def noise(key: Any, x: Any) -> Any:
    return x + jax.random.normal(key, x.shape)


def with_aux(x: Any) -> Any:
    return {"loss": jnp.mean(x**2), "aux": (x, None, {"n": x.size, "name": "aux"})}


def integers(x: Any) -> Any:
    return x // 3 + jnp.argsort(x)


def in_bf16(x: Any) -> Any:
    return (x.astype(jnp.bfloat16) * 3 + 1).astype(jnp.float32)


def cancels(x: Any) -> Any:
    return (x - jnp.mean(x)).sum() * 1e3


def padded(x: Any, n: int) -> Any:
    return jnp.pad(x, n)


@jax.custom_jvp
def half(x: Any) -> Any:
    return x / 2


half.defjvp(lambda primals, tangents: (primals[0] / 2, tangents[0] / 2))

KEY = jax.random.key(0)
SOUND: list[tuple[Callable[..., Any], Any]] = [
    (jnp.sort, vectors()),
    (jax.nn.relu, vectors()),
    (jax.nn.softmax, vectors()),
    (jax.nn.gelu, vectors(dtype=jnp.bfloat16)),
    (jnp.outer, vectors(2)),
    (norm, vectors()),
    (scanned, vectors()),
    (chosen, vectors()),
    (counted, vectors()),
    (noise, vectors().map(lambda each: ((KEY, *each[0]), {}))),
    (with_aux, vectors()),
    (integers, vectors(dtype=jnp.int32)),
    (in_bf16, vectors()),
    (cancels, vectors()),
    (half, vectors()),
    (padded, vectors().map(lambda each: (each[0], {"n": 2}))),
    (jnp.log, vectors()),
    (eqx.nn.Linear(3, 2, key=KEY), vectors()),
]


@pytest.mark.parametrize(("fun", "arguments"), part(SOUND, 8))
def test_sound_functions_pass(fun: Any, arguments: Any) -> None:
    report = check_function(fun, arguments, max_examples=2)
    assert report.ok, str(report)
    assert "jit" in report.data["passed"]


def looks(x: Any) -> Any:
    return x if x[0] >= 0 else -x


calls = {"n": 0}
state = {"scale": 2.0}
offset = 1.0


def remembers(x: Any) -> Any:
    calls["n"] += 1
    return x + calls["n"]


def set_scale(value: float) -> None:
    state["scale"] = value


def set_offset(value: float) -> None:
    global offset
    offset = value


def reads_state(x: Any) -> Any:
    return x * state["scale"]


def reads_global(x: Any) -> Any:
    return x + offset


class Model:
    def __init__(self) -> None:
        self.rate = 0.5

    def decay(self) -> None:
        self.rate *= 0.9

    def step(self, x: Any) -> Any:
        return x * self.rate


def by_type(x: Any) -> Any:
    return x * 2 if isinstance(x, jax.Array) else x * 3


def in_place(x: Any) -> Any:
    x += 1
    return x * 2


def pops(batch: Any) -> Any:
    return batch.pop("x")


def of_all_rows(x: Any) -> Any:
    return jax.pure_callback(
        lambda x: np.asarray(x / np.abs(x).sum(), np.float32),
        jax.ShapeDtypeStruct(x.shape, jnp.float32),
        x,
        vmap_method="expand_dims",
    )


def callback(x: Any) -> Any:
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, jnp.float32), x)


@jax.custom_vjp
def slightly_wrong(x: Any) -> Any:
    return x**2


slightly_wrong.defvjp(lambda x: (x**2, x), lambda x, g: (g * 2.002 * x,))


def nan_gradient(x: Any) -> Any:
    return jnp.where(x > 0, jnp.sqrt(x), 0.0)


@jax.custom_jvp
def forward_is_another(x: Any) -> Any:
    return jnp.sin(x)


@forward_is_another.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return jnp.sin(primals[0]), tangents[0] * 3.0


def fixed_carry(x: Any) -> Any:
    return jax.lax.scan(lambda c, v: (c + jnp.arange(1.0)[0] + v, None), jnp.float32(0), x)[0]


kept: list[Any] = []


def keeps(x: Any) -> Any:
    if isinstance(x, jax.core.Tracer):
        kept.append(x)
    return x * 2


BROKEN = [
    (looks, vectors(), "jit"),
    (remembers, vectors(), "repeat"),
    (reads_state, vectors(), "stale"),
    (reads_global, vectors(), "stale"),
    (Model().step, vectors(), "stale"),
    (by_type, vectors(), "device"),
    (in_place, vectors(), "mutation"),
    (pops, vectors().map(lambda each: (({"x": each[0][0], "y": 1},), {})), "mutation"),
    (callback, vectors(), "vmap"),
    (slightly_wrong, vectors(), "grad"),
    (nan_gradient, vectors(), "grad"),
    (forward_is_another, vectors(), "grad"),
    (fixed_carry, vectors(), "x64"),
    (keeps, vectors(), "leak"),
]


@pytest.mark.parametrize("frozen", [False, True])
def test_tracers_are_found_whatever_the_collector_has_put_aside(frozen: bool) -> None:
    gc.unfreeze()
    if frozen:
        gc.freeze()
    count = gc.get_freeze_count()
    report = check_function(keeps, vectors(), max_examples=1)
    assert "leak" in [finding.kind for finding in report.findings]
    assert check_function(lambda x: x * 2, vectors(), max_examples=1).ok
    assert (gc.get_freeze_count() > 0) == frozen == (count > 0)


@pytest.mark.parametrize(("fun", "arguments", "kind"), part(BROKEN, 8))
def test_what_is_broken_is_named(fun: Any, arguments: Any, kind: str) -> None:
    report = check_function(fun, arguments, max_examples=4)
    kinds = [finding.kind for finding in report.findings if finding.severity == "error"]
    assert kind in kinds, str(report)
    assert len(kinds) == 1 or fun is callback, str(report)


def test_the_smallest_arguments_are_shown() -> None:
    report = check_function(looks, vectors(), variants=["with_jit"], max_examples=5)
    message = report.findings[0].message
    assert message.startswith(
        "jax.jit changes no result, but of looks(float32[3] [0. 0. 0.]), under jax.jit it raises "
    )


Rows = Float[Array, "n 2"]


def annotated(x: Rows, y: Rows) -> Rows:
    return x * y


def test_arguments_come_from_annotations() -> None:
    assert check_function(annotated, max_examples=4).ok


def test_what_is_not_checked_is_said() -> None:
    report = check_function(lambda n: n, (((3,)), {}), ignore=["repeat"])
    assert report.data["not_checked"]["repeat"] == "it is in ignore"
    assert report.data["not_checked"]["grad"] == "it maps no real array to one"
    report = check_function(lambda x: 1 / 0, (((jnp.ones(2),)), {}))
    reason = "the function itself raises ZeroDivisionError: division by zero"
    assert report.data["not_checked"]["jit"] == reason
    assert report.data["passed"] == ()


def test_wrong_arguments() -> None:
    for call, message in [
        (lambda: check_function(3), "fun must be a function, got fun=3 of type int"),
        (
            lambda: check_function(abs, vectors(), ignore=["speed"]),
            (
                "ignore must be of repeat, mutation, jit, stale, device, vmap, spmd, grad, jvp, "
                "x64, leak, got 'speed'"
            ),
        ),
        (
            lambda: check_function(abs, vectors(), max_examples=0),
            "max_examples must be 1 or more, got max_examples=0",
        ),
    ]:
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert str(caught.value) == message


@pytest.mark.parametrize("name", list(VARIANTS))
def test_variants(name: str) -> None:
    def fun(x: Any, how: str, *, shift: Any) -> Any:
        return {"out": x * 2 + shift, "how": how, "none": None}

    run = run_as(name, fun)
    out = run(jnp.ones(3), "twice", shift=np.float32(1))
    assert np.array_equal(out["out"], np.full(3, 3.0))
    assert (out["how"], out["none"]) == ("twice", None)
    assert float(run_as(name, lambda: jnp.float32(2.0))()) == 2.0


def test_variants_of_chex_have_their_names() -> None:
    import chex

    for each in chex.ChexVariantType:
        assert float(run_as(each, jnp.sum)(jnp.ones(3))) == 3.0
    with pytest.raises(ValueError) as caught:
        run_as("with_luck", jnp.sum)
    assert str(caught.value) == (
        "variant must be one of with_jit, without_jit, with_device, without_device, with_pmap, "
        "vmap, shard_map, got variant='with_luck'"
    )
