"""Two programs beside each other: versions, dtypes, refactors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxkit
from jaxkit.report import Report


def f32(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def diff(before: Callable[..., Any], after: Callable[..., Any], *args: Any) -> Report:
    return jaxkit.inspect(before, lints=[])(*args).diff(jaxkit.inspect(after, lints=[])(*args))


def counts(report: Report) -> tuple[int, int, int, int]:
    data = report.data
    return data["added"], data["removed"], data["changed"], data["arguments_and_results"]


def differences(report: Report) -> list[tuple[str, str, str]]:
    return [(d["kind"], d["primitive"], d["aspect"]) for d in report.data["differences"]]


def block(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w) + x


def deep(x: Any, w: Any) -> Any:
    for _ in range(6):
        x = block(x, w)
    return x.sum()


ARGS = f32(4, 8), f32(8, 8)


def test_the_same_program() -> None:
    found = diff(deep, deep, *ARGS)
    assert counts(found) == (0, 0, 0, 0)
    assert found.data["same"] is True
    assert found.ok
    # 6 x (2 4 8 8 + tanh 4 8 + add 4 8) + 4 8 - 1
    assert found.blocks[0].text == "deep: the same program, 3.49 kFLOP"  # type: ignore[union-attr]


def test_one_equation_more() -> None:
    def after(x: Any, w: Any) -> Any:
        for i in range(6):
            x = block(x, w)
            if i == 3:
                x = jnp.sin(x)
        return x.sum()

    found = diff(deep, after, *ARGS)
    assert differences(found) == [("added", "sin", "")]
    (only,) = found.data["differences"]
    assert only["flops"] == 4 * 8
    assert only["where"]["function"].endswith("after")
    assert differences(diff(after, deep, *ARGS)) == [("removed", "sin", "")]


def test_a_refactor_changes_nothing() -> None:
    @jax.jit
    def helper(x: Any, w: Any) -> Any:
        return jnp.tanh(x @ w)

    def after(x: Any, w: Any) -> Any:
        for _ in range(3):
            x = jax.jit(lambda y: helper(y, w) + y)(x)
            x = helper(x, w) + x
        return jax.jit(jnp.sum)(x)

    assert diff(deep, after, *ARGS).data["same"]


def test_independent_equations_in_another_order() -> None:
    def before(x: Any) -> Any:
        a, b, c = jnp.sin(x), jnp.cos(x), jnp.exp(x)
        return a * b + c

    def after(x: Any) -> Any:
        c, b, a = jnp.exp(x), jnp.cos(x), jnp.sin(x)
        return a * b + c

    assert diff(before, after, f32(3)).data["same"]


def test_other_operands_are_a_change() -> None:
    def before(x: Any, y: Any) -> Any:
        return jnp.sin(x) - jnp.cos(y)

    def after(x: Any, y: Any) -> Any:
        return jnp.cos(y) - jnp.sin(x)

    assert ("changed", "sub", "what it reads") in differences(diff(before, after, f32(3), f32(3)))
    swapped = diff(lambda x, y: (x, y), lambda x, y: (y, x), f32(3), f32(3))
    assert differences(swapped) == [("changed", "result", "what is returned")] * 2


def test_two_dtypes() -> None:
    before = jaxkit.inspect(deep, lints=[])(*ARGS)
    half = (jax.ShapeDtypeStruct(each.shape, jnp.bfloat16) for each in ARGS)
    found = before.diff(jaxkit.inspect(deep, lints=[])(*half))
    added, removed, changed, others = counts(found)
    assert removed == 0
    assert added <= 2  # the sum is taken in float32
    assert changed >= 18
    assert others == 2
    assert {d[2] for d in differences(found) if d[1] == "dot_general"} == {"dtype f32 -> bf16"}


def test_two_sizes() -> None:
    before = jaxkit.inspect(deep, lints=[])(*ARGS)
    found = before.diff(jaxkit.inspect(deep, lints=[])(f32(16, 8), f32(8, 8)))
    assert counts(found)[:2] == (0, 0)
    assert {d[2] for d in differences(found)} == {"shape", "argument shape", "operand shape"}


def test_parameters_and_constants() -> None:
    def product(precision: str) -> Callable[..., Any]:
        return lambda x, w: jnp.matmul(x, w, precision=precision)

    (only,) = differences(diff(product("default"), product("highest"), *ARGS))
    assert only == ("changed", "dot_general", "precision")
    (only,) = differences(diff(lambda x: x * 2.0, lambda x: x * 3.0, f32(3)))
    assert only == ("changed", "mul", "a constant")


def test_inside_of_loops_and_branches() -> None:
    def loop(body: Callable[..., Any], length: int) -> Callable[..., Any]:
        def fun(x: Any) -> Any:
            def step(x: Any, _: Any) -> Any:
                return lax.cond(x.sum() > 0, body, jnp.cos, x), None

            return lax.scan(step, x, length=length)[0]

        return fun

    found = diff(loop(jnp.sin, 10), loop(lambda x: jnp.exp(jnp.sin(x)), 10), f32(3))
    (only,) = found.data["differences"]
    assert (only["kind"], only["primitive"]) == ("added", "exp")
    assert only["path"][0] == "scan"
    assert only["flops"] == 30
    found = diff(loop(jnp.sin, 10), loop(jnp.sin, 20), f32(3))
    assert differences(found) == [("changed", "scan", "length")]


def test_arguments_by_name() -> None:
    before = jaxkit.inspect(lambda p: p["a"] @ p["b"], lints=[])({"a": f32(2, 3), "b": f32(3)})
    after = jaxkit.inspect(lambda p: p["b"] @ p["c"] + p["a"].sum(), lints=[])(
        {"a": f32(2, 3), "b": f32(3), "c": f32(3)}
    )
    names = [d["detail"] for d in before.diff(after).data["differences"] if d["kind"] == "added"]
    assert "[0][0]['c'] f32[3]" in names


def test_large_programs_in_about_linear_time() -> None:
    def chain(n: int, extra: int) -> Callable[..., Any]:
        def fun(x: Any) -> Any:
            for i in range(n):
                x = lax.sin(x) if i % 3 else lax.add(x, x)
                if i == extra:
                    x = lax.exp(x)
            return x

        return fun

    before, after = (jaxkit.inspect(chain(20_000, n), lints=[])(f32()) for n in (-1, 15_000))
    start = time.perf_counter()
    found = before.diff(after)
    assert time.perf_counter() - start < 60
    assert differences(found) == [("added", "exp", "")]


def test_no_inspection() -> None:
    before = jaxkit.inspect(jnp.sin, lints=[])(f32())
    with pytest.raises(TypeError) as caught:
        before.diff(jnp.sin)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "other must be what jaxkit.inspect(fun)(*args) gave, got PjitFunction"
    )
