"""A function in 64 bits, and nothing else."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit


def lost(x: jax.Array) -> jax.Array:
    """In 32 bits the argument of the sine is off by 5e-4."""
    return jnp.sum(jnp.sin(x * 1e5))


X = jnp.full(3, 0.1)
RIGHT = 3 * math.sin(float(np.float32(0.1)) * 1e5)


@pytest.mark.parametrize(
    "run",
    [
        lambda f: f(X),
        lambda f: jax.jit(f)(X),
        lambda f: jax.vmap(f)(X[None])[0],
        lambda f: jax.jit(jax.vmap(f))(X[None])[0],
        lambda f: jax.value_and_grad(f)(X)[0],
        lambda f: jax.jit(jax.value_and_grad(f))(X)[0],
        lambda f: jax.lax.scan(lambda c, x: (c, f(x)), None, X[None])[1][0],
    ],
)
@pytest.mark.parametrize("inner", [lost, jax.jit(lost)])
def test_values_are_those_of_64_bits_wherever_it_is_called(
    run: Callable[[Any], Any], inner: Any
) -> None:
    assert float(run(jaxkit.x64(inner, cast_back=True))) == pytest.approx(RIGHT, rel=1e-6)
    assert float(run(inner)) != pytest.approx(RIGHT, rel=1e-5)
    assert not jax.config.jax_enable_x64


def test_derivatives_come_back_in_the_dtype_of_the_inputs() -> None:
    for slope in (jax.grad(jaxkit.x64(lost)), jax.jit(jax.grad(jaxkit.x64(lost)))):
        assert slope(X).dtype == np.float32
    assert jaxkit.x64(jax.grad(lost))(X).dtype == np.float64


@pytest.mark.parametrize("wrap", [np.asarray, jnp.asarray])
def test_what_is_widened(wrap: Callable[[Any], Any]) -> None:
    given = {
        name: wrap(np.ones(2, np.dtype(name) if name != "bfloat16" else jnp.bfloat16))
        for name in ("float16", "bfloat16", "float32", "complex64", "int32", "int8", "uint32")
    }
    seen: dict[str, str] = {}

    @jaxkit.x64
    def look(arrays: dict[str, Any], *rest: Any) -> list[str]:
        seen.update({name: array.dtype.name for name, array in arrays.items()})
        return [*arrays, *map(repr, rest)]

    order = look(given, 3, 2.0, "text", None)
    assert order == [*given, "3", "2.0", "'text'", "None"]
    wide = ["float64", "float64", "float64", "complex128", "int64", "int8", "uint32"]
    assert seen == dict(zip(given, wide, strict=True))


def test_the_parameters_of_a_module_are_inputs() -> None:
    model = eqx.nn.Linear(3, 2, key=jax.random.key(0))
    assert jaxkit.x64(model)(X).dtype == np.float64
    assert jaxkit.x64(model, cast_back=True)(X).dtype == np.float32


def test_outputs_are_cast_back_to_what_they_would_have_been() -> None:
    def outputs(x: jax.Array, label: str) -> dict[str, Any]:
        return {"z": x * 2, "n": x.size, "a": (x.astype(jnp.float32), label, x > 0, np.float64(2))}

    x = jnp.ones(2, jnp.bfloat16)
    found = jaxkit.x64(outputs, cast_back=True)(x, "text")
    assert list(found) == ["z", "n", "a"]
    assert [found["z"].dtype, found["a"][0].dtype] == [jnp.bfloat16, np.float32]
    assert (found["n"], found["a"][1], found["a"][3]) == (2, "text", 2.0)
    # Its value decides, so that it cannot be traced to know the dtypes.
    branch = jaxkit.x64(lambda x: x if x > 0 else -x, cast_back=True)
    assert branch(jnp.float32(-2)).dtype == np.float32
    static = jaxkit.x64(jax.jit(lambda x, n: x**n, static_argnums=1), cast_back=True)
    assert static(X, 2).dtype == np.float32


def test_it_never_leaks() -> None:
    with pytest.raises(ZeroDivisionError):
        jaxkit.x64(lambda: 1 / 0)()
    assert not jax.config.jax_enable_x64
    inside, go = threading.Event(), threading.Event()

    @jaxkit.x64
    def wait() -> bool:
        inside.set()
        go.wait(10)
        return bool(jax.config.jax_enable_x64)

    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(wait()))
    thread.start()
    inside.wait(10)
    assert not jax.config.jax_enable_x64
    go.set()
    thread.join()
    assert found == [True]
