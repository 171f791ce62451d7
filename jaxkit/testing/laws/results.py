"""`values`, `pytree` and `dtype`: what the function is given, and what comes back."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxkit.errors import FindingsError
from jaxkit.testing._compare import copied, difference, leaf_type, shape_of, show
from jaxkit.testing.laws._law import Bench, Law, broken
from jaxkit.testing.laws.drawn import check_drawn

__all__ = ["LAWS"]

_Point = namedtuple("_Point", ["y", "x"])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _Pair:
    """A node of the user's, with something that is no leaf."""

    y: Any
    x: Any
    name: str = field(metadata={"static": True})


def _values(bench: Bench) -> None:
    for subject in bench.subjects:
        for variant in (0, 1) if bench.thorough() else (0,):
            want = bench.expected(subject, variant)
            got = bench.call(bench.wrap(subject.fun), subject, variant)
            bench.same(got, want, f"{subject.name}{_given(subject, variant)}")
    if not bench.own_subjects and not bench.tags & {"of_gradients", "of_value_and_grad"}:
        for x in _special(bench):
            _unchanged(bench, x)
        _keys(bench)
        _doubles(bench)
    if bench.thorough("full") and not bench.own_subjects and "may_raise" not in bench.tags:
        check_drawn(bench, jit=False)


def _given(subject: Any, variant: int) -> str:
    args, kwargs = subject.inputs(variant)
    named = [f"{key}={show(value, 50)}" for key, value in kwargs.items()]
    return f"({', '.join([*(show(each, 50) for each in args), *named])})"


def _special(bench: Bench) -> list[Any]:
    """Values that are easily lost on the way."""
    chosen = [
        np.array([1.0, np.nan, np.inf, -np.inf, 3e38, 2e-38, 0.0], np.float32),
        np.array([16777217, -2147483647, 0], np.int32),
        np.ones((1, 2, 1), np.float32),
        np.zeros((0, 3), np.float32),
        np.float32(1e-3) * np.ones((), np.float32),
        np.array([1 + 2j, -3j], np.complex64),
        np.array([255, 0], np.uint8),
    ]
    if bench.thorough():
        chosen += [
            np.array([True, False]),
            np.zeros(0, np.int32),
            np.array([2**32 - 1, 0], np.uint32),
            np.array([-128, 127], np.int8),
        ]
    return chosen


def _unchanged(bench: Bench, x: np.ndarray) -> None:
    try:
        got = bench.wrap(lambda x: x)(jnp.asarray(x))
    except FloatingPointError:
        return
    except FindingsError:
        return  # tools that stop at NaN say so
    except Exception as error:
        if "may_raise" in bench.tags:
            return
        broken(f"x -> x of {show(x)} raised {type(error).__name__}: {error}")
    if (
        x.dtype.kind == "c"
        and "complex" not in leaf_type(got)
        and "changes_dtype" not in bench.tags
    ):
        return  # `dtype` says so
    found = difference(got, x, ulps=4)
    if found is not None:
        broken(f"x -> x of {show(x)}: {found}")


def _keys(bench: Bench) -> None:
    """Random keys are arrays without arithmetic: much fails for them, but none becomes another."""
    key = jax.random.key(0)
    try:
        got = bench.wrap(lambda x: x)(key)
    except Exception:
        return
    if leaf_type(got) != leaf_type(key) or difference(got, key) is not None:
        broken(f"x -> x of a random key gave {show(got)}")


def _doubles(bench: Bench) -> None:
    """What is float64 must not have been through float32."""
    if "changes_dtype" in bench.tags:
        return
    with jax.enable_x64(True):
        x = jnp.asarray([1 + 1e-12, -1e300], jnp.float64)
        got = bench.wrap(lambda x: x)(x)
        if leaf_type(got) == "float64":  # otherwise `dtype` says so
            bench.same(got, x, "x -> x of float64[2]", ulps=4)


def _trees(bench: Bench) -> list[Any]:
    x, y = jnp.asarray([0.5, -1.0]), jnp.asarray([2.0, 3.0])
    chosen: list[Any] = [
        {"z": x, "a": y, "m": [x, (y,)]},
        _Point(x, y),
        {"some": x, "none": None},
        [x, [], (), {}],
        OrderedDict([("z", x), ("a", y)]),
        {"array": x, "number": 3.0},
        _Pair(x, y, "kept"),
    ]
    if bench.keeps_values and not bench.tags & {"of_gradients", "of_value_and_grad"}:
        chosen += [(), {}, None]
    if bench.thorough():
        chosen += [
            {"deep": {"z": _Point(x, None), "b": {"q": [y], "c": x}}},
            {3: x, 1: y},
            x,
        ]
    return chosen


def _pytree(bench: Bench) -> None:
    if bench.own_subjects:
        for subject in bench.subjects:
            want = shape_of(bench.expected(subject), order=False)
            got = shape_of(bench.call(bench.wrap(subject.fun), subject), order=False)
            if got != want and "changes_structure" not in bench.tags:
                broken(f"{subject.name} returned {got} instead of {want}")
        return
    for tree in _trees(bench):
        _one_tree(bench, tree)
    if bench.keeps_values:
        _with_a_name(bench)


def _with_a_name(bench: Bench) -> None:
    """What is no array in a result comes back, unless that is refused aloud, as jax.jit does."""

    def named(x: Any) -> Any:
        return {"x": x, "name": "kept"}

    try:
        got = bench.wrap(named)(jnp.ones(2))
        name = (got[1] if "of_value_and_grad" in bench.tags else got).get("name")
    except Exception:
        return
    if name != "kept":
        broken(f"the text 'kept' in a result came back as {show(name)}")


def _one_tree(bench: Bench, tree: Any) -> None:
    arrived: list[tuple[str, bool]] = []

    def doubled(tree: Any) -> Any:
        traced = any(isinstance(x, Tracer) for x in jax.tree_util.tree_leaves(tree))
        arrived.append((shape_of(tree), traced))
        return _mapped(lambda x: x * 2.0, tree)

    try:
        wrapped = bench.wrap(doubled)
        arrived.clear()
        got = wrapped(copied(tree))
    except Exception as error:
        broken(f"{shape_of(tree)} raised {type(error).__name__}: {error}")
    shape, traced = arrived[0] if arrived else (shape_of(tree), True)
    # JAX sorts the keys of whatever it traces; a transform over new values may use jax.tree.map.
    order = not traced and not any(tag.startswith("changes_") for tag in bench.tags)
    want = shape_of(tree) if order else shape_of(tree, order=False)
    if order and shape != want:
        broken(f"{want} reached the function as {shape}", weak=sorted(want) == sorted(shape))
    if "changes_structure" in bench.tags:
        return
    out = shape_of(got, order=order)
    expected = shape_of(bench.adapt(doubled)(tree), order=order)
    if out != expected and out != shape_of(_as_jax_orders(bench.adapt(doubled)(tree)), order=order):
        # JAX sorts keys wherever it takes a tree apart: that may be only how another law is broken.
        unordered = shape_of(got, order=False) == shape_of(bench.adapt(doubled)(tree), order=False)
        broken(f"a function's {expected} came back as {out}", weak=unordered)
    if isinstance(tree, _Pair) and jax.tree.structure(got) != jax.tree.structure(
        bench.adapt(doubled)(tree)
    ):
        broken("what is static in a result that is a registered dataclass came back otherwise")


def _as_jax_orders(tree: Any) -> Any:
    """The keys of plain dicts sorted, as `jax.tree.map` and `jax.jit` return what they are given.

    Results in that order break no law: whoever calls jitted functions has them so. In any other
    order, or as another container, they do; and what a function is given keeps its order.
    """
    return jax.tree.map(lambda x: x, tree)


def _mapped(fun: Callable[[Any], Any], tree: Any) -> Any:
    """As `jax.tree.map`, with the order of keys."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return type(tree)((key, _mapped(fun, each)) for key, each in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_mapped(fun, each) for each in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(_mapped(fun, each) for each in tree)
    return jax.tree.map(fun, tree)


def _dtype(bench: Bench) -> None:
    if bench.own_subjects:
        for subject in bench.subjects:
            want = _types(bench.expected(subject))
            got = _types(bench.call(bench.wrap(subject.fun), subject))
            if got != want and "changes_structure" not in bench.tags:
                broken(f"{subject.name} returned {got} instead of {want}")
        return
    for x in _typed(bench):
        _one_dtype(bench, x)
    _together(bench)
    with jax.enable_x64(True):
        _one_dtype(bench, jnp.asarray([1.0, 2.0], jnp.float64))
        if bench.keeps_values:
            _one_dtype(bench, jnp.asarray([1, 2], jnp.int64))


def _together(bench: Bench) -> None:
    """Each leaf of a tree has a dtype of its own."""
    tree = {"a": jnp.ones(2, jnp.float32), "b": jnp.ones(2, jnp.bfloat16)}
    want = {"a": "float32", "b": "bfloat16"}
    arrived: list[Any] = []

    def same(tree: Any) -> Any:
        arrived.append({key: leaf_type(each) for key, each in tree.items()})
        return {key: each * 1 for key, each in tree.items()}

    wrapped = bench.wrap(same)
    arrived.clear()
    out = wrapped(copied(tree))
    if arrived and arrived[0] != want:
        broken(f"a tree of {want} reached the function as {arrived[0]}")
    if "changes_structure" not in bench.tags and _types(out)[-2:] != list(want.values()):
        broken(f"a tree of {want} came back as {_said(_types(out))}")


def _types(tree: Any) -> list[str]:
    return [leaf_type(leaf) for leaf in jax.tree_util.tree_leaves(tree)]


def _typed(bench: Bench) -> list[Any]:
    values = np.array([1.0, 0.5, 2.0], np.float32)
    chosen: list[Any] = [
        jnp.asarray(values, dtype) for dtype in (jnp.float32, jnp.bfloat16, jnp.float16)
    ]
    chosen += [2.0, jnp.asarray(2.0), jnp.float32(2.5), jnp.asarray([1j, 2.0], jnp.complex64)]
    if bench.keeps_values:  # times 2.0 is a sound transform, and makes floats of integers
        chosen += [jnp.asarray([1, 0, 3], jnp.int32), jnp.asarray([True, False])]
        chosen += [jnp.asarray([1, 2], jnp.uint8), jnp.int32(3)]
    return chosen


def _one_dtype(bench: Bench, x: Any) -> None:
    arrived: list[str] = []
    numbers: list[bool] = []

    def same(x: Any) -> Any:
        arrived.append(leaf_type(x))
        numbers.append(_is_number(x))
        return x if leaf_type(x) == "bool" else x * 1

    before = leaf_type(x)
    wrapped = bench.wrap(same)
    arrived.clear()
    numbers.clear()
    try:
        out = wrapped(copied(x))
    except Exception:
        if before == "complex64" and not bench.keeps_values:
            return  # what it does is not defined for them, and it says so
        raise
    if arrived and arrived[0] != before:
        broken(f"an argument of type {before} reached the function as {arrived[0]}")
    if numbers and numbers[0] and not _is_number(x):
        broken(f"an array of type {before} reached the function as a Python number")
    expected = bench.adapt(same)(x)
    want, got = _types(expected), _types(out)
    if "changes_structure" in bench.tags:
        if want and want[-1] not in got:
            broken(f"a result of type {want[-1]} came back as {_said(got)}")
    elif len(got) == len(want) and _a_number_of_one(out, expected):
        broken(f"an array of type {_said(want)} came back as a Python number")
    elif got != want:
        # Many a call of jnp's makes a weak type strong: another law that is broken may say more.
        only_weak = [each.removeprefix("weak ") for each in want] == got
        weak = len(got) != len(want) or only_weak
        broken(f"a result of type {_said(want)} came back as {_said(got)}", weak=weak)


def _a_number_of_one(out: Any, expected: Any) -> bool:
    """Whether an array of the function's has become a number of Python's."""
    pairs = zip(jax.tree.leaves(out), jax.tree.leaves(expected), strict=True)
    return any(_is_number(got) and not _is_number(want) for got, want in pairs)


def _is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic)


def _said(types: list[str]) -> str:
    return ", ".join(types) or "nothing"


LAWS = (
    Law(
        "values",
        "the wrapped function returns what the function returns",
        _values,
        free_by=frozenset({"changes_values", "changes_structure", "changes_signature"}),
    ),
    Law(
        "pytree",
        "containers, their order, None and named tuples arrive and come back as they were",
        _pytree,
    ),
    Law(
        "dtype",
        "dtypes and weak types arrive and come back as they were",
        _dtype,
        free_by=frozenset({"changes_dtype"}),
    ),
)
