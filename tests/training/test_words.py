"""How messages show what was given: short, on one line, without the insides of JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.training.words import kind, short, what


@pytest.mark.parametrize("value", [3, 1.5, "adam", None, [1, "a"], {"b": 1, "a": (2,)}, {3}, 2**70])
def test_what_is_short_is_its_repr(value: Any) -> None:
    assert eval(short(value)) == value


def test_what_is_long_is_cut_off() -> None:
    assert short("x" * 100) == "'" + "x" * 76 + "..."
    assert short([np.ones((3, 3))]) == "[array([[1., 1., 1.], [1., 1., 1.], [1., 1., 1.]])]"
    assert len(short([{"x": np.ones((64, 3))}] * 10**6)) == 80


def test_a_repr_that_fails() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError

    assert short([Broken()]) == "[<Broken>]"


def test_traced_arrays_have_no_names_of_jax() -> None:
    told = []

    def fun(x: Any) -> Any:
        told.append(what(((x, {}), x[0], 1.0)))
        return x.sum()

    jax.jit(jax.grad(fun))(jnp.ones(3))
    assert told == ["((float32[3], dict), float32[], float)"]
    assert what((jnp.ones(2),)) == "(float32[2],)"
    assert kind((2, 3), "torch.float32") == "torch.float32[2, 3]"
