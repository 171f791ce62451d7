"""A call as a program, whatever its arguments are."""

from __future__ import annotations

from typing import Any

import jax

from jaxkit._jax import jaxprs
from jaxkit._jax.jitted import is_jitted

__all__ = ["program_of", "program_with_fixed"]


def program_of(fun: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> jaxprs.Program:
    """The call as a program; Python's numbers are inputs if the function allows it."""
    try:
        return jaxprs.trace(fun, args, kwargs)
    except jax.errors.ConcretizationTypeError:
        return program_with_fixed(fun, args, kwargs)


def program_with_fixed(fun: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> jaxprs.Program:
    """The call as a program of its arrays; Python's numbers are what they are."""
    if is_jitted(fun):
        return jaxprs.trace(fun, args, kwargs)
    paths, tree = jax.tree_util.tree_flatten_with_path((args, kwargs))
    places = [i for i, (_, leaf) in enumerate(paths) if hasattr(leaf, "dtype")]

    def called(*arrays: Any) -> Any:
        leaves = [leaf for _, leaf in paths]
        for place, array in zip(places, arrays, strict=True):
            leaves[place] = array
        some, others = jax.tree.unflatten(tree, leaves)
        return fun(*some, **others)

    called.__name__ = called.__qualname__ = jaxprs.name_of(fun)
    program = jaxprs.trace(called, tuple(paths[i][1] for i in places), {})
    names = tuple(jax.tree_util.keystr(paths[i][0]) for i in places)
    return program._replace(arguments=names)
