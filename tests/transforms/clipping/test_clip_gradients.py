"""Clipping what gradient functions return, alone and as a link of optax."""

import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxkit
from jaxkit import clip_gradients

X = jnp.array([3.0, 4.0])


def loss(w: jax.Array, scale: Any = 1.0) -> jax.Array:
    """Its gradient is scale * w."""
    return scale * jnp.sum(w**2) / 2


def loss_aux(w: jax.Array) -> tuple[jax.Array, str]:
    return loss(w), "aux"


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_gradients() -> None:
    clipped = clip_gradients(jax.grad(loss), max_norm=1.0)
    close(clipped(X), [0.6, 0.8])
    close(clipped(X, scale=1e-3), X * 1e-3)
    close(jax.jit(clip_gradients(max_norm=1.0)(jax.grad(loss)))(X), [0.6, 0.8])
    close(clip_gradients(jax.jit(jax.grad(loss)), max_norm=1.0).lower(X).compile()(X), [0.6, 0.8])


def test_every_form_of_result() -> None:
    grads, aux = clip_gradients(jax.grad(loss_aux, has_aux=True), max_norm=1.0, has_aux=True)(X)
    close(grads, [0.6, 0.8])
    assert aux == "aux"
    value, grads = clip_gradients(jax.value_and_grad(loss), max_norm=1.0, has_value=True)(X)
    close(grads, [0.6, 0.8])
    assert value == 12.5
    both = jax.value_and_grad(loss_aux, has_aux=True)
    for has_aux in (True, False):
        clipped = clip_gradients(both, max_norm=1.0, has_value=True, has_aux=has_aux)
        (value, aux), grads = clipped(X)
        close(grads, [0.6, 0.8])
        assert (value, aux) == (12.5, "aux")


def test_the_norm_stands_beside_the_result() -> None:
    grads, norm = clip_gradients(jax.grad(loss), max_norm=1.0, with_norm=True)(X)
    close(grads, [0.6, 0.8])
    assert norm == 5.0
    clip = clip_gradients(max_norm=1.0, with_norm=True, has_value=True, has_aux=True)
    ((value, aux), grads), norm = clip(jax.value_and_grad(loss_aux, has_aux=True))(X)
    assert (value, aux, norm) == (12.5, "aux", 5.0)


def test_the_norm_of_each_way() -> None:
    tree = {"w": X, "b": jnp.array(12.0)}
    found = {
        by: clip_gradients(lambda tree: tree, max_norm=1.0, by=by, with_norm=True)(tree)[1]  # type: ignore[arg-type]
        for by in ("global_norm", "leaf_norm", "value", "adaptive")
    }
    assert found["global_norm"] == 13.0
    assert found["leaf_norm"] == {"w": 5.0, "b": 12.0}
    assert found["value"] == 12.0
    assert jax.tree.map(jnp.shape, found["adaptive"]) == {"w": (1,), "b": ()}
    rows = {"w": X[:, None], "n": jnp.zeros((2, 3))}
    by_row = clip_gradients(lambda tree: tree, max_norm=1.0, by="per_example", with_norm=True)(rows)
    assert by_row[1].tolist() == [3.0, 4.0]
    empty = clip_gradients(dict, max_norm=1.0, by="value", with_norm=True)()
    assert empty == ({}, 0.0)


def test_several_arguments_are_one_tree() -> None:
    def two(a: jax.Array, b: jax.Array) -> jax.Array:
        return loss(a) + loss(b)

    clip = clip_gradients(jax.grad(two, argnums=(0, 1)), max_norm=1.0)
    for found, expected in zip(clip(jnp.array(3.0), jnp.array(4.0)), (0.6, 0.8), strict=True):
        close(found, expected)


def test_adaptive_takes_the_parameters_from_the_arguments() -> None:
    def two(x: Any, a: jax.Array, b: jax.Array) -> jax.Array:
        return x * (loss(a) + loss(b))

    a, b = jnp.array([3.0, 4.0]), jnp.array([6.0, 8.0])
    for argnums, expected in (((2, 1), [(b, 1.0), (a, 0.5)]), ((-1,), [(b, 1.0)])):
        clip = clip_gradients(
            jax.grad(two, argnums=argnums), max_norm=0.1, by="adaptive", argnums=argnums
        )
        for found, (point, length) in zip(clip(2.0, a, b), expected, strict=True):
            close(found, point / jnp.linalg.norm(point) * length)
    single = clip_gradients(jax.grad(two, argnums=1), max_norm=0.1, by="adaptive", argnums=1)
    close(single(2.0, a, b), [0.3, 0.4])
    with pytest.raises(TypeError) as caught:
        clip_gradients(jax.grad(two, argnums=2), max_norm=0.1, by="adaptive", argnums=2)(1.0)
    assert str(caught.value) == (
        "by='adaptive' finds the parameters among the positional arguments, "
        "got argnums=2 and 1 positional arguments"
    )


def test_equinox_modules() -> None:
    model = eqx.nn.MLP(2, 1, 3, 1, key=jax.random.key(0))

    def module_loss(model: Any, x: jax.Array) -> jax.Array:
        return 100 * jnp.sum(model(x) ** 2)

    for by in ("global_norm", "adaptive"):
        clip = clip_gradients(eqx.filter_grad(module_loss), max_norm=0.01, by=by)  # type: ignore[arg-type]
        found = eqx.filter_jit(clip)(model, X)
        grads = eqx.filter_grad(module_loss)(model, X)
        assert jax.tree.structure(found) == jax.tree.structure(grads)
        assert max(map(jnp.max, jax.tree.leaves(found))) <= 0.0101 or by == "adaptive"


def test_zero_where_not_finite() -> None:
    bad = {"w": jnp.array([1.0, jnp.nan]), "b": jnp.array(2.0), "n": 3}
    for by in ("global_norm", "leaf_norm", "value", "adaptive"):
        clip = clip_gradients(lambda tree: tree, max_norm=1.0, by=by, on_nonfinite="zero")  # type: ignore[arg-type]
        for run in (clip, jax.jit(clip)):
            found = run(bad)
            assert (found["w"].tolist(), found["b"].item(), found["n"]) == ([0, 0], 0, 3)
            assert run({**bad, "w": X})["w"][0] > 0
        found = clip({**bad, "w": jnp.array([jnp.inf, 1.0])})
        assert found["w"].tolist() == [0, 0]
    huge = clip_gradients(lambda x: x, max_norm=1.0, on_nonfinite="zero", with_norm=True)
    grads, norm = huge(jnp.full(4, 3e38))  # finite, though their norm has no float32
    close(grads, [0.5] * 4)
    assert norm == np.finfo(np.float32).max
    assert np.isnan(huge(jnp.array([jnp.nan]))[1])


def test_zero_for_one_example_only() -> None:
    rows = jnp.array([[3.0, 4.0], [jnp.nan, 1.0], [jnp.inf, 0.0], [0.3, 0.4]])
    clip = clip_gradients(lambda x: x, max_norm=1.0, by="per_example", on_nonfinite="zero")
    close(jax.jit(clip)(rows), [[0.6, 0.8], [0, 0], [0, 0], [0.3, 0.4]])


def test_raise_names_the_leaf() -> None:
    bad = {"b": X, "w": [jnp.array([[1.0, 2.0], [jnp.nan, jnp.inf]]), jnp.array(jnp.inf)]}
    clip = clip_gradients(lambda tree: tree, max_norm=1.0, on_nonfinite="raise")
    close(clip(X), [0.6, 0.8])
    with pytest.raises(jaxkit.NonFiniteError) as caught:
        clip(bad)
    assert str(caught.value) == (
        "gradients['w'][0] is not finite: 1 NaN and 1 infinite of 4 entries, the first at [1, 0] "
        "(and 1 more leaf)"
    )
    first, second = caught.value.report.findings
    assert (first.kind, first.severity) == ("non-finite-gradient", "error")
    assert dict(first.data) == {
        "path": "gradients['w'][0]",
        "nan": 1,
        "infinite": 1,
        "size": 4,
        "first": (1, 0),
    }
    assert second.message == "gradients['w'][1] is not finite: 1 infinite of 1 entry"
    eager = clip_gradients(jax.jit(jax.grad(loss)), max_norm=1.0, on_nonfinite="raise")
    with pytest.raises(jaxkit.NonFiniteError, match="gradients is not finite: 1 NaN of 2 entries"):
        eager(jnp.array([jnp.nan, 1.0]))


@pytest.mark.parametrize("around", [jax.jit, jax.vmap, lambda f: jax.grad(lambda x: f(x).sum())])
def test_raise_is_refused_under_a_trace(around: Any) -> None:
    clip = clip_gradients(lambda x: 2 * x, max_norm=1.0, on_nonfinite="raise")
    with pytest.raises(jaxkit.UsageError) as caught:
        around(clip)(jnp.ones(2))
    assert str(caught.value) == (
        "on_nonfinite='raise' needs values, which a trace (jit, vmap, grad, scan, shard_map) does "
        "not have; clip outside of it, or use on_nonfinite='zero', or with_norm=True and look at "
        "the norm outside: it is finite if the gradients are"
    )


BAD_OPTIONS = [
    (
        {"max_norm": -1.0},
        (
            "max_norm must be positive, got max_norm=-1.0: a limit below 0 cannot be held; "
            "0 makes all gradients zero, math.inf clips nothing"
        ),
    ),
    (
        {"max_norm": 1.0, "by": "norm"},
        (
            "by must be one of 'global_norm', 'leaf_norm', 'value', 'adaptive', 'per_example', "
            "got by='norm'"
        ),
    ),
    (
        {"max_norm": 1.0, "on_nonfinite": "ignore"},
        "on_nonfinite must be one of 'propagate', 'zero', 'raise', got on_nonfinite='ignore'",
    ),
    (
        {"max_norm": 1.0, "by": "value", "axis_name": "i"},
        (
            "axis_name is for by='global_norm', got axis_name='i' with by='value': "
            "leave it out, or gather the gradients first"
        ),
    ),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_options_fail_on_their_line(options: dict[str, Any], message: str) -> None:
    for take in (clip_gradients, jaxkit.as_optax):
        with pytest.raises(ValueError) as caught:
            take(**options)
        assert str(caught.value) == message


def test_argnums_as_of_grad() -> None:
    with pytest.raises(TypeError) as caught:
        clip_gradients(max_norm=1.0, argnums="w")
    assert str(caught.value) == (
        "argnums must be an integer or a tuple of integers, as for jax.grad, got argnums='w'"
    )


@pytest.mark.parametrize(
    ("option", "form", "maker"),
    [
        ("has_value", "(value, gradients)", "wrap jax.value_and_grad"),
        ("has_aux", "(gradients, aux)", "give has_aux=True to jax.grad as well"),
    ],
)
def test_a_result_of_another_form(option: str, form: str, maker: str) -> None:
    with pytest.raises(TypeError) as caught:
        clip_gradients(jax.grad(loss), max_norm=1.0, **{option: True})(X)
    assert str(caught.value) == (
        f"with {option}=True the function must return {form}, got ArrayImpl: "
        f"{maker}, or leave {option} out"
    )


def test_it_is_a_transform() -> None:
    assert jaxkit.transforms.get("clip_gradients") is clip_gradients
    chained = jaxkit.chain(jax.grad, clip_gradients(max_norm=1.0), jax.jit)(loss)
    close(chained(X), [0.6, 0.8])
    traced = jax.jit(lambda c: clip_gradients(jax.grad(loss), max_norm=c)(X))
    close(traced(0.5), [0.3, 0.4])


def test_optax() -> None:
    params = {"w": X, "b": jnp.array(1.0)}
    grads = jax.tree.map(lambda x: 1e20 * x, params)
    optimizer = optax.chain(jaxkit.as_optax(max_norm=1.0), optax.sgd(1.0))
    updates, _ = jax.jit(optimizer.update)(grads, optimizer.init(params), params)
    close(updates["w"], -X / 26**0.5)
    link = jaxkit.as_optax(max_norm=0.1, by="adaptive")
    close(link.update(params, link.init(params), params)[0]["w"], X / 10)
    with pytest.raises(ValueError) as caught:
        link.update(params, link.init(params))
    assert str(caught.value) == (
        "by='adaptive' compares gradients with parameters: call update(updates, state, params)"
    )
    zero = jaxkit.as_optax(max_norm=1.0, on_nonfinite="zero")
    assert zero.update(jnp.array([jnp.nan, 1.0]), zero.init(X))[0].tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(2, 3), (2, 2, 3, 4)])
def test_where_optax_is_right_we_agree(shape: tuple[int, ...]) -> None:
    grads = 5 * jax.random.normal(jax.random.key(0), shape)
    params = jax.random.normal(jax.random.key(1), shape)
    for theirs, ours in (
        (optax.clip_by_global_norm(1.0), jaxkit.as_optax(max_norm=1.0)),
        (optax.clip(1.0), jaxkit.as_optax(max_norm=1.0, by="value")),
        (optax.adaptive_grad_clip(0.1), jaxkit.as_optax(max_norm=0.1, by="adaptive")),
    ):
        expected, _ = theirs.update(grads, theirs.init(params), params)
        found, _ = ours.update(grads, ours.init(params), params)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_without_optax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(jaxkit.MissingExtraError) as caught:
        jaxkit.as_optax(max_norm=1.0)
    assert str(caught.value) == (
        "this needs the package 'optax': "
        'install it with python -m pip install "jaxkit-debug[optax]"'
    )
