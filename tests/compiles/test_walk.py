"""The paths of an argument, the first time its structure is met and later."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxkit.compiles import walk
from jaxkit.compiles.walk import Walk

LEAVES = st.sampled_from(
    [
        jnp.ones(2),
        jnp.asarray(1.0),
        np.ones((2, 3)),
        np.float32(1),
        1,
        2.5,
        True,
        "text",
        None,
        (),
        {},
    ]
)
KEYS = st.sampled_from(["a", "b", "it's", 0, 1, 7])
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS.filter(lambda key: isinstance(key, str)), inner, max_size=3)
        | st.dictionaries(KEYS.filter(lambda key: isinstance(key, int)), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_templates", walk._Templates())


def walked(*arguments: Any, rule: str = "jit") -> tuple[Any, ...]:
    found = Walk(rule, layouts=False)
    for index, argument in enumerate(arguments):
        found.argument(argument, f"x{index}")
    return found.leaves, found.nodes, found.complete


@given(first=TREES, second=TREES, rule=st.sampled_from(["jit", "filter"]))
def test_a_structure_met_before_is_read_as_if_it_were_new(
    first: Any, second: Any, rule: str
) -> None:
    walk._templates = walk._Templates()
    new = walked(first, second, rule=rule)
    again = walked(first, second, rule=rule)
    assert again == new


def test_other_leaves_in_a_structure_met_before() -> None:
    walked({"a": [np.ones(2), None], "b": 1})
    leaves, nodes, complete = walked({"a": [np.ones((3, 1)), None], "b": jnp.ones(4)})
    assert [(leaf.path, leaf.kind, leaf.type) for leaf in leaves] == [
        ("x0['a'][0]", "array", "f32[3,1]"),
        ("x0['a'][1]", "none", ""),
        ("x0['b']", "array", "f32[4]"),
    ]
    assert nodes == [("x0", "dict"), ("x0['a']", "list")]
    assert complete


def test_a_key_that_only_equals_the_known_one_is_walked_itself() -> None:
    assert walked({True: 1})[0][0].path == "x0[True]"
    assert walked({1: 1})[0][0].path == "x0[1]"
    assert walked({True: 1})[0][0].path in ("x0[True]", "x0[1]")  # JAX finds the two equal


class Key:
    """Keys of a dictionary of the user's."""

    def __lt__(self, other: object) -> bool:
        return id(self) < id(other)


def test_nothing_of_an_argument_is_kept() -> None:
    class Array(np.ndarray): ...

    array, key = np.ones(3).view(Array), Key()
    kept = weakref.ref(array), weakref.ref(key)
    for _ in range(2):
        walked({"a": [array], "b": {"c": array}})
        walked({key: 1})
    del array, key
    gc.collect()
    assert [ref() for ref in kept] == [None, None]


def test_templates_are_forgotten_when_they_have_become_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walk, "_MAX_PATHS", 5)
    for length in (3, 2, 4):  # four, three, five paths and containers
        walked([1] * length)
        walked([1] * length)
    assert len(walk._templates._found) == 1
