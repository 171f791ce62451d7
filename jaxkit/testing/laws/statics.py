"""`static`: what is no array stays what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxkit.testing._compare import show
from jaxkit.testing.laws._law import Bench, Law, broken

__all__ = ["LAWS"]


def _static(bench: Bench) -> None:
    bench.own_functions()
    marker = object()
    for value in ("double", 3, True, None, jnp.tanh, ("a", "b"), jnp.float32, marker):
        _arrives_itself(bench, value)
    _as_shape(bench)
    if "no_jit" not in bench.tags:
        _under_jit(bench)


def _arrives_itself(bench: Bench, value: Any) -> None:
    seen: list[Any] = []

    def choose(x: Any, how: Any) -> Any:
        seen.append(how)
        return x * 2.0

    for by_name in (False, True):
        wrapped = bench.wrap(choose)
        seen.clear()
        x = jnp.ones(3)
        try:
            wrapped(x, how=value) if by_name else wrapped(x, value)
        except Exception as error:
            broken(f"f(x, {show(value)}) raised {type(error).__name__}: {_first_line(error)}")
        for got in seen:
            # An equal str or tuple will do; a number must not have become an array.
            if got is not value and not (type(got) is type(value) and got == value):
                broken(f"f(x, {show(value)}) reached the function as {show(got)}")


def _as_shape(bench: Bench) -> None:
    def padded(x: Any, n: int, mode: str = "sum") -> Any:
        total = x * 0.0
        for _ in range(n):
            total = total + x
        return total + jnp.zeros(n).sum() if mode == "sum" else -total

    _run(bench, "f(x, 3) with range(n) and zeros(n) in it", padded, lambda f: f(jnp.ones(3), 3))


def _under_jit(bench: Bench) -> None:
    def powers(x: Any, n: int, mode: str = "sum") -> Any:
        for _ in range(n):
            x = x * 2.0
        return x if mode == "sum" else -x

    x = jnp.ones(3)
    inner = jax.jit(powers, static_argnames=("n", "mode"))
    _run(bench, "f(x, 2, mode='sum') of a jitted f", inner, lambda f: f(x, 2, mode="sum"), powers)

    def outer(wrapped: Any) -> Any:
        return jax.jit(wrapped, static_argnums=(1,), static_argnames=("mode",))(x, 2, mode="neg")

    _run(bench, "jax.jit(f, static_argnums=1)(x, 2)", powers, outer)


def _run(
    bench: Bench,
    what: str,
    fun: Callable[..., Any],
    call: Callable[[Any], Any],
    plain: Callable[..., Any] | None = None,
) -> None:
    try:
        got = call(bench.wrap(fun))
    except Exception as error:
        broken(f"{what} raised {type(error).__name__}: {_first_line(error)}")
    if bench.keeps_values:
        bench.same(got, call(bench.adapt(plain or fun)), what)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


LAWS = (
    Law(
        "static",
        "arguments that are no arrays reach the function as they are, also under jax.jit",
        _static,
        free_by=frozenset({"changes_signature"}),
        excused_by=("jit", "args"),
    ),
)
