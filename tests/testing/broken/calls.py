"""Broken: how the function is called and what it looks like (args, signature, ...)."""

from __future__ import annotations

import functools
import inspect
import logging
import typing

import jax
import jax.numpy as jnp

import jaxkit

logger = logging.getLogger(__name__)


def _float32(x):
    """A float64 NumPy array as a JAX array; anything else as it is."""
    return jnp.asarray(x) if str(getattr(x, "dtype", "")) == "float64" else x


@jaxkit.transform
def convert_first_argument(fun):
    """Names the first parameter `x`, so `f(params=p)`, `f()` and `f(**batch)` no longer work."""

    def converted(x, *args, **kwargs):
        return fun(_float32(x), *args, **kwargs)

    return converted


@jaxkit.transform
def bind_and_spread(fun):
    """Spreads `BoundArguments.args` only: keyword-only arguments are lost on the way."""
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):  # builtins
        return lambda *args, **kwargs: fun(*args, **kwargs)

    def bound_call(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        return fun(*bound.args)

    return bound_call


@jaxkit.transform
def log_arguments(fun):
    """Looks up every parameter after `bind` without `apply_defaults`: KeyError for a default."""
    try:
        parameters = inspect.signature(fun)
    except (TypeError, ValueError):
        return lambda *args, **kwargs: fun(*args, **kwargs)

    def logged(*args, **kwargs):
        bound = parameters.bind(*args, **kwargs).arguments
        for name in parameters.parameters:
            logger.debug("%s: %s", name, jax.tree.structure(bound[name]))
        return fun(*args, **kwargs)

    return logged


@jaxkit.transform
def skip_unset_keywords(fun):
    """Takes `mask=None` for "not given" and drops it, so the function's default comes instead."""

    def called(*args, **kwargs):
        given = {name: value for name, value in kwargs.items() if value is not None}
        return fun(*args, **given)

    return called


@jaxkit.transform
def keywords_to_positions(fun):
    """Appends keyword values in the order of the call, which need not be that of the parameters."""

    def called(*args, **kwargs):
        return fun(*args, *kwargs.values())

    return called


def copy_name_by_hand(fun):
    """Copies name and docstring but neither signature nor `__wrapped__`."""

    def inner(*args, **kwargs):
        return fun(*args, **kwargs)

    inner.__name__ = getattr(fun, "__name__", type(fun).__name__)
    inner.__qualname__ = getattr(fun, "__qualname__", inner.__name__)
    inner.__doc__ = fun.__doc__
    return inner


def wrap_without_trail(fun):
    """Removes `__wrapped__` again (so that it pickles), and with it the signature."""

    @functools.wraps(fun)
    def inner(*args, **kwargs):
        return fun(*args, **kwargs)

    del inner.__wrapped__
    return inner


@jaxkit.transform
def name_the_scope(fun):
    """Reads the name from `fun.__code__`, which partials, modules and builtins do not have."""
    name = fun.__code__.co_name

    def scoped(*args, **kwargs):
        with jax.named_scope(name):
            return fun(*args, **kwargs)

    return scoped


@jaxkit.transform
def read_annotations(fun):
    """Asks `get_type_hints` of whatever it wraps: TypeError for a partial or a module."""
    wanted = typing.get_type_hints(fun)

    def called(*args, **kwargs):
        logger.debug("returns %s", wanted.get("return"))
        return fun(*args, **kwargs)

    return called


@jaxkit.transform
def look_into_partials(fun):
    """Unwraps a partial to find its name, and then calls what was in it without its arguments."""
    while isinstance(fun, functools.partial):
        fun = fun.func
    name = getattr(fun, "__name__", type(fun).__name__)

    def called(*args, **kwargs):
        logger.debug("calling %s", name)
        return fun(*args, **kwargs)

    return called


class CountedFunction:
    """A callable object that looks like the function, without `__get__`: no `self` in a class."""

    def __init__(self, fun):
        functools.update_wrapper(self, fun)
        self._fun = fun

    def __call__(self, *args, **kwargs):
        return self._fun(*args, **kwargs)


def count_in_object(fun):
    """Returns an object with `__call__` but no `__get__`, so a method loses its `self`."""
    return CountedFunction(fun)


def _call(fun, *args, **kwargs):
    with jax.named_scope("measured"):
        return fun(*args, **kwargs)


def partial_as_wrapper(fun):
    """Returns a `functools.partial`, which is no descriptor: a method loses its `self`."""
    return functools.update_wrapper(functools.partial(_call, fun), fun)


@jaxkit.transform
def save_memory(fun):
    """`jax.checkpoint` without static arguments: a mode string or a `self` is refused."""
    return jax.checkpoint(fun)


@jaxkit.transform
def numbers_to_arrays(fun):
    """Makes arrays of all Python numbers, also of a static `n` and of flags: tracers under jit."""

    def convert(leaf):
        return jnp.asarray(leaf) if isinstance(leaf, (bool, int, float)) else leaf

    def called(*args, **kwargs):
        return fun(*map(convert, args), **{name: convert(each) for name, each in kwargs.items()})

    return called


@jaxkit.transform
def compile_once(fun):
    """`jax.jit` at wrap time without static arguments: strings and flags fail."""
    jitted = jax.jit(fun)

    def called(*args, **kwargs):
        return jitted(*args, **kwargs)

    return called
