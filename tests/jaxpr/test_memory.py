"""The estimate of the peak against XLA's own, and against small programs worked out by hand."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.extend.core import jaxpr_as_fun

from jaxkit._jax.jaxprs import trace
from jaxkit.jaxpr.memory import peak_of
from tests.jaxpr.memory_programs import PROGRAMS
from tests.jaxpr.programs import f32

K = 100 * 100 * 4
X = f32(100, 100)


def peak(fun: Any, *args: Any, **options: Any) -> int:
    return peak_of(trace(fun, args, {}), **options).bytes


@pytest.mark.parametrize(
    ("fun", "arrays"),
    [
        (lambda x: x, 2),  # the result is a copy
        (lambda x: x + 1, 2),
        (lambda x: jnp.sin(jnp.cos(x) + x) * 2, 2),  # all in one loop
        (lambda x: jnp.sin(x) @ x, 3),  # a product takes what is stored
        (lambda x: jnp.sin(x @ x), 2),  # in the place of the product
        (lambda x: x @ x @ x @ x, 3),
        (lambda x: (x @ x).reshape(-1), 2),
        (lambda x: (x @ x, x @ x + 1), 3),
        (lambda x: jax.jit(lambda y: jnp.sin(y))(jnp.cos(x)) + 1, 2),
        (lambda x: lax.cond(x[0, 0] > 0, lambda x: x @ x @ x, lambda x: x, x), 3),
        (lambda x: x.T @ x, 2),
    ],
)
def test_by_hand(fun: Any, arrays: int) -> None:
    assert abs(peak(fun, X) - arrays * K) < 500


def test_a_donated_argument_is_used_again() -> None:
    assert peak(lambda x: x + 1, X) == 2 * K
    assert peak(lambda x: x + 1, X, donated=(0,)) == K


def test_what_no_result_needs_takes_nothing() -> None:
    def f(x: Any) -> Any:
        for _ in range(5):
            x @ x
        return x + 1

    assert peak(f, X) == 2 * K


def test_the_line_that_holds_most() -> None:
    def f(x: Any) -> Any:
        small = x[0] @ x
        large = x[:, None] * small[None, :, None] @ x
        return jnp.sin(large).sum() + small.sum()

    found = peak_of(trace(f, (X,), {}), names=("x",))
    assert found.where is not None
    assert found.where.line == f.__code__.co_firstlineno + 2
    assert found.arrays[0].bytes == 100 * K
    assert found.arrays[0].what == "f32[100,100,100]"
    assert found.by_line[found.where] == sum(
        each.bytes for each in found.arrays if each.where == found.where
    )
    assert str(next(each for each in found.arrays if each.argument)) == "f32[100,100] of x"


def test_what_a_loop_holds_is_on_its_line() -> None:
    def f(x: Any) -> Any:
        def turn(x: Any, _: Any) -> Any:
            wide = jnp.concatenate([x] * 9, 1) @ jnp.concatenate([x] * 9, 0)
            return wide, None

        return lax.scan(turn, x, length=3)[0]

    found = peak_of(trace(f, (X,), {}))
    assert found.where is not None
    assert found.where.function.endswith("turn")
    assert found.where == found.at


def test_depth_and_symbols() -> None:
    jaxpr = jax.make_jaxpr(lambda x: jnp.sin(x @ x) @ x)(jnp.ones((10, 10)))
    one = peak_of(jaxpr).bytes
    for _ in range(300):
        called = jax.jit(jaxpr_as_fun(jaxpr))
        jaxpr = jax.make_jaxpr(lambda x: called(x)[0])(jnp.ones((10, 10)))  # noqa: B023
    assert peak_of(jaxpr).bytes == one
    (b,) = jax.export.symbolic_shape("b")
    assert peak(lambda x: x + 1, jax.ShapeDtypeStruct((b, 3), jnp.float32)) == 0
    assert peak(lambda: jnp.zeros((0, 3))) == 0
    assert peak(lambda k: jax.random.split(k), jax.random.key(0)) >= 8 + 16


def test_against_xla(capsys: pytest.CaptureFixture[str]) -> None:
    ratios: dict[str, float] = {}
    rows: list[str] = []
    for name, make in PROGRAMS.items():
        fun, args = make()
        jitted = fun if hasattr(fun, "lower") else jax.jit(fun)
        memory = jitted.lower(*args).compile().memory_analysis()
        xla = (
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            + memory.temp_size_in_bytes
            - memory.alias_size_in_bytes
        )
        count = len(jax.tree.leaves(args[:2])) if name.endswith("donated") else 0
        ours = peak(fun, *args, donated=range(count))
        ratios[name] = ours / xla
        rows.append(f"{name:24} {ours:>12,} {xla:>12,} {ours / xla:6.2f}")
    with capsys.disabled():
        print(f"\n{'peak memory':24} {'jaxkit':>12} {'XLA':>12}  ratio", *rows, sep="\n")
    outside = [name for name, ratio in ratios.items() if not 0.7 <= ratio <= 1.4]
    assert len(ratios) >= 15
    assert len(outside) <= len(ratios) * 2 // 15, outside
