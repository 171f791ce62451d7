"""`callables` and `methods`: whatever can be called can be wrapped, and methods stay methods."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.testing.laws._law import Bench, BrokenError, Law, broken, said

__all__ = ["LAWS"]


class _Scale(eqx.Module):
    """A callable that is a pytree, and cannot be hashed."""

    factor: jax.Array

    def __call__(self, x: Any) -> Any:
        return x * self.factor


class _Doubles:
    """A callable object without a name."""

    def __call__(self, x: Any) -> Any:
        return x * 2.0


def _with_a_rule() -> Callable[..., Any]:
    made = jax.custom_jvp(lambda x: x * 2.0)
    made.defjvps(lambda tangent, _out, _x: tangent * 2.0)
    return made


def _decorated() -> Callable[..., Any]:
    def once(x: Any) -> Any:
        return x * 1.0

    @functools.wraps(once)
    def twice(x: Any) -> Any:
        return once(x) + once(x)

    return twice


def _product(y: Any, x: Any) -> Any:
    return x * y


# Who goes behind its decorator goes behind those of all functions.
DECORATED = "a decorated function"


def _x() -> jax.Array:
    return jnp.asarray(np.array([0.5, -1.25, 2.0], np.float32))


def _callables(bench: Bench) -> None:
    if bench.own_subjects:
        subject = bench.subject
        want = bench.call(bench.wrap(subject.fun), subject)
        bench.same(
            bench.call(bench.wrap(functools.partial(subject.fun)), subject),
            want,
            f"a functools.partial of {subject.name}",
        )
        return
    many: dict[str, Callable[..., Any]] = {
        "a functools.partial": functools.partial(_product, 2.0),
        "a callable object": _Doubles(),
        "a builtin without a name": operator.methodcaller("__mul__", 2.0),
        "a bound method": _Doubles().__call__,
        "a lambda": lambda x: x * 2.0,
        DECORATED: _decorated(),
    }
    module = {"an Equinox module": _Scale(jnp.float32(2.0))}
    if bench.thorough():
        many |= {
            "a partial of a partial": functools.partial(functools.partial(_product, 2.0)),
            "a jitted function": jax.jit(lambda x: x * 2.0),
            "a jitted Equinox module": eqx.filter_jit(_Scale(jnp.float32(2.0))),
            "a custom_jvp function": _with_a_rule(),
            "a jax.tree_util.Partial": jax.tree_util.Partial(_product, jnp.float32(2.0)),
        }
    for what, fun in (many | module).items():
        _one(bench, what, fun)
    if bench.thorough() and not bench.tags & {"of_value_and_grad", "changes_structure"}:
        _twice(bench)


def _one(bench: Bench, what: str, fun: Callable[..., Any]) -> None:
    def plain(x: Any) -> Any:
        return x * 2.0

    want = bench.wrap(plain)(_x())
    adapted = _valued(fun) if "of_value_and_grad" in bench.tags else fun
    try:
        got = bench.transform(adapted)(_x())
    except Exception as error:
        # What JAX itself says to a module or a builtin.
        weak = "unhashable" in str(error) or "weak reference" in str(error)
        broken(f"{what} could not be wrapped and called: {said(error)}", weak=weak)
    bench.same(got, want, f"{what} gives another result than the function written out")


def _valued(fun: Callable[..., Any]) -> Callable[..., Any]:
    return functools.partial(_with_sum, fun)


def _with_sum(fun: Callable[..., Any], x: Any) -> Any:
    out = fun(x)
    return out.sum(), out


def _twice(bench: Bench) -> None:
    inner = bench.wrap(lambda x: x * 2.0)
    try:
        got = bench.transform(inner)(_x())
    except Exception as error:
        broken(f"wrapping what is wrapped already raised {type(error).__name__}: {error}")
    if bench.keeps_values:
        bench.same(got, _x() * 2.0, "wrapped twice")


def _methods(bench: Bench) -> None:
    bench.own_functions()
    try:
        _as_methods(bench, register=False)
    except Exception as error:
        # Only arrays may be given to some transforms, such as jax.jit: then `self` must be one.
        try:
            _as_methods(bench, register=True)
        except Exception:
            raise error from None


def _as_methods(bench: Bench, *, register: bool) -> None:
    cls = _made(bench, register=register)
    one, two = cls(2.0), cls(3.0)
    for instance, factor in ((one, 2.0), (two, 3.0), (one, 2.0)):
        want = bench.wrap(lambda x, factor=factor: x * factor)(_x())
        _call(bench, "a method", lambda i=instance: i.scaled(_x()), want)
    want = bench.wrap(lambda x: x * 2.0)(_x())
    _call(bench, "an unbound method", lambda: cls.scaled(one, _x()), want)
    _call(bench, "a static method", lambda: cls.doubled(_x()), want)
    _call(bench, "a static method of an instance", lambda: one.doubled(_x()), want)
    if not register:  # JAX cannot trace a class, in whatever hands
        _call(bench, "a class method", lambda: cls.made(_x()), want)
        _call(bench, "a class method of an instance", lambda: one.made(_x()), want)
    if _is_ours(bench.transform) and not register:
        _call(bench, "a class method wrapped outside", lambda: cls.outer_made(_x()), want)
        _call(bench, "a static method wrapped outside", lambda: one.outer_doubled(_x()), want)


def _made(bench: Bench, *, register: bool) -> Any:
    wrap = bench.wrap

    class Holder:
        two = 2.0

        def __init__(self, factor: Any) -> None:
            self.factor = factor

        @wrap
        def scaled(self, x: Any) -> Any:
            return x * self.factor

        @staticmethod
        @wrap
        def doubled(x: Any) -> Any:
            return x * 2.0

        @classmethod
        @wrap
        def made(cls, x: Any) -> Any:
            return x * cls.two

    if _is_ours(bench.transform):
        outer = _outer(bench)
        setattr(Holder, "outer_made", outer(classmethod(_times_two)))  # noqa: B010
        setattr(Holder, "outer_doubled", outer(staticmethod(_double)))  # noqa: B010
    if register:
        jax.tree_util.register_pytree_node(
            Holder, lambda h: ((h.factor,), None), lambda _, leaves: Holder(*leaves)
        )
    return Holder


def _times_two(cls: Any, x: Any) -> Any:
    return x * cls.two


def _double(x: Any) -> Any:
    return x * 2.0


def _outer(bench: Bench) -> Callable[[Any], Any]:
    def outer(method: Any) -> Any:
        return bench.transform(type(method)(bench.adapt(method.__func__)))

    return outer


def _call(bench: Bench, what: str, call: Callable[[], Any], want: Any) -> None:
    try:
        got = call()
    except BrokenError:
        raise
    except Exception as error:
        broken(f"{what} raised {type(error).__name__}: {error}")
    bench.same(got, want, what)


def _is_ours(transform: Any) -> bool:
    from jaxkit.transforms import Transform

    return isinstance(transform, Transform)


LAWS = (
    Law(
        "callables",
        "partials, Equinox modules, objects and builtins without a name can be wrapped",
        _callables,
    ),
    Law(
        "methods",
        "a wrapped function works as a method, a class method and a static method",
        _methods,
        free_by=frozenset({"changes_signature"}),
        excused_by=("callables",),
    ),
)
