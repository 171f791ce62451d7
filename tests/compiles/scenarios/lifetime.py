"""Caches dropped, threads, and programs traced or compiled ahead of the call."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from tests.compiles.scenarios._base import QUIET, again, first, ran, scenario, step

X = np.ones((4, 4), np.float32)


def double() -> Any:
    """Make a fresh jitted function of one argument."""

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        return x * 2

    return f


def in_threads(*targets: Callable[[], object]) -> None:
    """Run each in a thread of its own, at once, and wait."""
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# Same function, same signature, nothing changed: the entry was dropped.
@scenario(step("1/1/1/1", again("f", "cache-cleared")))
def clear_caches() -> Iterator[None]:
    f = double()
    f(X)
    yield
    jax.clear_caches()
    f(X)
    yield


# The same, for this function only.
@scenario(step("1/1/1/1", again("f", "cache-cleared")))
def f_clear_cache() -> Iterator[None]:
    f = double()
    f(X)
    yield
    f.clear_cache()
    f(X)
    yield


@scenario(QUIET)
def other_thread() -> Iterator[None]:
    f = double()
    f(X)
    yield
    in_threads(lambda: f(X))
    yield


# A `with jax.enable_x64()` holds for its own thread only: the other one has the default.
@scenario(step("1/1/1/1", again("f", "config-context", mentions="enable_x64")))
def other_thread_with_ctx() -> Iterator[None]:
    f = double()
    with jax.enable_x64(True):
        f(X)
        yield
        in_threads(lambda: f(X))
        yield


# Two threads meet at one function that nobody has called: one of them compiles.
@scenario(step("1/1/1/1", first("g")))
def two_threads_race() -> Iterator[None]:
    f = double()

    @jax.jit
    def g(x: jax.Array) -> jax.Array:
        ran()
        return x * 3

    x = jnp.asarray(X)
    f(x)
    yield
    in_threads(lambda: g(x), lambda: g(x))
    yield


@scenario(QUIET)
def aot_then_call() -> Iterator[None]:
    f = double()
    f.lower(X).compile()
    yield
    f(X)
    yield


@scenario(QUIET)
def aot_shapedtypestruct_then_call() -> Iterator[None]:
    f = double()
    f.lower(jax.ShapeDtypeStruct(X.shape, X.dtype)).compile()
    yield
    f(X)
    yield


# Compiled ahead of time for an argument without sharding; the real one's aval names a mesh.
@scenario(step("1/1/1/1", again("f", "aot-mismatch", at="x")))
def aot_sds_then_sharded_call() -> Iterator[None]:
    f = double()
    mesh = jax.make_mesh((4,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    x = jax.device_put(X, NamedSharding(mesh, P("d")))
    f.lower(jax.ShapeDtypeStruct(X.shape, X.dtype)).compile()
    yield
    f(x)
    yield


# eval_shape traced it and compiled nothing: this is the first program.
@scenario(step("0/0/1/1", first("f")))
def eval_shape_then_call() -> Iterator[None]:
    f = double()
    jax.eval_shape(f, X)
    yield
    f(X)
    yield


# So is this, after make_jaxpr.
@scenario(step("0/0/1/1", first("f")))
def make_jaxpr_then_call() -> Iterator[None]:
    f = double()
    jax.make_jaxpr(f)(X)
    yield
    f(X)
    yield


# A trace that raises: one trace event, nothing lowered.
@scenario(step("1/1/0/0"))
def exception_in_trace() -> Iterator[None]:
    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        ran()
        if x.ndim == 1:
            raise ValueError("one axis only")
        return x * 2

    f(X)
    yield
    with contextlib.suppress(ValueError):
        f(X[0])
    yield


@scenario(QUIET, QUIET, QUIET)
def no_tracing_guard() -> Iterator[None]:
    f = double()
    x = jnp.asarray(X)
    f(x)
    yield
    for argument in (x, X, X):
        jax.config.update("jax_no_tracing", True)
        try:
            f(argument)
        except RuntimeError:
            pass
        finally:
            jax.config.update("jax_no_tracing", False)
        yield
