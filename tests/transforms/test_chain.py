"""Chains: innermost first, associative, with the identity."""

from __future__ import annotations

import functools
import pickle
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.transforms import Chain


@jaxkit.transform
def add_output(fun: Any, *, amount: float = 1.0) -> Any:
    return lambda *args: fun(*args) + amount


@jaxkit.transform
def scale_output(fun: Any, *, factor: float = 2.0) -> Any:
    return lambda *args: fun(*args) * factor


def test_innermost_first() -> None:
    assert jaxkit.chain(add_output, scale_output)(abs)(-3.0) == 8.0
    assert jaxkit.chain(scale_output, add_output)(abs)(-3.0) == 7.0


def test_the_empty_chain_is_the_identity() -> None:
    assert jaxkit.chain()(abs) is abs
    model = eqx.nn.Identity()
    assert jaxkit.chain()(model) is model
    assert jaxkit.chain(jaxkit.chain(), add_output, jaxkit.chain()) == jaxkit.chain(add_output)


def test_associative() -> None:
    a, b, c = add_output(amount=2.0), scale_output, jax.jit
    flat = jaxkit.chain(a, b, c)
    assert jaxkit.chain(jaxkit.chain(a, b), c) == jaxkit.chain(a, jaxkit.chain(b, c)) == flat
    assert hash(jaxkit.chain(a, jaxkit.chain(b, c))) == hash(flat)
    assert flat.links == (a, b, c)
    assert flat != jaxkit.chain(b, a, c)
    assert isinstance(flat, Chain)
    assert pickle.loads(pickle.dumps(jaxkit.chain(a, b))) == jaxkit.chain(a, b)


def test_jax_and_equinox_are_links() -> None:
    def loss(n: int, x: jax.Array) -> jax.Array:
        return (x**n).sum()

    links = jaxkit.chain(
        functools.partial(jax.grad, argnums=1),
        scale_output(factor=3.0),
        functools.partial(jax.jit, static_argnums=0),
    )
    g = links(loss)
    np.testing.assert_allclose(g(2, jnp.arange(3.0)), 6.0 * jnp.arange(3.0))
    assert g.lower(2, jnp.arange(3.0)).as_text()
    assert (g.__name__, links.links[1]) == ("loss", scale_output(factor=3.0))
    vectorised = jaxkit.chain(jax.grad, jax.vmap, eqx.filter_jit)(jnp.sin)
    np.testing.assert_allclose(vectorised(jnp.arange(3.0)), jnp.cos(jnp.arange(3.0)), rtol=1e-6)
    twice = jaxkit.chain(jax.jit, add_output, jax.jit)(lambda x: x)
    assert float(twice.lower(1.0).compile()(1.0)) == float(twice(1.0)) == 2.0


def test_methods() -> None:
    both = jaxkit.chain(add_output, scale_output)

    class Thing:
        @both
        def method(self, x: float) -> float:
            return x

        @both
        @staticmethod
        def static(x: float) -> float:
            return x

        @both
        @classmethod
        def make(cls, x: float) -> float:
            assert cls is Thing
            return x

    assert Thing().method(1.0) == Thing().static(1.0) == Thing.static(1.0) == Thing.make(1.0) == 4.0


def test_what_it_looks_like() -> None:
    links = (add_output, scale_output(factor=3.0), jax.jit, functools.partial(jax.vmap, in_axes=1))
    assert repr(jaxkit.chain(*links)) == (
        "chain(add_output, scale_output(factor=3.0), jax.jit, partial(jax.vmap, in_axes=1))"
    )
    assert repr(jaxkit.chain()) == "chain()"


def test_mistakes() -> None:
    with pytest.raises(TypeError) as caught:
        jaxkit.chain(add_output, 3)
    assert str(caught.value) == (
        "links must be functions from function to function, got links[1]=3 of type int"
    )
    with pytest.raises(TypeError) as caught:
        jaxkit.chain(add_output)(3)
    assert str(caught.value) == "chain() wraps a function, got 3 of type int"
    with pytest.raises(TypeError) as caught:
        jaxkit.chain(add_output, lambda f: None)(abs)
    assert str(caught.value).startswith(
        "each link must return a function, got None of type NoneType from links[1], "
    )
