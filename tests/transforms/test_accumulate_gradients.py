"""Microbatches are equal to the full batch, to rounding, wherever JAX runs them.

Longer than 400 lines, as it holds one thing from all of its sides, case by case.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxkit
from jaxkit import accumulate_gradients


def loss(params: Any, batch: Any) -> Any:
    predicted = jnp.tanh(batch["x"] @ params["w"]) + params["b"]
    return jnp.mean((predicted - batch["y"]) ** 2)


def loss_with_aux(params: Any, batch: Any) -> Any:
    predicted = batch["x"] @ params["w"]
    value = jnp.mean((predicted - batch["y"]) ** 2)
    return value, {"predicted": predicted, "rows": batch["y"].shape[0], "value": value}


def problem(size: int = 24, dtype: Any = "float32") -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    batch = {"x": random.normal(size=(size, 3)), "y": random.normal(size=size)}
    params = {"w": jnp.array([0.5, -1.0, 2.0]), "b": jnp.array(0.25)}
    return (
        jax.tree.map(lambda x: jnp.asarray(x, dtype), params),
        jax.tree.map(lambda x: jnp.asarray(x, dtype), batch),
    )


def assert_close(found: Any, expected: Any, rtol: float = 2e-6) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (jnp.shape(a), jnp.result_type(a)) == (jnp.shape(b), jnp.result_type(b))
        scale = float(jnp.max(jnp.abs(b))) if jnp.size(b) else 0.0
        np.testing.assert_allclose(
            np.asarray(a, "float64"), np.asarray(b, "float64"), rtol=rtol, atol=rtol * scale
        )


JIT = {"eager": lambda f: f, "jit": jax.jit, "filter_jit": eqx.filter_jit}


@pytest.mark.parametrize("jit", JIT.values(), ids=JIT)
@pytest.mark.parametrize("n", [1, 8])
def test_equal_to_the_full_batch(n: int, jit: Any) -> None:
    given = problem()
    grad = jax.jit(jax.grad(loss))
    assert_close(jit(accumulate_gradients(grad, n=n))(*given), grad(*given))
    both = jax.value_and_grad(loss)
    assert_close(jit(accumulate_gradients(both, n=n, has_value=True))(*given), both(*given))


@pytest.mark.parametrize(
    ("n", "rows", "dtype", "how", "rtol"),
    [
        (3, 5, "float32", "sum", 1e-5),
        (4, 1, "bfloat16", "mean", 0.06),
        (4, 3, "float16", "sum", 8e-3),
    ],
)
def test_sums_and_narrow_types(n: int, rows: int, dtype: str, how: Any, rtol: float) -> None:
    given = problem(n * rows, dtype)
    full = jax.value_and_grad(loss)
    if how == "sum":
        full = jax.value_and_grad(lambda p, b: loss(p, b) * b["y"].shape[0] / (n * rows))
    full = jax.jit(full)
    step = jax.jit(accumulate_gradients(full, n=n, has_value=True, reduction=how))
    assert_close(step(*given), full(*given), rtol=rtol)


def test_the_function_sees_microbatches_and_is_traced_once() -> None:
    seen: list[Any] = []

    def noted(params: Any, batch: Any) -> Any:
        seen.append(batch["y"].shape)
        return loss(params, batch)

    step = jax.jit(accumulate_gradients(jax.grad(noted), n=4))
    for _ in range(3):
        step(*problem())
    assert seen == [(6,)]
    # Outside of a trace: as often as there are microbatches, and what is jitted compiles once.
    inner = jax.jit(jax.grad(noted))
    with jaxkit.watch() as log:
        for _ in range(2):
            accumulate_gradients(inner, n=3)(*problem())
    assert seen == [(6,), (8,)]
    assert sum(event.function.name == "noted" for event in log.events) == 1


def test_which_arguments_are_split() -> None:
    def other(x: Any, w: Any, y: Any, *, scale: float, z: Any = None) -> Any:
        assert x.shape == (3, 2)
        return scale * jnp.mean((w @ x - y["t"]) ** 2)

    x, w, y = jnp.arange(18.0).reshape(3, 6), jnp.ones(3), {"t": jnp.arange(6.0), "k": jnp.ones(5)}
    full = jax.grad(lambda w: 2.0 * jnp.mean((w @ x - y["t"]) ** 2))(w)
    for in_axes in (
        {"x": 1, "y": {"t": 0, "k": None}},
        {"x": -1, 2: {"t": 0, "k": None}, "z": 0},
        {0: 1, "y": {"t": 0, "k": None}},
    ):
        step = accumulate_gradients(jax.grad(other, argnums=1), n=3, in_axes=in_axes)
        np.testing.assert_allclose(step(x, w, y, scale=2.0), full, rtol=1e-6)
        np.testing.assert_allclose(jax.jit(step)(x, w, y, scale=2.0), full, rtol=1e-6)

    def by_name(x: Any, w: Any, y: Any) -> Any:
        return jax.grad(other, argnums=1)(x, w, y, scale=2.0)

    step = accumulate_gradients(by_name, n=3, in_axes={"x": 1, "y": {"t": 0, "k": None}})
    np.testing.assert_allclose(step(y=y, w=w, x=x), full, rtol=1e-6)
    np.testing.assert_allclose(step(x, w=w, y=y), full, rtol=1e-6)


def test_what_is_not_split_is_left_alone() -> None:
    def grad(params: Any, batch: Any, *, function: Any, word: str) -> Any:
        assert word == "static"
        return function(params, batch)

    step = accumulate_gradients(grad, n=2, in_axes={"batch": 0})
    given = problem()
    found = jax.jit(lambda *args: step(*args, function=jax.grad(loss), word="static"))(*given)
    assert_close(found, jax.grad(loss)(*given))


def test_by_default_what_has_no_axis_is_left_alone() -> None:
    def grad(params: Any, batch: Any, step: Any, key: Any, word: str, nothing: Any) -> Any:
        assert (word, nothing, jnp.shape(step)) == ("static", None, ())
        return jax.grad(loss)(params, batch["all"]) | {"noise": jax.random.normal(key)}

    params, batch = problem()
    rest = {"word": "static", "nothing": None, "step": 3, "key": jax.random.key(0)}
    found = accumulate_gradients(grad, n=2)(params, {"all": batch, "none": None}, **rest)
    assert float(found.pop("noise")) == pytest.approx(float(jax.random.normal(rest["key"])))
    assert_close(found, jax.grad(loss)(params, batch))


def test_random_keys_are_split() -> None:
    def noise(w: Any, keys: Any) -> Any:
        return jnp.mean(w * jax.vmap(jax.random.normal)(keys))

    keys = jax.random.split(jax.random.key(0), 8)
    step = accumulate_gradients(jax.grad(noise), n=4)
    for jit in (lambda f: f, jax.jit):
        np.testing.assert_allclose(jit(step)(1.0, keys), jax.grad(noise)(1.0, keys), rtol=1e-5)


# ---- Auxiliary outputs


@pytest.mark.parametrize("jit", JIT.values(), ids=JIT)
def test_each_auxiliary_output_its_way(jit: Any) -> None:
    given = problem()
    full = jax.value_and_grad(loss_with_aux, has_aux=True)
    step = accumulate_gradients(
        full,
        n=4,
        has_value=True,
        has_aux=True,
        aux={"predicted": "concatenate", "rows": "sum", "value": "mean"},
    )
    (value, aux), grads = jit(step)(*given)
    (full_value, full_aux), full_grads = full(*given)
    assert_close((value, grads), (full_value, full_grads))
    assert_close(aux["predicted"], full_aux["predicted"])
    assert_close(aux["value"], full_aux["value"])
    assert int(aux["rows"]) == 24
    stacked = accumulate_gradients(full, n=4, has_value=True, has_aux=True, aux="stack")
    (_, aux), _ = jit(stacked)(*given)
    assert (aux["predicted"].shape, aux["rows"].tolist()) == ((4, 6), [6] * 4)
    np.testing.assert_allclose(aux["predicted"][1], full_aux["predicted"][1::4], rtol=1e-6)
    last = accumulate_gradients(full, n=4, has_value=True, has_aux=True, aux="last")
    (_, aux), _ = jit(last)(*given)
    np.testing.assert_allclose(aux["predicted"], full_aux["predicted"][3::4], rtol=1e-6)


def test_aux_of_grad_alone() -> None:
    def scalar_aux(params: Any, batch: Any) -> Any:
        value = loss(params, batch)
        return value, {"value": value}

    full = jax.grad(scalar_aux, has_aux=True)
    assert_close(accumulate_gradients(full, n=4, has_aux=True)(*problem()), full(*problem()))


# ---- Types


def test_narrow_gradients_are_added_up_in_float32() -> None:
    # In bfloat16 256 + 1 is 256: 512 gradients of one would sum to 256.
    step = accumulate_gradients(
        jax.grad(lambda w, x: (w * x).sum()), n=512, reduction="sum", in_axes={"x": 0}
    )
    found = jax.jit(step)(jnp.bfloat16(1), jnp.ones(512, "bfloat16"))
    assert (found.dtype, float(found)) == (jnp.bfloat16, 512.0)


def test_dtypes_and_weak_types_are_kept() -> None:
    def mixed(params: Any, x: Any) -> Any:
        return sum(jnp.mean(p * x.astype(jnp.result_type(p))).real for p in params).astype(
            "float32"
        )

    params = (jnp.ones(2, "float16"), jnp.ones(2), 1.0, jnp.asarray(2.0))
    x = jnp.ones((4, 2))
    expected = jax.grad(mixed)(params, x)
    for jit in (lambda f: f, jax.jit):
        found = jit(accumulate_gradients(jax.grad(mixed), n=2))(params, x)
        assert [(g.dtype, g.weak_type) for g in found] == [(g.dtype, g.weak_type) for g in expected]


def test_integer_parameters_have_no_gradient() -> None:
    full = jax.grad(lambda p, x: (p["w"] * x).mean(), allow_int=True)
    params, x = {"w": 2.0, "step": jnp.array(3)}, jnp.arange(4.0)
    for jit in (lambda f: f, jax.jit):
        found = jit(accumulate_gradients(full, n=2))(params, x)
        assert found["step"].dtype == jax.dtypes.float0
        assert float(found["w"]) == 1.5


def test_equinox_modules() -> None:
    model = eqx.nn.MLP(3, "scalar", 8, 1, key=jax.random.key(0))
    batch = problem()[1]

    @eqx.filter_value_and_grad
    def full(model: Any, batch: Any) -> Any:
        return jnp.mean((jax.vmap(model)(batch["x"]) - batch["y"]) ** 2)

    step = eqx.filter_jit(accumulate_gradients(full, n=4, has_value=True))
    value, grads = step(model, batch)
    full_value, full_grads = full(model, batch)
    assert isinstance(grads, eqx.nn.MLP)
    assert_close((value, grads), (full_value, full_grads), rtol=1e-5)


# ---- Under JAX


def test_under_vmap_scan_and_a_second_gradient() -> None:
    params, batch = problem()
    step = accumulate_gradients(jax.grad(loss), n=4)
    full = jax.grad(loss)
    many = jax.tree.map(lambda p: jnp.stack([p, 2 * p]), params)
    mapped = {"in_axes": (0, None)}
    mapped_step = jax.jit(jax.vmap(step, **mapped))
    assert_close(mapped_step(many, batch), jax.vmap(jax.jit(full), **mapped)(many, batch))

    def norm(grad: Any) -> Any:
        return jax.jit(lambda p: sum(jnp.sum(g**2) for g in jax.tree.leaves(grad(p, batch))))

    assert_close(jax.grad(norm(step))(params), jax.grad(norm(full))(params), rtol=1e-5)
    assert_close(
        jax.jvp(norm(step), (params,), (params,)),
        jax.jvp(norm(full), (params,), (params,)),
        rtol=1e-5,
    )

    def train(grad: Any) -> Any:
        def body(p: Any, _: Any) -> Any:
            return jax.tree.map(lambda a, b: a - 0.1 * b, p, grad(p, batch)), None

        return jax.lax.scan(body, params, length=3)[0]

    assert_close(train(step), train(full), rtol=1e-5)


@pytest.mark.parametrize("check_vma", [True, False])
def test_under_shard_map(check_vma: bool) -> None:
    mesh = jax.make_mesh((2,), ("d",), axis_types=(AxisType.Auto,))
    params, batch = problem()

    def shard(grad: Any) -> Any:
        def local(params: Any, batch: Any) -> Any:
            # Each device's own gradients: the parameters vary, so that no psum is implied.
            params = jax.tree.map(lambda p: p + 0 * batch["y"].sum(), params)
            return jax.tree.map(lambda g: jax.lax.pmean(g, "d"), grad(params, batch))

        return jax.jit(
            jax.shard_map(
                local, mesh=mesh, in_specs=(P(), P("d")), out_specs=P(), check_vma=check_vma
            )
        )

    step = accumulate_gradients(jax.grad(loss), n=4)
    assert_close(shard(step)(params, batch), jax.grad(loss)(params, batch), rtol=1e-5)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_a_sharded_batch_stays_where_it_is(kind: Any) -> None:
    mesh = jax.make_mesh((4,), ("d",), axis_types=(kind,))
    params, batch = problem(32)
    rows = NamedSharding(mesh, P("d"))
    sharded = jax.device_put(batch, rows)
    with jax.set_mesh(mesh):
        everywhere = jax.device_put(params, NamedSharding(mesh, P()))
        step = jax.jit(accumulate_gradients(jax.grad(loss), n=4))
        found = step(everywhere, sharded)
        program = step.lower(everywhere, sharded).compile().as_text()
    assert_close(jax.device_get(found), jax.grad(loss)(params, batch), rtol=1e-5)
    assert "all-to-all" not in program
    assert "collective-permute" not in program
    assert "all-gather" not in program


def test_without_jit() -> None:
    with jax.disable_jit():
        found = jax.jit(accumulate_gradients(jax.grad(loss), n=2))(*problem())
    assert_close(found, jax.grad(loss)(*problem()))


# ---- Mistakes


def messages() -> list[tuple[Any, type[Exception], str]]:
    grad, both = jax.grad(loss), jax.value_and_grad(loss)
    with_aux = jax.value_and_grad(loss_with_aux, has_aux=True)
    params, batch = problem(12)
    return [
        (
            lambda: accumulate_gradients(grad, n=0),
            ValueError,
            "n must be a positive integer, the number of microbatches, got n=0",
        ),
        (
            lambda: accumulate_gradients(n=2.0),
            ValueError,
            "n must be a positive integer, the number of microbatches, got n=2.0",
        ),
        (
            lambda: accumulate_gradients(grad, n=5)(params, batch),
            ValueError,
            (
                "n must divide the size of the batch, got n=5 and batch['x'] with 12 along axis 0: "
                "take an n of 1, 2, 3, 4, 6, 12, or pad the batch with jaxkit.bucket"
            ),
        ),
        (
            lambda: accumulate_gradients(grad, n=2)(params, {**batch, "y": jnp.ones(10)}),
            ValueError,
            (
                "the arguments in in_axes must agree on the size of the batch, "
                "got batch['x'] with 12 along axis 0 and batch['y'] with 10 along axis 0"
            ),
        ),
        (
            lambda: accumulate_gradients(grad, n=2, in_axes={"batch": 0})(
                params, {**batch, "t": 1.0}
            ),
            ValueError,
            (
                "in_axes gives axis 0 to batch['t'], whose shape is (): "
                "give None to what has no batch axis"
            ),
        ),
        (
            lambda: accumulate_gradients(grad, n=2)(params),
            ValueError,
            (
                "in_axes must name an argument with an array in it, and none of this call's has "
                "one, got in_axes=None"
            ),
        ),
        (
            lambda: accumulate_gradients(grad, n=2, in_axes={"bacth": 0}),
            TypeError,
            (
                "in_axes names 'bacth', which loss(params, batch) does not have; "
                "did you mean 'batch'?"
            ),
        ),
        (
            lambda: accumulate_gradients(n=2, in_axes=0),
            TypeError,
            (
                "in_axes must be a mapping, got in_axes=0 of type int: give argument names and "
                "axes, such as in_axes={'batch': 0}"
            ),
        ),
        (
            lambda: accumulate_gradients(n=2, reduction="median"),
            ValueError,
            "reduction must be one of mean, sum, got reduction='median'",
        ),
        (
            lambda: accumulate_gradients(n=2, has_aux=True, aux={"a": "max"}),
            ValueError,
            "aux must be one of mean, sum, last, stack, concatenate, got aux={'a': 'max'}",
        ),
        (
            lambda: accumulate_gradients(n=2, aux="mean"),
            ValueError,
            "aux needs has_aux=True, got aux='mean' without it",
        ),
        (
            lambda: accumulate_gradients(grad, n=2, has_value=True)(params, batch),
            TypeError,
            "with has_value=True and has_aux=False the function must return a pair, got dict",
        ),
        (
            lambda: accumulate_gradients(both, n=2, has_value=True, has_aux=True)(params, batch),
            TypeError,
            (
                "with has_value=True and has_aux=True the function must return ((value, aux), "
                "gradients), got ArrayImpl for the first of them"
            ),
        ),
        (
            lambda: accumulate_gradients(with_aux, n=2, has_value=True, has_aux=True)(
                params, batch
            ),
            ValueError,
            (
                "aux['predicted'] is float32[6], which is not averaged unasked: give "
                "aux='mean' or 'sum' or 'last' or 'stack' or 'concatenate', or a tree of these"
            ),
        ),
        (
            lambda: accumulate_gradients(
                with_aux,
                n=2,
                has_value=True,
                has_aux=True,
                aux={"predicted": "stack", "rows": "mean", "value": "mean"},
            )(params, batch),
            ValueError,
            (
                "aux['rows'] is int32[], which has no mean of its own dtype: "
                "give one of mean, sum, last, stack, concatenate that fits"
            ),
        ),
        (
            lambda: accumulate_gradients(
                with_aux, n=2, has_value=True, has_aux=True, aux="concatenate"
            )(params, batch),
            ValueError,
            (
                "aux['rows'] is int32[], which has no row for each of the 6 examples of a "
                "microbatch: give one of mean, sum, last, stack, concatenate that fits"
            ),
        ),
    ]


@pytest.mark.parametrize("number", range(len(messages())))
def test_mistakes(number: int) -> None:
    act, error, message = messages()[number]
    with pytest.raises(error) as caught:
        act()
    assert str(caught.value) == message
