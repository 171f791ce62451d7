"""Programs as users write them, and their gradients, give no warning."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxkit
from tests.jaxpr.lints.sound import SOUND, Sound


def said(fun: Any, *args: Any) -> list[str]:
    found = jaxkit.lint(fun)(*args).findings
    return [f"{each.kind} {each.where}" for each in found if each.severity != "info"]


@pytest.mark.parametrize("sound", SOUND, ids=lambda sound: sound.fun.__name__)
def test_it_is_silent(sound: Sound) -> None:
    assert said(sound.fun, *sound.args) == []
    assert said(jax.jit(sound.fun), *sound.args) == []


# A while loop has no gradient backwards.
SMOOTH = [sound for sound in SOUND if sound.fun.__name__ != "adaptive_euler"]


@pytest.mark.parametrize("sound", SMOOTH, ids=lambda sound: sound.fun.__name__)
def test_so_is_its_gradient(sound: Sound) -> None:
    def total(*args: Any) -> Any:
        leaves = jax.tree.leaves(sound.fun(*args))
        floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
        return sum(jnp.sum(jnp.abs(leaf)).astype(jnp.float32) for leaf in floats)

    numbers = tuple(
        i
        for i, arg in enumerate(sound.args)
        if all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(arg))
    )
    assert numbers
    assert said(jax.value_and_grad(total, numbers), *sound.args) == []


def test_there_are_thirty() -> None:
    assert len(SOUND) >= 30
