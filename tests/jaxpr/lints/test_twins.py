"""Each lint finds what is wrong, on its line, and nothing where it has been put right."""

import contextlib
import inspect
from collections import Counter

import jax
import jax.numpy as jnp
import pytest

import jaxkit
from jaxkit.jaxpr.lints import KINDS
from tests.jaxpr.lints.twins import TWINS, Twin

BAD = [twin for twin in TWINS if twin.bad]
FIXED = [twin for twin in TWINS if not twin.bad]


def label(twin: Twin) -> str:
    return f"{twin.kind}-{twin.fun.__name__}"


def found(twin: Twin, fun=None, args=None):
    wide = jax.enable_x64(True) if twin.kind == "f64-upcast" else contextlib.nullcontext()
    select = [twin.kind] if not KINDS[twin.kind].default else None
    with wide:
        return jaxkit.lint(fun or twin.fun, select)(*(args or twin.args)).findings


def marked_line(twin: Twin) -> int:
    lines, first = inspect.getsourcelines(inspect.unwrap(twin.fun))
    [line] = [i for i, text in enumerate(lines, first) if "# bad" in text]
    return line


def gradient(twin: Twin):
    def total(*args):
        leaves = jax.tree.leaves(twin.fun(*args))
        return sum(
            jnp.sum(x).astype(jnp.float32) for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)
        )

    return jax.grad(total, allow_int=True)


@pytest.mark.parametrize("twin", BAD, ids=label)
def test_what_is_wrong_is_found(twin: Twin) -> None:
    of_kind = [each for each in found(twin) if each.kind == twin.kind]
    assert of_kind, "nothing found"
    assert {each.where.line for each in of_kind} == {marked_line(twin)}
    assert {each.where.file for each in of_kind} == {
        inspect.getsourcefile(inspect.unwrap(twin.fun))
    }
    assert all(each.severity == KINDS[twin.kind].severity for each in of_kind)
    assert all(each.message and each.fix and each.data for each in of_kind)


@pytest.mark.parametrize("twin", [t for t in BAD if t.derive], ids=label)
def test_it_is_found_in_the_gradient(twin: Twin) -> None:
    lines = {each.where.line for each in found(twin, gradient(twin)) if each.kind == twin.kind}
    assert marked_line(twin) in lines


@pytest.mark.parametrize("twin", BAD, ids=label)
def test_nothing_else_is_said_of_it(twin: Twin) -> None:
    """A lint that is not meant would be a false alarm: these have one fault each."""
    others = {each.kind for each in found(twin) if each.severity != "info"} - {twin.kind}
    assert not others


@pytest.mark.parametrize("twin", FIXED, ids=label)
def test_what_is_right_is_silent(twin: Twin) -> None:
    assert [each for each in found(twin) if each.kind == twin.kind] == []
    assert [each for each in found(twin) if each.severity != "info"] == []


def derivable(twin: Twin) -> bool:
    """Whether there is a gradient by the first argument."""
    first = jax.tree.leaves(twin.args[0])
    return twin.derive and all(jnp.issubdtype(x.dtype, jnp.floating) for x in first)


@pytest.mark.parametrize("twin", [t for t in FIXED if derivable(t)], ids=label)
def test_its_gradient_is_silent(twin: Twin) -> None:
    assert [each for each in found(twin, gradient(twin)) if each.severity != "info"] == []


WRAPPED = [
    t
    for t in TWINS
    if t.fun.__name__
    in (
        "log_softmax_by_hand",
        "log_softmax",
        "many_layers",
        "few_layers",
        "there_and_back",
        "used_between",
        "product_in_scan",
        "product_before",
        "running_sum",
        "plain_sum",
        "product_twice",
        "product_once",
        "numpy_scalar",
        "python_scalar",
    )
]


@pytest.mark.parametrize("wrap", ["jit", "vmap", "scan", "remat"])
@pytest.mark.parametrize("twin", WRAPPED, ids=label)
def test_also_inside_of_something(twin: Twin, wrap: str) -> None:
    many = jax.tree.map(lambda x: jax.ShapeDtypeStruct((2, *x.shape), x.dtype), twin.args)

    def scanned(*args):
        return jax.lax.scan(lambda c, args: (c, twin.fun(*args)), 0, args)[1]

    fun, args = {
        "jit": (jax.jit(twin.fun), twin.args),
        "vmap": (jax.vmap(twin.fun), many),
        "scan": (scanned, many),
        "remat": (jax.checkpoint(twin.fun), twin.args),
    }[wrap]
    lines = {each.where.line for each in found(twin, fun, args) if each.kind == twin.kind}
    if wrap == "remat" and twin.bad:
        return  # what is computed again on purpose may be left alone
    assert lines == ({marked_line(twin)} if twin.bad else set())


def test_there_are_three_of_each() -> None:
    bad, fixed = Counter(t.kind for t in BAD), Counter(t.kind for t in FIXED)
    assert set(bad) == set(fixed) == set(KINDS)
    assert min(bad.values()) >= 3
    assert min(fixed.values()) >= 3
