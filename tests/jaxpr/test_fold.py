"""A fold looks at each jaxpr once, at any depth and size."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core as jex

from jaxkit.jaxpr import fold, walk
from jaxkit.jaxpr.nesting import Nested

X = np.ones(3, np.float32)


def equations(eqn: Any, held: list[tuple[Nested, int]]) -> int:
    """How many equations a program has when its calls are dissolved."""
    return sum(each for _, each in held) if held else 1


def total(jaxpr: Any, values: list[int]) -> int:
    return sum(values)


def nest(levels: int, around: Any) -> Any:
    """A function jitted so many times over, each traced before the next one calls it."""
    inner = jax.jit(lambda x: x + 1)
    for _ in range(levels):
        inner.trace(X)
        inner = jax.jit(lambda x, inner=inner: around(inner, x))
    return inner.trace(X).jaxpr


def test_a_trillion_equations_in_forty_jaxprs() -> None:
    jaxpr = nest(40, lambda inner, x: inner(inner(x)))
    start = time.perf_counter()
    assert fold(jaxpr, equations, total) == 2**40
    assert time.perf_counter() - start < 1


def test_each_jaxpr_is_looked_at_once() -> None:
    seen: list[Any] = []
    jaxpr = nest(12, lambda inner, x: inner(inner(x)))
    fold(jaxpr, equations, lambda jaxpr, values: seen.append(id(jaxpr)) or sum(values))
    assert len(seen) == len(set(seen)) == 13


def test_three_hundred_levels() -> None:
    jaxpr = nest(300, lambda inner, x: inner(x) * 2)
    assert fold(jaxpr, equations, total) == 301
    assert fold(jaxpr, lambda eqn, held: max((n for _, n in held), default=0), depth) == 301
    deepest = max(walk(jaxpr), key=lambda site: len(site.path))
    assert len(deepest.path) == 300
    assert deepest.where is not None


def depth(jaxpr: Any, values: list[int]) -> int:
    return 1 + max(values)


def chain(length: int) -> Any:
    """A jaxpr of so many additions, put together by hand: tracing it would take a minute."""
    closed = jax.make_jaxpr(lambda x: x + x)(X)
    jaxpr = getattr(closed, "jaxpr", closed)
    [add], [start] = jaxpr.eqns, jaxpr.invars
    eqns, last = [], start
    for _ in range(length):
        after = jex.Var(start.aval)
        eqns.append(add.replace(invars=[last, last], outvars=[after]))
        last = after
    return jaxpr.replace(eqns=eqns, outvars=[last])


def test_two_hundred_thousand_equations() -> None:
    times = []
    for length in (20_000, 200_000):
        jaxpr = chain(length)
        start = time.process_time()
        assert fold(jaxpr, equations, total) == length
        assert sum(1 for _ in walk(jaxpr)) == length
        times.append(time.process_time() - start)
    assert times[1] < 30 * times[0] + 1


def test_bodies_come_with_what_they_are() -> None:
    def fun(x: Any) -> Any:
        y = lax.scan(lambda c, _: (jnp.sin(c), None), x, None, length=7)[0]
        return lax.cond(y[0] > 0, jnp.cos, lambda y: y, y)

    def runs(eqn: Any, held: list[tuple[Nested, int]]) -> int:
        alternatives = [n for each, n in held if each.role == "branch"]
        loops = [n * (each.count or 1) for each, n in held if each.role != "branch"]
        return sum(loops) + max(alternatives, default=0) if held else 1

    # seven sines; slice, squeeze, gt and the conversion to a branch's number; one cosine
    jaxpr = jax.make_jaxpr(fun)(X)
    before = sum(not eqn.params.get("jaxpr") and "branches" not in eqn.params for eqn in jaxpr.eqns)
    assert fold(jaxpr, runs, total) == 7 + before + 1


def test_no_jaxpr() -> None:
    with pytest.raises(TypeError) as error:
        fold(3, equations, total)
    assert str(error.value) == (
        "jaxpr must be a jaxpr, got int: jax.make_jaxpr(fun)(*args) gives one"
    )
