"""What users rely on when they write a transform, and when they wrap a function with one.

Longer than 400 lines, as it holds one thing from all of its sides, case by case.
"""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import threading
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.transforms import TAGS, Transform

CALLS: list[str] = []


@jaxkit.transform(tags=["changes_values"])
def scale_output(fun: Any, *, factor: Any = 1.0) -> Any:
    """Multiplies what a function returns.

    Args:
        factor: By what.
    """
    CALLS.append("factory")

    def scaled(*args: Any, **kwargs: Any) -> Any:
        return jax.tree.map(lambda x: x * factor, fun(*args, **kwargs))

    return scaled


def _check_limit(*, limit: float) -> None:
    if limit < 0:
        raise ValueError(f"limit must be positive, got limit={limit}")


@jaxkit.transform(validate=_check_limit)
def needs(fun: Any, *, limit: float, way: str = "up") -> Any:
    return lambda *args: fun(*args) + limit


@jaxkit.transform
def return_it(fun: Any, *, options: Any = None) -> Any:
    return fun


@scale_output(factor=3.0)
def decorated(x: float, /, *rest: float, y: float = 1.0) -> float:
    """Adds."""
    return x + sum(rest) + y


@scale_output(factor=3.0)
@functools.partial(jax.jit, static_argnums=1)
def decorated_jit(x: Any, n: int) -> Any:
    """Multiplies."""
    return x * n


class Model(eqx.Module):
    """A model."""

    weight: jax.Array
    name: str = eqx.field(static=True, default="m")

    def __call__(self, x: jax.Array, *, power: int = 1) -> jax.Array:
        """Calls it."""
        return (self.weight @ x) ** power

    def encode(self, x: jax.Array) -> jax.Array:
        return self.weight @ x


@pytest.fixture
def model() -> Model:
    return Model(jnp.arange(4.0).reshape(2, 2))


# ---- Forms


def test_all_four_forms() -> None:
    def f(x: float) -> float:
        return x

    assert scale_output(f, factor=2.0)(3.0) == 6.0
    assert scale_output(factor=2.0)(f)(3.0) == 6.0
    assert scale_output(f)(3.0) == 3.0
    assert scale_output()(f)(3.0) == 3.0
    assert scale_output(factor=2.0)(factor=4.0)(f)(3.0) == 12.0
    assert scale_output(factor=2.0)(f, factor=4.0)(3.0) == 12.0


def test_what_a_transform_says_of_itself() -> None:
    bound = scale_output(factor=2.0)
    assert isinstance(bound, Transform)
    assert (bound.name, bound.tags) == ("scale_output", frozenset({"changes_values"}))
    assert (dict(scale_output.options), dict(bound.options)) == ({}, {"factor": 2.0})
    assert bound.summary == "Multiplies what a function returns."
    assert bound.doc.splitlines()[2:] == ["Args:", "    factor: By what."]
    assert str(bound.signature) == "(fun: 'Any', *, factor: 'Any' = 2.0) -> 'Any'"
    assert str(inspect.signature(scale_output)).startswith("(fun: 'Any', *, factor")
    assert bound.factory is scale_output.factory
    assert (repr(scale_output), repr(bound)) == ("scale_output", "scale_output(factor=2.0)")
    assert repr(scale_output(factor=jnp.ones(3))) == "scale_output(factor=<float32[3]>)"
    assert (bound.__name__, bound.__module__) == ("scale_output", __name__)
    assert bound.__doc__ == scale_output.factory.__doc__
    with pytest.raises(TypeError):
        bound.options["factor"] = 3.0
    with pytest.raises(AttributeError) as caught:
        bound.name = "other"
    assert str(caught.value) == (
        "a transform does not change: scale_output(name=...) makes another one"
    )


def test_equal_options_make_equal_transforms() -> None:
    assert scale_output(factor=2.0) == scale_output(factor=2.0) != scale_output(factor=3.0)
    assert hash(scale_output(factor=2.0)) == hash(scale_output(factor=2.0))
    assert len({scale_output(factor=f) for f in (1, 1.0, True, 0.0, -0.0, np.float32(1))}) == 6
    assert scale_output(factor=float("nan")) == scale_output(factor=float("nan"))
    assert needs(limit=1.0, way="a") == needs(way="a")(limit=1.0)
    assert scale_output != scale_output(factor=1.0)
    assert scale_output != "scale_output"
    for equal in ({"x": [0, {"y": 1}]}, (1, [2]), {1, 2}):
        assert return_it(options=equal) == return_it(options=copy.deepcopy(equal))
        assert hash(return_it(options=equal)) == hash(return_it(options=copy.deepcopy(equal)))
    assert return_it(options={"x": 0, "y": 1}) != return_it(options={"y": 1, "x": 0})


def test_arrays_are_options_by_identity() -> None:
    array = jnp.ones(3)
    assert scale_output(factor=array) == scale_output(factor=array)
    assert hash(scale_output(factor=array)) == hash(scale_output(factor=array))
    assert scale_output(factor=array) != scale_output(factor=jnp.ones(3))
    # A tracer is one too.
    traced = jax.jit(lambda c, x: scale_output(lambda y: y + 1, factor=c)(x))
    assert float(traced(2.0, 3.0)) == 8.0
    assert float(jax.grad(lambda c: scale_output(lambda y: y + 1, factor=c)(3.0))(2.0)) == 4.0


def test_a_bound_option_is_a_copy() -> None:
    given = {"x": [0]}
    bound = return_it(options=given)
    given["x"].append(1)
    assert bound.options["options"] == {"x": [0]}


def test_transforms_are_pickled_and_copied() -> None:
    for one in (scale_output, scale_output(factor=2.0)):
        assert pickle.loads(pickle.dumps(one)) == one
        assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(scale_output)) is scale_output


# ---- Mistakes


def bad_forms() -> list[tuple[Callable[[], Any], type[Exception], str]]:
    def f(x: Any) -> Any:
        return x

    async def fetch(x: Any) -> Any:
        return x

    class Fetcher:
        async def __call__(self, x: Any) -> Any:
            return x

    def late(fun, other=1): ...
    def everything(fun, *rest): ...
    def nothing(): ...
    def keyword(*, fun): ...
    def default(fun=None, *, x=1): ...
    def returns_nothing(fun): ...

    return [
        (
            lambda: scale_output(fcator=2.0),
            TypeError,
            "scale_output() has no option 'fcator'; did you mean 'factor'?",
        ),
        (
            lambda: needs(f, size=3),
            TypeError,
            "needs() has no option 'size'; it has 'limit', 'way'",
        ),
        (
            lambda: scale_output(fun=f),
            TypeError,
            "scale_output() takes the function by position: scale_output(fun, ...)",
        ),
        (lambda: needs(f), TypeError, "needs() needs 'limit': needs(fun, limit=...)"),
        (lambda: needs(limit=-1), ValueError, "limit must be positive, got limit=-1"),
        (
            lambda: scale_output(f, 2.0),
            TypeError,
            (
                "scale_output() takes one function, got 2 positional arguments: "
                "give options by keyword"
            ),
        ),
        (
            lambda: scale_output(2.0),
            TypeError,
            "scale_output() wraps a function, got 2.0 of type float: give options by keyword",
        ),
        (
            lambda: scale_output(property(f)),
            TypeError,
            "scale_output() wraps a function, got a property: put @scale_output below @property",
        ),
        (
            lambda: scale_output(needs(limit=1)),
            TypeError,
            (
                "scale_output() wraps a function, got the transform needs(limit=1): "
                "to put one around the other, jaxkit.chain(needs(limit=1), scale_output)"
            ),
        ),
        *(
            (
                lambda each=each, name=name: scale_output(each),
                TypeError,
                (
                    f"scale_output() wraps a function, got the coroutine function {name!r}: "
                    "wrap the plain function that it calls to compute"
                ),
            )
            for each, name in (
                (fetch, "fetch"),
                (functools.partial(fetch, 1), "fetch"),
                (Fetcher(), "Fetcher"),
                (Fetcher().__call__, "__call__"),
            )
        ),
        (
            lambda: jaxkit.transform(late),
            TypeError,
            (
                "a transform's options are keyword-only, got 'other' in late(fun, other=1): "
                "put a * after 'fun'"
            ),
        ),
        (
            lambda: jaxkit.transform(everything),
            TypeError,
            (
                "a transform's options are keyword-only, got 'rest' in everything(fun, *rest): "
                "put a * after 'fun'"
            ),
        ),
        (
            lambda: jaxkit.transform(nothing),
            TypeError,
            (
                "a transform's first parameter is the function that it wraps, got nothing(): "
                "write def nothing(fun, *, ...)"
            ),
        ),
        (
            lambda: jaxkit.transform(keyword),
            TypeError,
            (
                "a transform's first parameter is the function that it wraps, got keyword(*, fun): "
                "write def keyword(fun, *, ...)"
            ),
        ),
        (
            lambda: jaxkit.transform(default),
            TypeError,
            (
                "a transform's first parameter has no default, got default(fun=None, *, x=1): "
                "@default and @default(...) both work without one"
            ),
        ),
        (
            lambda: jaxkit.transform(3),
            TypeError,
            "transform() decorates a function, got 3 of type int",
        ),
        (
            lambda: jaxkit.transform(lambda fun: fun),
            ValueError,
            (
                "a transform's name must be an identifier, got name='<lambda>'; "
                "give one: @transform(name=...)"
            ),
        ),
        (
            lambda: jaxkit.transform(tags=["no_vamp"]),
            ValueError,
            (
                "tags must be of jaxkit.transforms.TAGS, got 'no_vamp'; "
                "did you mean 'no_vmap' or 'no_jvp'?"
            ),
        ),
        (
            lambda: jaxkit.transform(tags="no_jit"),
            TypeError,
            "tags must be several strings, got tags='no_jit': write ('no_jit',)",
        ),
        (
            lambda: jaxkit.transform(returns_nothing)(f),
            TypeError,
            "returns_nothing: its factory must return a function, got None of type NoneType",
        ),
    ]


@pytest.mark.parametrize("number", range(len(bad_forms())))
def test_mistakes_fail_on_their_line(number: int) -> None:
    act, error, message = bad_forms()[number]
    with pytest.raises(error) as caught:
        act()
    assert str(caught.value) == message


def test_validate_sees_the_options_it_asks_for_once_all_are_there() -> None:
    seen: list[dict[str, Any]] = []

    @jaxkit.transform(validate=lambda **options: seen.append(options))
    def both(fun: Any, *, a: int, b: int = 2) -> Any:
        return fun

    both(b=3)
    assert seen == []
    both(b=3)(a=1)
    assert seen == [{"a": 1, "b": 3}]


def test_a_factory_may_take_any_option() -> None:
    @jaxkit.transform
    def jit_again(fun: Any, **options: Any) -> Any:
        return jax.jit(fun, **options)

    assert jit_again(static_argnums=1)(lambda x, n: x * n)(2.0, 3) == 6.0


def test_tags_are_sentences() -> None:
    assert all(sentence[0].islower() and not sentence.endswith(".") for sentence in TAGS.values())


# ---- What a wrapped function keeps


def test_identity_is_kept() -> None:
    def f(x: int, /, *rest: int, y: int = 2, **more: int) -> int:
        """Documents."""
        return x

    f.note = "mine"  # type: ignore[attr-defined]
    g = scale_output(f, factor=2)
    assert inspect.isfunction(g)
    assert (g.__name__, g.__qualname__, g.__module__) == (f.__name__, f.__qualname__, __name__)
    assert (g.__doc__, g.note, g.__wrapped__) == ("Documents.", "mine", f)
    assert inspect.signature(g) == inspect.signature(f)
    assert g.__annotations__ == f.__annotations__
    assert g.__annotations__ is not f.__annotations__
    g.note = "other"
    assert f.note == "mine"  # type: ignore[attr-defined]


def test_nothing_runs_when_wrapped_and_the_function_runs_once_a_call() -> None:
    ran: list[int] = []

    def f(x: int) -> int:
        ran.append(x)
        return x

    g = scale_output(f, factor=2)
    assert ran == []
    assert g(1) == 2
    assert ran == [1]


def test_the_same_exception_arrives() -> None:
    error = KeyError("mine")

    def f() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        scale_output(f)()
    assert caught.value is error


def test_methods() -> None:
    class Thing:
        def __init__(self, value: float) -> None:
            self.value = value

        @scale_output(factor=2.0)
        def add(self, x: float) -> float:
            return self.value + x

        @scale_output(factor=2.0)
        @staticmethod
        def static(x: float) -> float:
            return x

        @staticmethod
        @scale_output(factor=2.0)
        def static_too(x: float) -> float:
            return x

        @scale_output(factor=2.0)
        @classmethod
        def make(cls, x: float) -> float:
            assert cls is Thing
            return x

        @property
        @scale_output(factor=2.0)
        def double(self) -> float:
            return self.value

        @scale_output(factor=2.0)
        @functools.partial(jax.jit, static_argnums=0)
        def jitted(self, x: float) -> Any:
            return self.value + x

    thing = Thing(1.0)
    assert (thing.add(2.0), Thing.add(thing, 2.0)) == (6.0, 6.0)
    assert Thing.static(2.0) == thing.static(2.0) == thing.static_too(2.0) == Thing.make(2.0) == 4.0
    assert (thing.double, float(thing.jitted(2.0))) == (2.0, 6.0)
    assert str(inspect.signature(thing.add)) == "(x: 'float') -> 'float'"
    assert scale_output(thing.add, factor=0.5).__name__ == "add"
    assert scale_output(thing.add, factor=0.5)(2.0) == 3.0


class Callable_:
    """A callable object."""

    weight: int

    def __call__(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("fun", "name", "signature"),
    [
        (functools.partial(max, 1.0), "max", "(*args: Any, **kwargs: Any) -> Any"),
        (functools.partial(decorated, y=0.0), "decorated", None),
        (Callable_(), "Callable_", "(x: 'Any') -> 'Any'"),
        (jnp.add, "add", None),
        (jnp.sin, "sin", None),
        (np.add, "add", None),
        (max, "max", "(*args: Any, **kwargs: Any) -> Any"),
        (jax.custom_jvp(lambda x: x), "<lambda>", "(x)"),
        (float, "float", None),
    ],
    ids="partial partial-of-ours object jnp-add jnp-sin ufunc builtin custom-jvp class".split(),
)
def test_callables_of_other_kinds(fun: Any, name: str, signature: str | None) -> None:
    g = scale_output(fun)
    assert inspect.isfunction(g) or hasattr(g, "lower")
    assert (g.__name__, g.__wrapped__) == (name, fun)
    if signature is not None:
        assert str(inspect.signature(g)).replace("'Any'", "Any") == signature.replace(
            "'Any'", "Any"
        )
    else:
        assert inspect.signature(g) == inspect.signature(fun)


def test_a_partial_has_the_docstring_of_its_function() -> None:
    assert scale_output(functools.partial(decorated, 1.0)).__doc__ == "Adds."


def test_returning_the_function_itself_changes_nothing(model: Model) -> None:
    def f(x: int) -> int:
        return x

    before = dict(vars(f))
    assert return_it(f) is f
    assert vars(f) == before
    assert return_it(model) is model


def test_a_factory_that_returns_somebody_elses_function_leaves_it_alone() -> None:
    def shared(x: int) -> int:
        """Shared."""
        return x + 1

    @jaxkit.transform
    def replace(fun: Any) -> Any:
        return shared

    def f(x: int) -> int:
        """Mine."""
        return x

    g = replace(f)
    assert (g(1), g.__name__, shared.__name__, shared.__doc__) == (2, "f", "shared", "Shared.")
    assert not hasattr(shared, "__wrapped__")


def test_a_factory_can_give_another_signature() -> None:
    @jaxkit.transform(tags=["changes_signature"])
    def with_key(fun: Any) -> Any:
        def keyed(key: Any, *args: Any) -> Any:
            return fun(*args)

        keyed.__signature__ = inspect.signature(lambda key, x: x)  # type: ignore[attr-defined]
        return keyed

    assert str(inspect.signature(with_key(lambda x: x))) == "(key, x)"
    g = with_key(jax.jit(lambda x, n: x * n, static_argnums=1))
    assert str(inspect.signature(g)) == "(key, x)"


def test_functions_are_pickled_by_name() -> None:
    for f in (decorated, decorated_jit):
        assert pickle.loads(pickle.dumps(f)) is f
        assert copy.deepcopy(f) is f
    assert decorated(1.0, 2.0) == 12.0


def test_threads_do_not_see_each_other() -> None:
    g = scale_output(lambda x: jnp.sin(x), factor=2.0)
    found: dict[int, float] = {}
    barrier = threading.Barrier(4)

    def work(i: int) -> None:
        barrier.wait()
        for _ in range(3):
            found[i] = float(jax.jit(scale_output(g, factor=float(i)))(1.0))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {i: pytest.approx(2.0 * i * np.sin(1.0), rel=1e-6) for i in range(4)}
    assert found == expected


def test_two_uses_do_not_see_each_other() -> None:
    f = scale_output(lambda x: x, factor=2.0)
    g = scale_output(lambda x: x, factor=3.0)
    assert (f(1.0), g(1.0), f(1.0)) == (2.0, 3.0, 2.0)


# ---- Jitted functions


def test_a_wrapped_jit_is_lowered_with_its_transform() -> None:
    f = jax.jit(lambda x, n: x * n, static_argnames="n")
    g = scale_output(f, factor=2.0)
    assert float(g(3.0, n=2)) == float(g(3.0, 2)) == 12.0
    assert float(g.lower(3.0, n=2).compile()(3.0)) == 12.0
    assert float(g.lower(3.0, 2).compile()(3.0)) == 12.0
    assert "2.0" in str(g.trace(3.0, n=2).jaxpr)
    assert g.eval_shape(jax.ShapeDtypeStruct((3,), "float32"), n=2).shape == (3,)
    assert inspect.signature(g) == inspect.signature(f)


def test_static_arguments_stay_static_through_several() -> None:
    g = scale_output(scale_output(decorated_jit, factor=2.0), factor=5.0)
    assert float(g(1.0, 2)) == float(g.lower(1.0, 2).compile()(1.0)) == 60.0
    assert (g.__name__, g.__doc__) == ("decorated_jit", "Multiplies.")


def test_a_wrapped_jit_can_be_cleared() -> None:
    f = jax.jit(lambda x: x + 1)
    g = scale_output(f, factor=2.0)
    g(1.0)
    assert f._cache_size() == 1
    g.clear_cache()
    assert f._cache_size() == 0


def test_what_is_around_a_wrapped_jit_is_lowered_whole() -> None:
    """JAX copies what is on a function: vmap's result must not lower without the vmap."""
    g = scale_output(jax.jit(lambda x: x.sum()), factor=2.0)
    assert not hasattr(jax.vmap(g), "lower")
    x = jax.ShapeDtypeStruct((3, 4), "float32")
    assert jax.jit(jax.vmap(g)).eval_shape(x).shape == (3,)
    outer = jax.jit(g, donate_argnums=0)
    assert "donated_invars" in str(outer.trace(x).jaxpr) or outer.trace(x).donate_argnums == (0,)

    @functools.wraps(g)
    def other(x: Any) -> Any:
        return g(x) + 1

    assert not hasattr(other, "lower")


def test_a_factory_that_jits_can_be_lowered() -> None:
    @jaxkit.transform
    def compiled(fun: Any) -> Any:
        return jax.jit(fun)

    g = compiled(lambda x: x + 1)
    assert float(g.lower(1.0).compile()(1.0)) == 2.0
    # functools.wraps copies nothing of a jit around the wrong function.

    @jaxkit.transform
    def doubled(fun: Any) -> Any:
        @functools.wraps(fun)
        def double(*args: Any) -> Any:
            return fun(*args) * 2

        return double

    assert float(doubled(g).lower(1.0).compile()(1.0)) == 4.0
    assert float(doubled(doubled(g)).lower(1.0).compile()(1.0)) == 8.0


def test_a_static_argument_that_is_not_last_keeps_its_name() -> None:
    @jaxkit.transform(tags=["changes_signature"])
    def drop_first(fun: Any) -> Any:
        def dropped(*args: Any, **kwargs: Any) -> Any:
            return fun(1.0, *args, **kwargs)

        parameters = list(inspect.signature(fun).parameters.values())[1:]
        dropped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return dropped

    g = drop_first(jax.jit(lambda a, x, n: a * x * n, static_argnums=2))
    assert float(g.lower(3.0, 2).compile()(3.0)) == 6.0


# ---- Pytrees


def test_a_module_stays_a_pytree(model: Model) -> None:
    g = scale_output(model, factor=2.0)
    x = jnp.ones(2)
    assert [leaf.shape for leaf in jax.tree.leaves(g)] == [(2, 2)]
    np.testing.assert_array_equal(g(x, power=2), 2.0 * model(x, power=2))
    np.testing.assert_array_equal(eqx.filter_jit(g)(x), 2.0 * model(x))
    grads = eqx.filter_grad(lambda m: m(x).sum())(g)
    np.testing.assert_array_equal(grads.fun.weight, jnp.full((2, 2), 2.0))
    doubled = jax.tree.map(lambda leaf: 2 * leaf, g)
    np.testing.assert_array_equal(doubled(x), 2 * g(x))
    assert (g.__name__, g.__doc__, g.__wrapped__) == ("Model", "A model.", model)
    assert inspect.signature(g) == inspect.signature(model)
    assert doubled.__doc__ == "A model."
    assert not hasattr(g, "lower")
    assert pickle.loads(pickle.dumps(g)).transform == g.transform


def test_what_is_wrapped_is_not_copied(model: Model) -> None:
    assert scale_output(model).__wrapped__ is model
    nnx = pytest.importorskip("flax.nnx")

    class Counter(nnx.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.count = nnx.Variable(jnp.array(0))

        def __call__(self, x: Any) -> Any:
            self.count[...] += 1
            return x

    counter = Counter()
    g = scale_output(counter, factor=2.0)
    assert (float(g(1.0)), float(g(1.0)), int(counter.count[...])) == (2.0, 2.0, 2)


def test_wrapping_again_hits_the_cache(model: Model) -> None:
    traced: list[None] = []

    @eqx.filter_jit
    def call(m: Any, x: Any) -> Any:
        traced.append(None)
        return m(x)

    for _ in range(3):
        call(scale_output(model, factor=2.0), jnp.ones(2))
    assert len(traced) == 1
    call(scale_output(model, factor=3.0), jnp.ones(2))
    assert len(traced) == 2


def test_other_callable_pytrees(model: Model) -> None:
    x = jnp.ones(2)
    for fun in (model.encode, jax.tree_util.Partial(jnp.matmul, model.weight)):
        g = scale_output(fun, factor=2.0)
        assert len(jax.tree.leaves(g)) == len(jax.tree.leaves(fun)) == 1
        np.testing.assert_array_equal(g(x), 2.0 * (model.weight @ x))
    assert scale_output(model.encode).__name__ == "encode"
    assert scale_output(eqx.nn.Identity(), factor=2.0)(x).sum() == 4.0


def test_filter_jit() -> None:
    @scale_output(factor=2.0)
    @eqx.filter_jit
    def f(x: Any) -> Any:
        """Adds."""
        return x + 1

    assert float(f(1.0)) == 4.0
    assert (f.__name__, f.__doc__) == ("f", "Adds.")
    assert float(f.lower(jnp.float32(1.0)).compile()(jnp.float32(1.0))) == 4.0

    class Thing(eqx.Module):
        value: jax.Array

        @scale_output(factor=2.0)
        @eqx.filter_jit
        def add(self, x: Any) -> Any:
            return self.value + x

        @scale_output(factor=2.0)
        def plain(self, x: Any) -> Any:
            return self.value + x

    thing = Thing(jnp.float32(1.0))
    assert float(thing.add(2.0)) == float(thing.plain(2.0)) == 6.0
    assert len(jax.tree.leaves(thing.plain)) == 1


# ---- Under JAX


def test_composes_with_jax() -> None:
    f = scale_output(lambda x: jnp.sin(x), factor=2.0)
    x = jnp.linspace(0.0, 1.0, 3)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(f)))(x), 2 * jnp.cos(x), rtol=1e-6)
    carried, _ = jax.lax.scan(lambda c, x: (c + f(x), None), 0.0, x)
    np.testing.assert_allclose(carried, 2 * jnp.sin(x).sum(), rtol=1e-6)
    g = scale_output(jax.vmap(jnp.sin), factor=2.0)
    np.testing.assert_allclose(g(x), 2 * jnp.sin(x), rtol=1e-6)


def test_a_large_model_is_not_flattened_to_be_wrapped() -> None:
    looked: list[None] = []

    @jax.tree_util.register_pytree_node_class
    class Inner:
        def tree_flatten(self) -> Any:
            looked.append(None)
            return (), None

        @classmethod
        def tree_unflatten(cls, aux: Any, children: Any) -> Inner:
            return cls()

    class Outer(eqx.Module):
        inner: Any

        def __call__(self, x: Any) -> Any:
            return x

    from jaxkit.transforms._wrapped_module import is_pytree

    outer = Outer(Inner())
    looked.clear()
    assert is_pytree(outer)
    assert not looked
