"""Sums by line, scope and primitive; loops of unknown length; what is missing; huge programs."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.extend.core import Primitive, jaxpr_as_fun

import jaxkit
from jaxkit._jax.jaxprs import trace
from jaxkit.jaxpr.cost import Cost, Costs, cost_of, site_costs
from jaxkit.report import SourceLine
from tests.jaxpr import programs
from tests.jaxpr.programs import PROGRAMS, f32

N = 8
ONE = 2 * N**3
X = f32(N, N)


def costs(fun: Any, *args: Any, **options: Any) -> Costs:
    return cost_of(trace(fun, args, {}), **options)


@pytest.mark.parametrize("name", PROGRAMS)
def test_everything_adds_up(name: str) -> None:
    fun, args, _ = PROGRAMS[name]()
    found = costs(fun, *args)
    for parts in (found.by_line, found.by_scope, found.by_primitive):
        assert sum(parts.values(), Cost()) == found.total
    assert found.total.flops == sum(found.total.vector[:4])
    ran = sum(cost.equations for cost in found.by_primitive.values())
    assert ran == found.total.equations >= sum(found.primitives.values())


@pytest.mark.parametrize("name", PROGRAMS)
def test_lines_are_of_the_program(name: str) -> None:
    fun, args, flops = PROGRAMS[name]()
    if not getattr(fun, "__module__", "jax").startswith("tests") or not flops:
        return  # a function of JAX's own stands on no line of the user's
    lines = [line for line, cost in costs(fun, *args).by_line.items() if cost.matmul_flops]
    assert {line.file for line in lines if line} == {programs.__file__}
    assert None not in lines


def unknown(x: Any) -> Any:
    with jax.named_scope("newton"):
        return lax.while_loop(lambda a: a.sum() < 3, lambda a: a @ a, x)


LINE = unknown.__code__.co_firstlineno + 2


def twice(x: Any) -> Any:
    return jax.jit(unknown)(unknown(x))


def test_a_loop_of_unknown_length_is_counted_once_and_listed() -> None:
    found = costs(unknown, X)
    assert found.total.matmul_flops == ONE
    assert found.total.unknown_loops == 1
    [missing] = found.uncounted
    assert (missing.primitive, missing.times) == ("while", 1)
    assert missing.where is not None
    assert (missing.where.line, missing.where.function) == (LINE, "unknown")
    assert str(missing) == (
        f"while at {missing.where}: how often it turns only the values tell: one turn is counted; "
        "trip_counts= says how many"
    )


@pytest.mark.parametrize(
    "key",
    [
        LINE,
        f"test_cost.py:{LINE}",
        f"tests/jaxpr/test_cost.py:{LINE}",
        SourceLine(__file__, LINE),
        "unknown",
        "newton",
        "while",
    ],
)
def test_the_user_says_how_often_a_loop_turns(key: Any) -> None:
    found = costs(unknown, X, trip_counts={key: 5})
    assert found.total.matmul_flops == 5 * ONE
    # the condition once more: 6 sums of 63 and 6 comparisons
    assert found.total.elementwise_flops == 6 * 64
    assert not found.uncounted
    assert found.total.unknown_loops == 0


def test_one_number_for_all_loops() -> None:
    assert costs(unknown, X, trip_counts=7).total.matmul_flops == 7 * ONE
    assert costs(unknown, X, trip_counts=0).total.matmul_flops == 0
    assert costs(twice, X, trip_counts=7).total.matmul_flops == 14 * ONE


def test_one_of_two_calls_of_a_loop_by_its_path() -> None:
    assert costs(twice, X, trip_counts={"unknown/while": 5}).total.matmul_flops == 6 * ONE


def test_a_loop_in_a_loop_is_met_as_often() -> None:
    def outer(x: Any) -> Any:
        return lax.scan(lambda x, _: (unknown(x), None), x, length=3)[0]

    found = costs(outer, X)
    assert (found.total.unknown_loops, found.uncounted[0].times) == (3, 3)
    assert costs(outer, X, trip_counts=2).total.matmul_flops == 6 * ONE


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            "ten",
            TypeError,
            (
                "trip_counts must be a number of turns or a mapping to such numbers, got 'ten' of "
                "type str"
            ),
        ),
        (True, TypeError, "trip_counts must be a number of turns, got True of type bool"),
        (-1, ValueError, "trip_counts must be 0 or more, got -1"),
        (
            {"f": 1.5},
            TypeError,
            "trip_counts['f'] must be a number of turns, got 1.5 of type float",
        ),
        (
            {None: 1},
            TypeError,
            (
                "a key of trip_counts must be a line ('train.py:41', 41 or a SourceLine) or the "
                "name of a function or scope, got None of type NoneType"
            ),
        ),
        (
            {"solver": 1},
            ValueError,
            (
                "trip_counts['solver'] names no loop of unknown length; those are: "
                f"{__file__}:{LINE} in unknown"
            ),
        ),
    ],
)
def test_trip_counts_that_make_no_sense(given: Any, error: Any, message: str) -> None:
    with pytest.raises(error) as caught:
        costs(unknown, X, trip_counts=given)
    assert str(caught.value) == message


def test_scopes() -> None:
    def loss(x: Any) -> Any:
        with jax.named_scope("encoder"):
            with jax.named_scope("first"):
                x = jnp.tanh(x @ x)
            x = jax.jit(lambda y: jnp.tanh(y @ x))(x)
        return jnp.sum(x**2)

    forward = costs(loss, X).by_scope
    assert forward["encoder/first"].matmul_flops == ONE
    assert forward["encoder"].matmul_flops == ONE
    both = costs(jax.vmap(jax.grad(loss)), f32(3, N, N)).by_scope
    assert both["encoder/first"].matmul_flops == 3 * ONE
    assert both["encoder/first (backward)"].matmul_flops == 6 * ONE
    assert both["encoder (backward)"].matmul_flops == 6 * ONE


def test_primitives_are_multiplied_and_calls_dissolved() -> None:
    def f(x: Any) -> Any:
        return lax.scan(lambda x, _: (jax.jit(jax.checkpoint(jnp.sin))(x), None), x, length=7)[0]

    assert dict(costs(f, X).primitives) == {"scan": 1, "sin": 7}


def test_devices() -> None:
    fun, args, flops = PROGRAMS["shard_map_matmul"]()
    found = costs(fun, *args)
    assert found.total.matmul_flops == flops == 4 * found.per_device.matmul_flops


def test_what_cannot_be_seen_is_listed() -> None:
    def f(x: Any) -> Any:
        jax.debug.callback(lambda x: None, x)
        y = jax.pure_callback(lambda x: x, x, x)
        return jax.random.gamma(jax.random.key(0), y)

    reasons = {each.primitive: each.reason for each in costs(f, X).uncounted}
    assert reasons["pure_callback"] == "it runs code that JAX does not show"
    assert "pure_callback" in reasons
    assert "debug_callback" in reasons
    assert "random_gamma" in reasons


def test_a_primitive_that_was_never_seen() -> None:
    novel = Primitive("novel")
    novel.def_abstract_eval(lambda x: x)
    found = costs(lambda x: novel.bind(x) + 1, X)
    [missing] = found.uncounted
    assert missing.primitive == "novel"
    assert missing.reason == "jaxkit has no rule for this primitive"
    assert found.by_primitive["novel"].bytes == 2 * 4 * N * N
    assert found.total.elementwise_flops == N * N


def test_a_primitive_that_was_never_seen_and_holds_a_program() -> None:
    novel = Primitive("novel_call")
    novel.def_abstract_eval(lambda x, **_: x)
    inner = jax.make_jaxpr(lambda x: x @ x)(jnp.ones((N, N)))
    found = costs(lambda x: novel.bind(x, program=inner), X)
    assert found.total.matmul_flops == ONE
    assert [each.reason for each in found.uncounted] == [
        "how often it runs the programs that it holds is not known: once is counted"
    ]


def test_symbolic_dimensions_are_listed() -> None:
    (b,) = jax.export.symbolic_shape("b")
    found = costs(lambda x, y: (x @ y, jnp.sin(y)), jax.ShapeDtypeStruct((b, N), jnp.float32), X)
    assert found.total.matmul_flops == 0
    assert found.total.transcendentals == N * N
    [missing] = found.uncounted
    assert missing.primitive == "dot_general"
    assert missing.reason == "its size depends on the symbolic dimension b"


def test_300_levels() -> None:
    jaxpr = jax.make_jaxpr(lambda x: x @ x)(jnp.ones((N, N)))
    for _ in range(300):
        called = jax.jit(jaxpr_as_fun(jaxpr))
        jaxpr = jax.make_jaxpr(lambda x: called(x)[0])(jnp.ones((N, N)))  # noqa: B023
    assert cost_of(jaxpr).total.matmul_flops == ONE
    assert len(site_costs(jaxpr)) == 300


def test_what_is_called_twice_at_each_of_60_levels_is_looked_at_once() -> None:
    jaxpr = jax.make_jaxpr(lambda x: x + 1)(1.0)
    for _ in range(60):
        called = jax.jit(jaxpr_as_fun(jaxpr))
        jaxpr = jax.make_jaxpr(lambda x: called(called(x)[0])[0])(1.0)  # noqa: B023
    assert cost_of(jaxpr).total.elementwise_flops == 2**60


def test_200_000_equations() -> None:
    def f(x: Any) -> Any:
        y = x
        for _ in range(2_000):
            y = y + x
        return y

    body = jax.jit(f)
    eqns = jax.make_jaxpr(f)(1.0)
    start = time.perf_counter()
    first = cost_of(eqns).total
    assert first.elementwise_flops == 2_000
    spent = time.perf_counter() - start
    many = jax.make_jaxpr(lambda x: [body(x * i) for i in range(100)])(1.0)
    start = time.perf_counter()
    assert cost_of(many).total.elementwise_flops == 200_000 + 100
    assert time.perf_counter() - start < 10 * spent + 1


def test_a_cost_of_an_equation_holds_what_is_inside() -> None:
    program = trace(lambda x: lax.scan(lambda x, _: (x @ x, None), x, length=3)[0], (X,), {})
    found = cost_of(program)
    [eqn] = [eqn for eqn in program.lowered.eqns if eqn.primitive.name == "scan"]
    assert found.of_equation(eqn).matmul_flops == 3 * ONE
    [body] = site_costs(program.lowered)
    assert (body.path, body.role, body.times) == (("scan",), "loop_body", 3)
    assert body.cost.matmul_flops == ONE
    assert found.of_jaxpr(body.jaxpr) == body.cost


def test_a_loop_of_unknown_length_turns_once() -> None:
    """Its condition is asked before the turn and after it, as with `trip_counts=1`."""

    def loop(x: jax.Array, v: jax.Array) -> jax.Array:
        return jax.lax.while_loop(lambda x: jnp.dot(x[0], v) > 0, lambda x: x @ x, x)

    args = jax.ShapeDtypeStruct((8, 8), "float32"), jax.ShapeDtypeStruct((8,), "float32")
    unknown = jaxkit.inspect(loop)(*args)
    assert unknown.matmul_flops == 2 * 8**3 + 2 * (2 * 8)
    assert unknown.flops == jaxkit.inspect(loop, trip_counts=1)(*args).flops
    assert sum(cost.flops for cost in unknown.by_line.values()) == unknown.flops
    assert jaxkit.inspect(loop, trip_counts=0)(*args).matmul_flops == 2 * 8
    assert [each.primitive for each in unknown.uncounted] == ["while"]
