"""`jaxkit.inspect` on programs of every kind, on bad input, and what a person reads."""

from __future__ import annotations

import gc
import json
import weakref
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxkit
from jaxkit.jaxpr.inspection import Inspection
from jaxkit.report import Report
from tests.jaxpr.programs import PROGRAMS, f32, i32

quick = partial(jaxkit.inspect, lints=[])


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program(name: str) -> None:
    fun, args, flops = PROGRAMS[name]()
    found = quick(fun)(*args)
    assert isinstance(found, Inspection)
    assert isinstance(found, Report)
    assert (found.tool, found.matmul_flops) == ("inspect", flops)
    assert found.flops == sum(cost.flops for cost in found.by_line.values())
    assert found.flops >= found.matmul_flops
    assert found.peak_bytes >= 0
    assert max(len(line) for line in str(found).splitlines()) <= 80
    assert found.sites[0].eqn is found.jaxpr.eqns[0]


def test_figures_and_json() -> None:
    def layers(x: Any, w: Any) -> Any:
        with jax.named_scope("layers"):
            return lax.scan(lambda x, _: (jnp.tanh(x @ w), None), x, length=10)[0]

    found = quick(layers)(f32(32, 128), f32(128, 128))
    assert found.matmul_flops == 10 * 2 * 32 * 128 * 128
    assert found.transcendentals == 10 * 32 * 128
    assert found.flops == found.flops_per_device == found.matmul_flops + found.transcendentals
    assert found.flops_range() == (found.flops, found.flops)
    assert found.by_scope["layers"].flops == found.flops
    assert found.primitives == {"scan": 1, "dot_general": 10, "tanh": 10}
    assert found.ok
    data = json.loads(found.to_json())["data"]
    assert data["total"]["flops"] == found.flops
    assert sum(each["flops"] for each in data["by_line"]) == found.flops
    assert data["by_line"][0]["where"]["file"] == __file__
    assert Report.from_json(found.to_json()).data == found.data
    text = str(found)
    assert text.startswith("layers: 10.5 MFLOP (100% in matrix products), ")
    assert "peak memory about 112 KiB (80.0 KiB of it arguments)" in text


def test_shapes_cost_no_memory() -> None:
    huge = jax.ShapeDtypeStruct((1 << 20, 1 << 20), jnp.float32)
    found = quick(jnp.matmul)(huge, huge)
    assert found.matmul_flops == 2 << 60
    assert found.peak_bytes == 3 << 42
    assert "2.31 EFLOP" in str(found)


def test_arrays_are_not_kept() -> None:
    x = np.ones((3, 3), np.float32)
    array = jnp.asarray(x)
    alive = weakref.ref(array)
    found = quick(lambda x: x @ x)(array)
    del array
    gc.collect()
    assert alive() is None
    assert found.matmul_flops == 54


def test_static_and_donated_arguments() -> None:
    @partial(jax.jit, static_argnums=(1,), static_argnames=("name",), donate_argnums=(2,))
    def f(x: Any, times: int, y: Any, *, name: str) -> Any:
        assert name == "relu"
        return sum((x @ y for _ in range(times)), start=y)

    found = quick(f)(f32(4, 4), 3, f32(4, 4), name="relu")
    assert found.matmul_flops == 3 * 2 * 4**3
    assert found.donated == (1,)


def test_leaves_that_are_no_arrays() -> None:
    def f(options: dict[str, Any], x: Any) -> Any:
        return x @ x if options["mode"] == "square" else x

    assert quick(f)({"mode": "square", "none": None}, f32(3, 3)).matmul_flops == 54


@pytest.mark.parametrize(
    ("fun", "args"),
    [
        (lambda: jnp.ones(3) @ jnp.ones(3), ()),
        (lambda: None, ()),
        (lambda x: x, (1.0,)),
        (lambda x: x.sum(0), (f32(0, 3),)),
        (lambda k: jax.random.normal(k, (3,)), (jax.random.key(0),)),
        (lambda k: jax.random.normal(k, (3,)), (jax.random.PRNGKey(0),)),
        (eqx.filter_jit(lambda f, x: f(x)), (jnp.sin, f32(3))),
        (jax.jacfwd(jnp.linalg.inv), (f32(3, 3),)),
        (jax.jit(jax.vmap(jax.grad(lambda x: jnp.sum(x**3)))), (f32(3, 4),)),
        (lambda x: jnp.histogram(x, 4), (f32(9),)),
        (lambda x: x.astype(jnp.bfloat16).astype(jnp.int4), (f32(9),)),
    ],
)
def test_odd_arguments(fun: Any, args: Any) -> None:
    found = quick(fun)(*args)
    assert not found.uncounted
    json.loads(found.to_json())
    str(found)


def test_effects() -> None:
    def f(x: Any) -> Any:
        jax.debug.print("{}", x)
        ref = jax.new_ref(x)
        ref[...] = ref[...] @ x
        return ref[...]

    assert quick(f)(f32(3, 3)).matmul_flops == 54


def test_the_users_own_error() -> None:
    error = ZeroDivisionError("mine")

    def broken(x: Any) -> Any:
        raise error

    with pytest.raises(ZeroDivisionError) as caught:
        jaxkit.inspect(broken)(1.0)
    assert caught.value is error
    assert error.args == ("mine",)
    assert error.__notes__[-1] == "jaxkit.inspect was tracing 'broken'; it was not run"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jaxkit.inspect(3), "fun must be a function, got 3 of type int"),  # type: ignore[arg-type]
        (
            lambda: jaxkit.inspect(jnp.sin, lints="f64-upcast"),
            "lints must be a list of kinds, got 'f64-upcast': lints=['f64-upcast']",
        ),
        (
            lambda: jaxkit.inspect(jnp.sin, trip_counts=1.5),  # type: ignore[arg-type]
            (
                "trip_counts must be a number of turns or a mapping to such numbers, got 1.5 of "
                "type float"
            ),
        ),
    ],
)
def test_options_that_make_no_sense(make: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value) == message


def test_the_range_of_branches() -> None:
    def f(on: Any, x: Any) -> Any:
        return lax.cond(on > 0, lambda x: x @ x, lambda x: x, x)

    found = quick(f)(i32(), f32(4, 4))
    least, most = found.flops_range()
    assert (most - least, most) == (2 * 4**3, found.flops)


def test_what_is_missing_is_said() -> None:
    def f(x: Any) -> Any:
        return lax.while_loop(lambda a: a.sum() < 3, lambda a: a @ a, x)

    text = " ".join(str(quick(f)(f32(4, 4))).split())
    assert "not in these figures, or counted once (1):" in text
    assert "while: how often it turns only the values tell" in text
    assert "not in these figures" not in str(quick(f, trip_counts=3)(f32(4, 4)))
