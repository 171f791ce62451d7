"""Rules that do something: boxes of more than the array, a state; and what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec

from jaxkit.jaxpr import Equation, Rule, interpret, with_state
from tests.jaxpr.corpus import EXAMPLES, mesh_of
from tests.jaxpr.test_interpret import bits


class Count(Rule):
    """How many equations ran."""

    def start(self) -> Any:
        return 0

    def equation(self, at: Equation, boxes: Any) -> Any:
        at.state += 1
        return super().equation(at, boxes)

    def across_devices(self, before: Any, after: Any, axes: Any) -> Any:
        return before + lax.psum(after - before, axes)


class Depth(Rule):
    """Beside each value, how many equations it took one after the other."""

    def lift(self, value: Any) -> Any:
        assert isinstance(value.shape, tuple)
        return {"value": value, "depth": jnp.zeros(value.shape, jnp.int32)}

    def primal(self, box: Any) -> Any:
        return box["value"]

    def equation(self, at: Equation, boxes: Any) -> Any:
        out = at.run([box["value"] for box in boxes])
        deepest = reduce(jnp.maximum, [jnp.max(box["depth"], initial=0) for box in boxes], 0)
        return [{"value": x, "depth": jnp.full(jnp.shape(x), deepest + 1, jnp.int32)} for x in out]


class Both(Depth, Count):
    def equation(self, at: Equation, boxes: Any) -> Any:
        at.state += 1
        return Depth.equation(self, at, boxes)


X = np.float32(1)
P = PartitionSpec


def doubled(x: Any) -> Any:
    """7 turns from 1: 7 mul, 8 lt."""
    return lax.while_loop(lambda y: y < 100, lambda y: y * 2, x)


def halved(y: Any) -> Any:
    return lax.while_loop(lambda y: y > 1, lambda y: y / 2, y)


def on_devices(x: Any) -> Any:
    """Before and on each of 4 devices a mul, then a sin and a sum over the devices."""
    body = lambda x: lax.psum(jnp.sin(x), "i")  # noqa: E731
    return jax.shard_map(body, mesh=mesh_of(), in_specs=P("i"), out_specs=P())(x * 2)


def branch(x: Any) -> Any:
    """A gt, the conversion of its result to a branch's number, and a branch."""
    return lax.cond(x > 0, jnp.sin, lambda x: jnp.cos(x) * 2 + 1, x)


# (name, function, argument, equations that run)
COUNTS = [
    ("straight", lambda x: jnp.sin(x) * 2 + x, X, 3),
    ("nothing", lambda x: x, X, 0),
    ("scan", lambda x: lax.scan(lambda c, _: (c * 2 + 1, c), x, None, length=5), X, 5 * 2),
    ("no turns", lambda x: lax.scan(lambda c, _: (c * 2 + 1, c), x, None, length=0), X, 0),
    ("counted loop", lambda x: lax.fori_loop(0, 4, lambda i, y: y * 2, x), X, 4 * (1 + 1)),
    ("while", doubled, X, 7 + 8),
    ("while that ends at once", doubled, np.float32(200), 1),
    # 3 is halved 2 times, 30 5 times, 300 9 times; each time one test more; an add for each
    (
        "while in scan",
        lambda x: lax.scan(lambda c, y: (c + halved(y), None), X, x)[0],
        np.array([3, 30, 300], np.float32),
        (2 + 5 + 9) + (3 + 6 + 10) + 3,
    ),
    ("one branch", branch, X, 2 + 1),
    ("the other", branch, -X, 2 + 3),
    ("jit", jax.jit(lambda x: jax.jit(jnp.sin)(x) + jax.jit(jnp.sin)(x)), X, 3),
    ("custom derivative", jax.nn.relu, X, 1),
    ("checkpoint", jax.checkpoint(lambda x: jnp.sin(jnp.cos(x))), X, 2),
    ("devices", on_devices, np.ones(4, np.float32), 1 + 4 * 2),
    ("reduction", lambda x: x.sum(), np.ones(9, np.float32), 1),
]


@pytest.mark.parametrize(
    ("fun", "x", "expected"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS]
)
@pytest.mark.parametrize("rule", [Count(), Both()], ids=["array", "boxes"])
def test_equations_that_ran(fun: Callable[..., Any], x: Any, expected: int, rule: Rule) -> None:
    assert int(with_state(fun, rule)(x)[1]) == expected


def test_a_state_is_mapped_and_jitted_with_the_program() -> None:
    # 1 takes 4 turns to 16, 4 takes 2: each turn a mul and a lt, and a lt before
    below = lambda x: lax.while_loop(lambda y: y < 9, lambda y: y * 2, x)  # noqa: E731
    _, counts = jax.jit(jax.vmap(with_state(below, Count())))(np.array([1, 4], np.float32))
    assert counts.tolist() == [9, 5]


def test_boxes_through_a_scan() -> None:
    fun = lambda x: lax.scan(lambda c, _: (c * 2 + 1, c), x, None, length=4)  # noqa: E731
    last, each = interpret(fun, Depth())(X)
    assert (float(last["value"]), int(last["depth"])) == (31, 8)
    assert each["depth"].tolist() == [0, 2, 4, 6]


def test_boxes_through_a_reverse_scan_with_inputs() -> None:
    def fun(xs: Any) -> Any:
        return lax.scan(lambda c, x: (c + x, jnp.sin(x)), X, xs, reverse=True)

    last, each = interpret(fun, Depth())(np.arange(3, dtype=np.float32))
    assert (float(last["value"]), int(last["depth"])) == (4, 3)
    assert each["depth"].tolist() == [1, 1, 1]


def test_boxes_through_while_and_branches() -> None:
    assert int(interpret(doubled, Depth())(X)["depth"]) == 7
    assert int(interpret(branch, Depth())(X)["depth"]) == 1
    assert int(interpret(branch, Depth())(-X)["depth"]) == 3


BOXED = """weak_types dot_product_attention searching solve random_keys donated captured_array
custom_jvp custom_vjp gradient_of_rematerialized custom_root lstm nested_scans reverse_scan
while_with_constants branch_in_loop branch_by_platform scan_without_turns mapped_loop sharded
sharded_in_part sharded_unchecked parallel_map callbacks references zero_sized""".split()


@pytest.mark.parametrize("name", BOXED)
def test_values_in_boxes_are_those_of_the_program(name: str) -> None:
    fun, args = EXAMPLES[name].make()
    boxes, _ = with_state(fun, Both())(*args)
    got = jax.tree.map(
        lambda box: box["value"],
        boxes,
        is_leaf=lambda box: isinstance(box, dict) and "depth" in box,
    )
    # A weak type is lost, as of anything that a loop carries beside the array.
    strong = lambda x: jax.lax.convert_element_type(x, x.dtype)  # noqa: E731
    assert bits(jax.tree.map(strong, got)) == bits(jax.tree.map(strong, jax.jit(fun)(*args)))


def test_gradients_go_through_a_state_and_several_devices() -> None:
    def fun(x: Any, w: Any) -> Any:
        spread = lambda x, w: (lax.psum(jnp.sin(x * w), "i"), w * 2)  # noqa: E731
        mesh = mesh_of()
        return jax.shard_map(spread, mesh=mesh, in_specs=(P("i"), P()), out_specs=(P(), P()))(x, w)

    def slope(fun: Any) -> Any:
        return jax.grad(lambda w: sum(y.sum() for y in fun(X4, w)))(1.5)

    counted = with_state(fun, Count())
    np.testing.assert_allclose(slope(lambda *args: counted(*args)[0]), slope(fun), rtol=1e-6)


X4 = np.arange(4, dtype=np.float32)


def test_an_equation_knows_where_it_stands() -> None:
    seen: list[Any] = []

    class Look(Rule):
        def equation(self, at: Equation, boxes: Any) -> Any:
            line = at.where.line - first if at.where is not None else None
            seen.append((at.primitive, at.path, at.scope, line, sorted(at.params)))
            return super().equation(at, boxes)

    def fun(x: Any) -> Any:
        with jax.named_scope("outer"):
            x = jax.jit(inner)(x)
        return lax.scan(lambda c, _: (jnp.exp2(c), None), x, None, length=2)[0]

    @jax.named_scope("inner")
    def inner(x: Any) -> Any:
        return lax.integer_pow(x, 3)

    first = fun.__code__.co_firstlineno
    interpret(fun, Look())(X)
    assert seen == [
        ("integer_pow", ("inner",), "outer/inner", 7, ["y"]),
        ("exp2", ("scan",), "", 3, ["accuracy"]),
    ]


def test_a_rule_may_replace_an_equation() -> None:
    class Cos(Rule):
        def equation(self, at: Equation, boxes: Any) -> Any:
            return [lax.cos(boxes[0])] if at.primitive == "sin" else super().equation(at, boxes)

    fun = lambda x: lax.map(jnp.sin, x) + 1  # noqa: E731
    np.testing.assert_allclose(interpret(fun, Cos())(X4), np.cos(X4) + 1, rtol=1e-6)


# What is wrong with a rule or a call.


def message_of(fun: Any, rule: Any, *args: Any) -> str:
    # Each test below asserts the whole message, which tells the errors apart.
    with pytest.raises((TypeError, ValueError, NotImplementedError)) as error:
        interpret(fun, rule)(*args)
    return str(error.value).split("\n-----")[0]


def test_no_function_and_no_rule() -> None:
    assert message_of(3, Rule()) == (
        "fun must be a function, got 3 of type int: "
        "interpret(fun, rule)(*args), as with jax.make_jaxpr(fun)(*args)"
    )
    assert message_of(jnp.sin, Rule) == (
        "rule must be a jaxkit.jaxpr.Rule, got <class 'jaxkit.jaxpr.rule.Rule'> of type type: "
        "derive a class from Rule and pass an instance of it"
    )


def test_wrong_number_of_boxes() -> None:
    class Forgetful(Rule):
        def equation(self, at: Equation, boxes: Any) -> Any:
            return []

    class Bare(Rule):
        def equation(self, at: Equation, boxes: Any) -> Any:
            return at.run(boxes)[0]

    assert message_of(jnp.sin, Forgetful(), X) == (
        "Forgetful.equation must return a list of 1 boxes for 'sin', one a result, got 0"
    )
    assert "boxes for 'sin', one a result, got " in message_of(jnp.sin, Bare(), X)


class Growing(Rule):
    """Whose boxes are of another form after an equation."""

    def primal(self, box: Any) -> Any:
        return box[0] if isinstance(box, tuple) else box

    def equation(self, at: Equation, boxes: Any) -> Any:
        return [(out, out) for out in at.run([self.primal(box) for box in boxes])]


FORM = (
    "the form of a box may depend on the shape and dtype of its array and on nothing else; "
    "let `equation` return boxes of the form that `lift` makes"
)


def test_boxes_of_another_form_in_loops_and_branches() -> None:
    turned = "(float32[], float32[])"
    assert message_of(lambda x: lax.fori_loop(0, 2, lambda i, y: y * 2, x), Growing(), X) == (
        "Growing gives box 0 of the carry of 'scan' the form (int32[], int32[]), "
        f"where it had int32[] before: {FORM}"
    )
    assert message_of(doubled, Growing(), X) == (
        f"Growing gives box 0 of the carry of 'while' the form {turned}, "
        f"where it had float32[] before: {FORM}"
    )
    chosen = lambda x: lax.cond(x > 0, lambda: x, lambda: x * 2)  # noqa: E731
    assert message_of(chosen, Growing(), X) == (
        f"Growing gives box 0 of the results of 'cond' the form float32[], "
        f"where it had {turned} before: {FORM}"
    )


def test_a_state_of_another_form() -> None:
    class Log(Rule):
        def start(self) -> Any:
            return jnp.zeros(0)

        def equation(self, at: Equation, boxes: Any) -> Any:
            at.state = jnp.append(at.state, 1.0)
            return super().equation(at, boxes)

    assert message_of(doubled, Log(), X) == (
        "Log gives the state of 'while' the form float32[1], where it had float32[0] before: "
        "a loop carries the state, whose shapes and dtypes must stay as `start` makes them"
    )


def test_boxes_that_a_loop_cannot_slice() -> None:
    class Scalar(Rule):
        def lift(self, value: Any) -> Any:
            return value, jnp.float32(0)

        def primal(self, box: Any) -> Any:
            return box[0]

    assert message_of(lambda x: lax.map(jnp.sin, x), Scalar(), X4) == (
        "Scalar made box 0 of the inputs of 'scan' with a leaf of shape () for an array of shape "
        "(4,): a loop slices both along their first axis; give each leaf of a box the shape of "
        "its array"
    )


def test_a_state_and_several_devices() -> None:
    class Lonely(Count):
        across_devices = Rule.across_devices

    assert message_of(on_devices, Lonely(), X4) == (
        "Lonely carries a state into jax.shard_map: "
        "define across_devices(self, before, after, axes) to join those of the devices, "
        "as in `return before + jax.lax.psum(after - before, axes)`"
    )
