"""`args` and `signature`: what is given to the wrapped function arrives, and it looks the same."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxkit.testing._compare import copied, difference
from jaxkit.testing._subject import Subject
from jaxkit.testing.laws._law import Bench, Law, NotCheckedError, broken, called, said

__all__ = ["LAWS"]

# Names that wrappers like to use for themselves; they are free for the function's own arguments.
_TAKEN = "fun f func function fn args kwargs name key x options transform".split()


def _args(bench: Bench) -> None:
    if bench.own_subjects:
        for subject in bench.subjects:
            _by_name(bench, subject)
        return
    _plainly(bench)
    for args, kwargs in _calls(bench):
        _arrives(bench, args, kwargs)
    if not bench.tags & {"of_gradients", "of_value_and_grad"}:
        _no_arguments(bench)
    _positional_only(bench)
    _same_meaning(bench)
    _order_of_keywords(bench)


def _plainly(bench: Bench) -> None:
    """A transform that cannot even do this breaks no law of arguments in particular."""

    def both(a: Any, b: Any) -> Any:
        return a + b

    bench.wrap(both)(jnp.ones(3), jnp.ones(3))


def _calls(bench: Bench) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    x, y, z = (jnp.asarray(np.arange(3, dtype=np.float32) + k) for k in (1.0, 2.5, 4.0))
    names = [name for name in (*_TAKEN, *bench.options) if name not in ("a", "b", "c")]
    return [
        ((x,), {}),
        ((x, y), {}),
        ((x,), {"b": y}),
        ((x, y, z), {}),
        ((x,), {"c": z}),
        ((x,), {"other": z}),
        ((x,), {"other": None}),
        ((), {"a": x, "b": y}),
        ((), {"b": y, "c": z, "a": x}),
        ((x, y, z, x), {"c": y, "z_last": z, "a_first": x}),
        *(((x,), {name: y}) for name in dict.fromkeys(names)),
    ]


def _arrives(bench: Bench, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    seen: list[tuple[Any, ...]] = []

    def total(a: Any, b: Any = 2.0, *rest: Any, c: Any = 3.0, **other: Any) -> Any:
        seen.append((len(rest), tuple(sorted(other))))
        numbers = [b, c, *rest, *(other[k] for k in sorted(other) if other[k] is not None)]
        return a + sum(each * 10.0**-k for k, each in enumerate(numbers))

    text = called("f", *_shapes(args, kwargs))
    wrapped = bench.wrap(total)
    seen.clear()  # what ran while it was being wrapped is another law
    try:
        got = wrapped(*copied(args), **copied(kwargs))
    except Exception as error:
        broken(f"{text} raised {said(error)}", weak=bool(set(kwargs) & set(_TAKEN)))
    arrived = list(seen)
    want = bench.adapt(total)(*args, **kwargs)
    if any(each != seen[-1] for each in arrived):
        broken(
            f"{text} reached the function with {arrived[0][0]} further positional arguments and "
            f"the names {list(arrived[0][1])}, not with {seen[-1][0]} and {list(seen[-1][1])}"
        )
    # Only arguments that went elsewhere: what is done to values is another law.
    if bench.keeps_values and difference(got, want, rtol=0.02) is not None:
        first = args[0] if args else kwargs["a"]
        plain = bench.wrap(total)(copied(first))
        if difference(plain, bench.adapt(total)(first), rtol=0.02):
            return  # wrong without further arguments too
        broken(f"{text}: {difference(got, want, rtol=0.02)}")


def _shapes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return [_Letter("xyzuvw"[i]) for i in range(len(args))], {k: _Letter("v") for k in kwargs}


class _Letter(str):
    def __repr__(self) -> str:
        return str(self)


def _no_arguments(bench: Bench) -> None:
    def nothing() -> Any:
        return jnp.float32(3.0)

    def anything(a: Any) -> Any:
        return jnp.float32(3.0)

    try:
        got = bench.wrap(nothing)()
    except Exception as error:
        broken(f"f() of a function without arguments raised {said(error)}")
    if bench.keeps_values:
        with_one = bench.wrap(anything)(jnp.ones(3))
        if difference(with_one, nothing(), rtol=0.5) is None:  # otherwise it is no matter of those
            bench.same(got, nothing(), "f() of a function without arguments", rtol=0.5)


def _positional_only(bench: Bench) -> None:
    def first(a: Any, /, b: Any, *, c: Any = 1.0) -> Any:
        return a + 2.0 * b + c

    x = jnp.ones(3)
    try:
        bench.wrap(first)(x, x, c=x)
    except TypeError as error:
        broken(f"f(x, x, c=x) of f(a, /, b, *, c=1.0) raised TypeError: {error}")


def _order_of_keywords(bench: Bench) -> None:
    """As the caller wrote them; JAX itself sorts those of what it traces."""
    x = jnp.ones(2)
    seen: list[tuple[bool, list[str], list[str]]] = []

    def total(tree: Any, **other: Any) -> Any:
        traced = any(isinstance(each, Tracer) for each in (*tree.values(), *other.values()))
        seen.append((traced, list(tree), list(other)))
        return tree["z"] + other["later"] + other["earlier"]

    wrapped = bench.wrap(total)
    seen.clear()
    wrapped({"z": x, "a": x}, later=x, earlier=x)
    for traced, tree, names in seen:
        # Where dicts are sorted as well, `pytree` says so.
        if not traced and tree == ["z", "a"] and names != ["later", "earlier"]:
            broken(
                f"f(tree, later=x, earlier=x) reached the function with **kwargs in the order "
                f"{names}",
                weak=True,
            )


def _same_meaning(bench: Bench) -> None:
    """Where values change, they change alike however the arguments are given."""

    def both(a: Any, b: Any) -> Any:
        return jnp.tanh(a) + b

    x, y = jnp.asarray([0.5, -1.0, 2.0]), jnp.asarray([1.0, 2.0, 3.0])
    want = bench.wrap(both)(x, y)
    bench.same(bench.wrap(both)(x, b=y), want, "f(x, b=y) and f(x, y) differ")
    bench.same(bench.wrap(both)(a=x, b=y), want, "f(a=x, b=y) and f(x, y) differ")


def _by_name(bench: Bench, subject: Subject) -> None:
    args, kwargs = subject.inputs()
    try:
        bound = inspect.signature(subject.fun).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise NotCheckedError(f"the signature of {subject.name} cannot be read: {error}") from error
    parameters = bound.signature.parameters
    named = {
        name: value
        for name, value in bound.arguments.items()
        if parameters[name].kind in (inspect.Parameter.KEYWORD_ONLY, _EITHER)
    }
    if len(named) != len(bound.arguments) or "changes_signature" in bench.tags:
        return
    want = bench.call(bench.wrap(subject.fun), subject)
    try:
        got = bench.wrap(subject.fun)(**named)
    except TypeError as error:
        broken(f"{called(subject.name, [], named)} raised TypeError: {error}")
    bench.same(got, want, f"{subject.name} with all arguments by name")


_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _signature(bench: Bench) -> None:
    def documented(x: jax.Array, scale: float = 2.0, *, shift: float = 0.0) -> jax.Array:
        """Scales and shifts."""
        return x * scale + shift

    fun: Callable[..., Any] = bench.subject.fun if bench.own_subjects else documented
    wrapped = bench.transform(fun)
    if wrapped is fun:
        return
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        want, got = getattr(fun, name, None), getattr(wrapped, name, None)
        if got != want and want is not None:
            broken(f"{name} is {got!r} instead of {want!r}")
    try:
        want, got = str(inspect.signature(fun)), str(inspect.signature(wrapped))
    except (TypeError, ValueError) as error:
        if fun is documented:
            broken(f"inspect.signature raised {type(error).__name__}: {error}")
        return
    if got != want:
        broken(f"its signature is {got} instead of {want}")
    if inspect.unwrap(wrapped) is not inspect.unwrap(fun):
        broken("__wrapped__ does not lead to the function")


LAWS = (
    Law(
        "args",
        "every argument reaches the function: positional, by name, left to its default, "
        "*args and **kwargs",
        _args,
        free_by=frozenset({"changes_signature"}),
    ),
    Law(
        "signature",
        "the wrapped function keeps name, docstring, signature and __wrapped__",
        _signature,
        free_by=frozenset({"changes_signature"}),
    ),
)
