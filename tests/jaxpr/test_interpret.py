"""A plain rule changes nothing: neither values nor types, derivatives, effects or errors.

Bits of every fourth example, gradients and batches of every sixth by default; JAXKIT_ALL=1 in the
environment takes all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax
from jax.experimental import io_callback
from jax.sharding import AxisType, PartitionSpec

from jaxkit.jaxpr import Rule, interpret
from tests.jaxpr.corpus import EXAMPLES, Example
from tests.part import part

# Jitted already, with arguments that `jax.jit` would not take.
JITTED = ("static_arguments", "equinox_jit", "flax_jit")
# Those in which something of the interpreter's own happens under a trace.
NESTED = """elementwise solve random_numbers nested_jits custom_jvp custom_vjp symbolic_zeros
custom_root custom_vmap rematerialized gradient_of_rematerialized lstm nested_scans reverse_scan
while_with_constants while_in_scan branches mapped_loop""".split()

DIFFERENTIATED = part([name for name, case in EXAMPLES.items() if case.grad], 6)
BATCHED = part([name for name in NESTED if EXAMPLES[name].vmap], 6)


def plain(fun: Callable[..., Any]) -> Callable[..., Any]:
    return interpret(fun, Rule())


def leaf(value: Any) -> Any:
    if not hasattr(value, "dtype"):
        return value
    kind = jax.typeof(value)
    if jnp.issubdtype(kind.dtype, jax.dtypes.prng_key):
        return str(kind), np.asarray(jax.random.key_data(value)).tobytes()
    return kind.dtype, kind.shape, kind.weak_type, np.asarray(value).tobytes()


def bits(tree: Any) -> Any:
    """Everything that can be told of a result: structure, types, weak types and bits."""
    return jax.tree.structure(tree), [leaf(value) for value in jax.tree.leaves(tree)]


def reference(case: Example, fun: Any) -> Any:
    return fun if case.name in JITTED else jax.jit(fun)


@pytest.mark.parametrize("name", part(EXAMPLES, 4))
def test_results_are_those_of_jit_to_the_bit(name: str) -> None:
    case = EXAMPLES[name]
    fun, args = case.make()
    assert bits(plain(fun)(*args)) == bits(reference(case, fun)(*args))


@pytest.mark.parametrize("name", NESTED)
def test_under_jit(name: str) -> None:
    fun, args = EXAMPLES[name].make()
    assert bits(jax.jit(plain(fun))(*args)) == bits(jax.jit(fun)(*args))


def loss(fun: Callable[..., Any]) -> Callable[..., Any]:
    def total(*args: Any) -> Any:
        outs = [out for out in jax.tree.leaves(fun(*args)) if jnp.issubdtype(out, jnp.inexact)]
        return sum((out * jnp.cos(jnp.arange(out.size)).reshape(out.shape)).sum() for out in outs)

    return total


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_gradients_are_those_of_the_function(name: str) -> None:
    fun, args = EXAMPLES[name].make()
    got = jax.jit(jax.grad(loss(plain(fun))))(*args)
    expected = jax.jit(jax.grad(loss(fun)))(*args)
    # Not to the bit: where JAX differentiates a jitted helper as a whole, XLA fuses differently.
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, 2e-6, 1e-6), got, expected)
    assert jax.tree.structure(got) == jax.tree.structure(expected)


@pytest.mark.parametrize("name", BATCHED)
def test_under_vmap(name: str) -> None:
    fun, args = EXAMPLES[name].make()
    rows = jax.tree.map(lambda x: np.stack([x, x + x.dtype.type(1)]), args)
    assert bits(jax.jit(jax.vmap(plain(fun)))(*rows)) == bits(jax.jit(jax.vmap(fun))(*rows))


def test_forward_derivatives_are_the_rules_own() -> None:
    fun, args = EXAMPLES["custom_jvp"].make()
    assert bits(jax.jvp(plain(fun), args, args)) == bits(jax.jvp(jax.jit(fun), args, args))
    assert bits(jax.hessian(lambda x: plain(fun)(x).sum())(*args)) == bits(
        jax.hessian(lambda x: fun(x).sum())(*args)
    )


def test_derivatives_backwards_alone_are_kept() -> None:
    hijax = pytest.importorskip("jax.experimental.hijax")
    base = getattr(hijax, "HiPrim", None) or hijax.VJPHiPrimitive

    class Square(base):
        def __init__(self, kind: Any) -> None:
            self.in_avals, self.out_aval, self.params = (kind,), kind, {}
            super().__init__()

        def expand(self, x: Any) -> Any:
            return x * x

        def vjp_fwd(self, varied: Any, x: Any) -> Any:
            return self(x), x

        def vjp_bwd_retval(self, kept: Any, given: Any) -> Any:
            return (given * kept * 7,)

    fun = lambda x: Square(jax.typeof(x))(x) * 2.0  # noqa: E731
    assert plain(fun)(jnp.float32(3)) == 18
    assert jax.grad(plain(fun))(jnp.float32(3)) == 42


X = np.array([0.5, 1.5, 2.5], np.float32)


def with_closures(around: Callable[[Any], Any]) -> Any:
    """The function that is interpreted closes over values of an enclosing trace."""

    def of_weight(w: Any) -> Any:
        slope = jax.grad(lambda w: around(lambda x: jnp.sin(w * x).sum())(X))(w)
        _, ys = lax.scan(lambda c, y: (around(lambda z: z * w + c)(y), c), w, X)
        return slope, ys, around(lambda x: lax.scan(lambda c, y: (c * w + y, c), w, x))(X)

    each = jax.vmap(lambda w: around(lambda x: (w * x).sum())(X))
    return jax.jit(of_weight)(2.0), jax.jit(each)(X)


def test_the_function_may_close_over_tracers() -> None:
    assert bits(with_closures(plain)) == bits(with_closures(lambda fun: fun))


def test_keyword_arguments_and_arguments_that_are_no_arrays() -> None:
    fun = lambda x, mode, *, k, **rest: (x * k + rest["z"][0], mode)  # noqa: E731
    got = plain(lambda *args, **kwargs: fun(*args, **kwargs)[0])(X, "a", k=2, z=[X])
    assert bits(got) == bits(jnp.asarray(X * 3))


def test_symbolic_dimensions() -> None:
    def fun(x: Any) -> Any:
        return lax.scan(lambda c, y: (c + y.sum(), c * y), jnp.float32(0), x), jnp.sort(x, 0)

    spec = jax.ShapeDtypeStruct(export.symbolic_shape("n, m"), np.float32)
    value = np.arange(6, dtype=np.float32).reshape(3, 2)
    exported = export.export(jax.jit(plain(fun)))(spec)
    assert bits(exported.call(value)) == bits(jax.jit(fun)(value))


def test_shapes_alone() -> None:
    got = jax.eval_shape(plain(lambda x: {"a": x.sum()}), jax.ShapeDtypeStruct((3,), np.float32))
    assert got == {"a": jax.ShapeDtypeStruct((), np.float32)}


def test_without_jit_and_with_leaks_checked() -> None:
    fun, args = EXAMPLES["lstm"].make()
    with jax.disable_jit():
        jax.tree.map(np.testing.assert_allclose, plain(fun)(*args), fun(*args))
    with jax.checking_leaks():
        assert bits(plain(fun)(*args)) == bits(jax.jit(fun)(*args))


def test_a_part_with_64_bits() -> None:
    def fun(x: Any) -> Any:
        with jax.enable_x64(True):
            y = x.astype(jnp.float64)
            c, _ = lax.scan(lambda c, z: (c + z * 1e-9, None), jnp.float64(0), y)
            w = lax.while_loop(lambda c: c < 10.0, lambda c: c * 1.1, c + 1)
            return lax.cond(c > 0, lambda: c, lambda: w), w

    got = plain(fun)(X)
    assert got[0].dtype == jnp.float64
    assert bits(got) == bits(jax.jit(fun)(X))


def test_shardings_are_those_of_jit() -> None:
    mesh = jax.make_mesh((4,), ("i",), axis_types=(AxisType.Explicit,))
    fun = lambda y: (jnp.sin(y).sum(1), jax.jit(lambda y: y * 2)(y))  # noqa: E731
    with jax.set_mesh(mesh):
        y = jax.device_put(np.ones((8, 2), np.float32), PartitionSpec("i"))
        got, expected = plain(fun)(y), jax.jit(fun)(y)
    assert bits(got) == bits(expected)
    assert [x.sharding for x in got] == [x.sharding for x in expected]


def test_one_shard_map_inside_another() -> None:
    mesh = jax.make_mesh((2, 2), ("i", "j"), axis_types=(AxisType.Auto,) * 2)
    spec = PartitionSpec

    def inner(x: Any) -> Any:
        return lax.psum(x, "j") * lax.axis_index("i")

    def outer(x: Any) -> Any:
        mapped = jax.shard_map(inner, in_specs=spec("j"), out_specs=spec(), axis_names={"j"})
        return mapped(x * 2)

    fun = jax.jit(
        jax.shard_map(outer, mesh=mesh, in_specs=spec("i"), out_specs=spec("i"), axis_names={"i"})
    )
    value = np.arange(8, dtype=np.float32)
    assert bits(plain(fun)(value)) == bits(fun(value))


def test_references_as_arguments_and_captured() -> None:
    given, captured = jax.new_ref(jnp.zeros(3)), jax.new_ref(jnp.zeros(3))

    def fun(ref: Any, x: Any) -> Any:
        ref[...] += x
        captured[...] += 2 * x
        return x * 2

    plain(fun)(given, X)
    plain(fun)(given, X)
    np.testing.assert_array_equal(given[...], 2 * X)
    np.testing.assert_array_equal(captured[...], 4 * X)


def test_effects_run_once_and_in_order() -> None:
    seen: list[Any] = []

    def say(word: str, *values: Any) -> None:
        io_callback(lambda *v: seen.append((word, *map(int, v))), None, *values, ordered=True)

    def fun(x: Any) -> Any:
        say("begin", x)
        lax.fori_loop(0, 3, lambda i, c: (say("turn", i), c)[1], 0)
        lax.cond(x > 0, lambda: say("yes"), lambda: say("no"))
        x = lax.while_loop(lambda y: (say("test", y), y < 3)[1], lambda y: y + 1, x)
        jax.jit(lambda x: say("end", x))(x)
        return x

    plain(fun)(jnp.int32(1))
    jax.effects_barrier()
    turns = [("turn", 0), ("turn", 1), ("turn", 2)]
    tests = [("test", 1), ("test", 2), ("test", 3)]
    assert seen == [("begin", 1), *turns, ("yes",), *tests, ("end", 3)]


def test_printing_happens_once(capfd: pytest.CaptureFixture[str]) -> None:
    fun, args = EXAMPLES["prints"].make()
    plain(fun)(*args)
    jax.effects_barrier()
    assert capfd.readouterr().out == "1.0\n"


def test_three_hundred_calls_inside_each_other() -> None:
    inner = jax.jit(lambda x: x + 1)
    for _ in range(300):  # each is traced before the next one calls it, so that JAX is not deep
        inner = jax.jit(lambda x, inner=inner: inner(x) - 1)
        inner.trace(X)
    np.testing.assert_array_equal(plain(inner)(X), X - 299)


def test_loops_as_deep_as_jax_goes() -> None:
    fun: Any = lambda x: x + 1  # noqa: E731
    for _ in range(25):
        fun = lambda x, fun=fun: lax.fori_loop(0, 1, lambda i, y: fun(y), x)  # noqa: E731
    np.testing.assert_array_equal(plain(fun)(X), X + 1)


def test_the_users_own_error_arrives_as_it_is() -> None:
    def raises(x: Any) -> Any:
        raise KeyError("mine")

    def branches(weights: Any) -> Any:
        return weights if weights.sum() > 0 else 1

    with pytest.raises(KeyError) as own:
        plain(raises)(X)
    assert own.value.args == ("mine",)
    assert own.value.__cause__ is None
    with pytest.raises(jax.errors.TracerBoolConversionError) as jaxs:
        plain(branches)(X)
    assert f"function branches at {__file__}:" in str(jaxs.value)
    assert "the argument weights" in str(jaxs.value)
