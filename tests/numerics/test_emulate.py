"""`jaxkit.emulate`: which results are rounded, and what stays as it was."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit import transforms
from jaxkit.cli.applications import read_applications
from jaxkit.numerics.emulation.formats import format_of, round_to

X = jnp.linspace(0.1, 3.0, 7)


def bf16(x: Any) -> Any:
    return jnp.asarray(x).astype(jnp.bfloat16).astype(jnp.float32)


def by_hand(x: Any) -> Any:
    with jax.disable_jit():
        return bf16(bf16(jnp.sin(x)) * bf16(bf16(jnp.exp(x)) + 1.0))


def smooth(x: Any) -> Any:
    return jnp.sin(x) * (jnp.exp(x) + 1.0)


def assert_equal(got: Any, want: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, got, want)


def line_of(fun: Callable[..., Any], text: str) -> int:
    lines, first = inspect.getsourcelines(fun)
    return first + next(i for i, line in enumerate(lines) if text in line)


def test_each_result_is_rounded() -> None:
    assert_equal(jaxkit.emulate(smooth)(X), by_hand(X))
    assert_equal(jax.jit(jaxkit.emulate(smooth))(X), by_hand(X))
    assert_equal(jaxkit.emulate(jax.jit(smooth))(X), by_hand(X))
    assert_equal(jax.vmap(jaxkit.emulate(smooth))(X), by_hand(X))
    assert_equal(jaxkit.emulate(jax.vmap(smooth))(X), by_hand(X))


def test_numbers_that_only_move_stay() -> None:
    def moves(x: Any) -> Any:
        return jnp.concatenate([x[::-1], x.reshape(7)]).reshape(2, 7)[1]

    assert_equal(jaxkit.emulate(moves, dtype="f8_e5m2")(X), X)
    assert_equal(jaxkit.emulate(lambda x: x * 1.0, dtype="bf16")(X), bf16(X))


def test_operands_are_rounded_if_asked() -> None:
    x = jnp.float32(1.001)
    near = jaxkit.emulate(lambda x: x - 1.0, dtype="bf16")(x)
    assert float(near) == pytest.approx(0.001, rel=1e-2)
    assert jaxkit.emulate(lambda x: x - 1.0, dtype="bf16", operands=True)(x) == 0


def test_dtypes_and_integers_stay() -> None:
    def several(x: Any, n: Any) -> Any:
        return x.astype(jnp.float16) * 2, n + 1, jnp.argmax(x), x > 1, (x * 1j).real

    got, want = jaxkit.emulate(several, dtype="f8_e4m3")(X, 3), several(X, 3)
    assert [jnp.result_type(each) for each in got] == [jnp.result_type(each) for each in want]
    assert_equal(got[1:4], want[1:4])


def looped(x: Any) -> Any:
    def step(carry: Any, i: Any) -> Any:
        carry = jax.lax.cond(i % 2 == 0, lambda c: c * 1.01, lambda c: jnp.sin(c) + c, carry)
        return carry, carry.sum()

    last, sums = jax.lax.scan(jax.checkpoint(step), x, jnp.arange(6))
    return jax.lax.while_loop(lambda c: jnp.sum(c) < 200, lambda c: c * 1.3, last), sums


def looped_by_hand(x: Any) -> Any:
    sums = []
    for i in range(6):
        x = bf16(x * np.float32(1.01)) if i % 2 == 0 else bf16(bf16(jnp.sin(x)) + x)
        sums.append(bf16(x.sum()))
    while bf16(jnp.sum(x)) < 200:
        x = bf16(x * np.float32(1.3))
    return x, jnp.stack(sums)


def test_loops_and_branches_are_entered() -> None:
    want = looped_by_hand(X)
    assert_equal(jaxkit.emulate(looped)(X), want)
    assert_equal(jax.vmap(jaxkit.emulate(looped))(X[None]), jax.tree.map(lambda x: x[None], want))


def test_the_derivative_is_straight_through() -> None:
    def cube(x: Any) -> Any:
        return x * x * x

    x = jnp.float32(1.01)
    square = bf16(x * x)
    # d/dx of (x * x rounded) * x, as if rounding were the identity, and nothing else rounded.
    want = pytest.approx(float(2 * x * x + square), rel=1e-6)
    assert jax.grad(jaxkit.emulate(cube))(x) == want
    assert jax.jvp(jaxkit.emulate(cube), (x,), (1.0,))[1] == want


def test_a_gradient_that_is_emulated_is_rounded_too() -> None:
    rounded = jaxkit.emulate(jax.grad(lambda x: jnp.sum(smooth(x))))(X)
    assert_equal(rounded, bf16(rounded))
    exact = jax.grad(lambda x: jnp.sum(jaxkit.emulate(smooth)(x)))(X)
    assert not np.array_equal(exact, bf16(exact))
    np.testing.assert_allclose(rounded, exact, rtol=0.03)


@jax.custom_jvp
def kept(x: Any) -> Any:
    return x * 1.001


@kept.defjvp
def _kept_jvp(primals: Any, tangents: Any) -> Any:
    return kept(*primals), 5.0 * tangents[0]


def test_derivatives_of_the_users_own_stay() -> None:
    emulated = jaxkit.emulate(lambda x: kept(x).sum())
    assert emulated(X) == bf16(bf16(X * np.float32(1.001)).sum())
    assert jax.grad(emulated)(X).tolist() == [5.0] * 7


def layers(x: Any) -> Any:
    with jax.named_scope("encoder"), jax.named_scope("layer_0"):
        y = jnp.sin(x)
    with jax.named_scope("head"):
        z = outer(y)
    return z / 3.0


def outer(y: Any) -> Any:
    return inner(y) + jnp.where(y > 0.5, jnp.exp(y), 0.7)


def inner(y: Any) -> Any:
    return jnp.cos(y)


def layers_by_hand(rounded: str) -> Any:
    """Only the named results are rounded."""

    def of(name: str, value: Any) -> Any:
        return bf16(value) if name in rounded.split() else value

    y = of("sin", jnp.sin(X))
    total = of("add", of("cos", jnp.cos(y)) + jnp.where(y > 0.5, of("exp", jnp.exp(y)), 0.7))
    return of("div", total / 3.0)


@pytest.mark.parametrize(
    ("where", "rounded"),
    [
        ("encoder", "sin"),
        ("encoder/layer_0", "sin"),
        ("layer_*", "sin"),
        ("scope:head", "cos add exp"),
        ("outer", "cos add exp"),
        ("function:inner", "cos"),
        ("function=outer", "add exp"),
        ("unscoped=layers", "div"),
        ("scope=encoder/layer_0", "sin"),
        (("cos", "primitive:exp"), "cos exp"),
        (line_of(layers, "z / 3.0"), "div"),
        (f"test_emulate.py:{line_of(inner, 'cos')}", "cos"),
        (f"line:{line_of(layers, 'z / 3.0')}-{line_of(inner, 'cos')}", "div cos add exp"),
        (jaxkit.SourceLine(__file__, line_of(inner, "cos")), "cos"),
        (jnp.float32, "sin cos add exp div"),
        (np.float32, "sin cos add exp div"),
        ("dtype:float32", "sin cos add exp div"),
        ("f32", "sin cos add exp div"),
        (lambda at: at.primitive in ("sin", "div"), "sin div"),
    ],
)
def test_what_is_chosen(where: Any, rounded: str) -> None:
    got = jaxkit.emulate(layers, where=where)(X)
    np.testing.assert_allclose(got, layers_by_hand(rounded), rtol=1e-6)
    others = jaxkit.emulate(layers, keep=where)
    rest = " ".join({"sin", "cos", "add", "exp", "div"} - {*rounded.split()})
    if rest:
        np.testing.assert_allclose(others(X), layers_by_hand(rest), rtol=1e-6)


def test_the_backward_pass_of_a_scope_is_in_it() -> None:
    def loss(x: Any) -> Any:
        with jax.named_scope("inside"):
            y = jnp.tanh(x)
        return jnp.sum(y * 1.001)

    inside = jaxkit.emulate(jax.grad(loss), where="inside")(X)
    assert_equal(inside, bf16(inside))


def test_moves_are_rounded_where_they_are_named() -> None:
    assert_equal(jaxkit.emulate(lambda x: x[::-1], where="primitive:rev")(X), bf16(X[::-1]))


@pytest.mark.parametrize(
    ("where", "which", "hint"),
    [
        ("encodr", "'encodr'", "did you mean 'encoder' (scope)?"),
        ("scope:cos", "'scope:cos'", "scopes: 'encoder/layer_0', 'encoder', 'layer_0', 'head'"),
        (["head", "dot"], "'dot'", "scopes: 'encoder/layer_0', 'encoder', 'layer_0', 'head'; func"),
        ("dtype:bf16", "'dtype:bf16'", "dtypes: 'f32'"),
    ],
)
def test_what_matches_nothing(where: Any, which: str, hint: str) -> None:
    with pytest.raises(ValueError, match="matches no") as caught:
        jaxkit.emulate(layers, where=where)(X)
    message = f"where={which} matches no floating-point equation of 'layers'; {hint}"
    assert str(caught.value).startswith(message)


def test_a_test_that_is_never_true() -> None:
    def never(at: Any) -> bool:
        return False

    with pytest.raises(ValueError, match="is true for no floating-point equation of 'layers'"):
        jaxkit.emulate(layers, keep=never)(X)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dtype": "bf15"}, ValueError, "dtype must be a format"),
        ({"where": 1.5}, TypeError, "where must be a scope, a function's name, a line"),
        ({"where": []}, ValueError, "where must name something, got where=[]; None is for all"),
        ({"keep": "scope:"}, ValueError, "keep must name something, got an empty scope"),
        ({"operands": 1}, TypeError, "operands must be True or False, got operands=1"),
        ({"accumulate": "f32"}, ValueError, "accumulate must be 'wide' or 'narrow', got acc"),
        ({"precision": "bf16"}, TypeError, "emulate() has no option 'precision'"),
    ],
)
def test_options_that_make_no_sense(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        jaxkit.emulate(**options)
    assert str(caught.value).startswith(message)


def test_narrow_sums_stop_growing() -> None:
    ones = jnp.ones(1000)
    narrow = jaxkit.emulate(dtype="bf16", accumulate="narrow")
    # With 8 bits 256 + 1 is 256, the even one of its neighbours.
    assert narrow(jnp.sum)(ones) == narrow(jnp.dot)(ones, ones) == 256
    assert narrow(jnp.cumsum)(ones)[-1] == 256
    assert jaxkit.emulate(jnp.sum, dtype="bf16")(ones) == 1000


def test_narrow_products_are_those_of_all_axes() -> None:
    a = jnp.arange(48.0).reshape(2, 4, 6)
    b = jnp.arange(120.0).reshape(2, 5, 4, 3)
    exact = jaxkit.emulate(dtype="m23", exponent_bits=None, accumulate="narrow")
    for spec in ("bij,bkil->bjkl", "bij,ckil->bcjkl", "bij,bkil->kl", "bij,bkil->bjkl"):
        got = exact(lambda a, b, spec=spec: jnp.einsum(spec, a, b))(a, b)
        assert_equal(got, jnp.einsum(spec, a, b))
    summed = exact(lambda a: a.sum((0, 2)))
    assert_equal(summed(a), a.sum((0, 2)))
    assert_equal(jax.grad(lambda a: summed(a).sum())(a), jnp.ones_like(a))
    assert_equal(
        exact(lambda a: jax.lax.cumsum(a, 1, reverse=True))(a), a[:, ::-1].cumsum(1)[:, ::-1]
    )


def test_a_function_is_traced_once_for_arguments_of_one_kind() -> None:
    traces = []

    def counted(x: Any, n: int, mode: str = "a") -> Any:
        traces.append((x.shape, n, mode))
        return x * n

    emulated = jaxkit.emulate(counted)
    for n, mode in ((2, "a"), (2, "a"), (3, "a"), (3, "b"), (2, "a")):
        assert_equal(emulated(X, n, mode=mode), bf16(X * n))
    assert traces == [((7,), 2, "a"), ((7,), 3, "a"), ((7,), 3, "b")]


def test_what_cannot_be_hashed_reaches_the_function() -> None:
    def f(x: Any, table: Any) -> Any:
        return x * table.value

    class Table:
        __hash__ = None  # type: ignore[assignment]
        value = 1.5

    assert_equal(jaxkit.emulate(f)(X, Table()), bf16(X * 1.5))


def test_an_object_that_changes_is_read_again() -> None:
    class Scaled:
        factor = 2.0

        @jaxkit.emulate(dtype="f16")
        def __call__(self, x: Any) -> Any:
            return x * self.factor

    scaled = Scaled()
    assert_equal(scaled(X), round_to(X * 2.0, format_of("f16")))
    scaled.factor = 3.0
    assert_equal(scaled(X), round_to(X * 3.0, format_of("f16")))


def test_a_program_of_64_bits_in_one_of_32() -> None:
    emulated = jaxkit.emulate(jaxkit.x64(lambda x: x * x / 3), dtype="f32")
    want = jaxkit.x64(lambda x: x * x / 3)(X)
    np.testing.assert_allclose(emulated(X), want, rtol=1e-6)


def test_modules() -> None:
    model = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))
    emulated = jaxkit.emulate(model, dtype="f16")
    x = jnp.ones(3)
    assert_equal(emulated(x), emulated(x).astype(jnp.float16))
    np.testing.assert_allclose(emulated(x), model(x), rtol=1e-2)
    grads = eqx.filter_grad(lambda model, x: model(x).sum())(emulated, x)
    assert grads.fun.layers[0].weight.any()


def test_on_the_command_line() -> None:
    (found,) = read_applications(["emulate:dtype=f8_e4m3,where=['encoder','cos'],saturate=True@f"])
    transform = transforms.get(found.name)(**found.options)
    want = jaxkit.emulate(layers, dtype="f8_e4m3", where=["encoder", "cos"], saturate=True)
    assert_equal(transform(layers)(X), want(X))
    (bits,) = read_applications(["emulate:mantissa_bits=4@f"])
    got = transforms.get("emulate")(**bits.options)(jnp.sin)(X)
    assert_equal(got, round_to(jnp.sin(X), format_of("m4")))
