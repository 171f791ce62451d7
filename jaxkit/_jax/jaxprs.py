"""The parts of a jaxpr whose form differs between versions of JAX.

Read on JAX 0.10.2 and 0.12.0.1. In 0.10 a closed jaxpr holds a plain one; in 0.12 the two are one
class. A scan says how many of its operands are constants and carries as ``num_consts`` and
``num_carry`` in 0.10, as the lengths of ``ft_in`` in 0.12.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.core as jax_core
from jax.extend import core as jex

from jaxkit._jax.read_jit import argnums

_CLOSED: Any = getattr(jex, "ClosedJaxpr", jex.Jaxpr)


class Program(NamedTuple):
    """A function as JAX traced it.

    Attributes:
      written: its jaxpr as it was written, dead code included.
      lowered: with hijax primitives expanded, which may have lost dead code on the way.
      arguments: a name for each input, in (args, kwargs).
      results: the results: a tree of shapes and dtypes.
    """

    written: Any
    lowered: Any
    arguments: tuple[str, ...]
    results: Any


def trace(fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Program:
    """Traces a function, without running it.

    Args:
      fun: any callable; one that is jitted keeps its own static arguments.
      args: positional arguments: trees of arrays, numbers or `jax.ShapeDtypeStruct`; any other
        leaf is passed as it is.
      kwargs: keyword arguments, likewise.
    """
    if callable(getattr(fun, "trace", None)) and callable(getattr(fun, "lower", None)):
        traced = fun.trace(*args, **kwargs)
        return _program(traced, (args, kwargs))
    leaves, tree = jax.tree.flatten((args, kwargs))
    arrays = [leaf for leaf in leaves if _is_input(leaf)]

    def called(*inputs: Any) -> Any:
        given = iter(inputs)
        mixed = [next(given) if _is_input(leaf) else leaf for leaf in leaves]
        args, kwargs = jax.tree.unflatten(tree, mixed)
        return fun(*args, **kwargs)

    called.__name__ = called.__qualname__ = getattr(fun, "__name__", type(fun).__name__)
    return _program(jax.jit(called).trace(*arrays), (args, kwargs))


def _program(traced: Any, given: tuple[Any, Any]) -> Program:
    written = traced.jaxpr
    try:
        lowered = traced.lojax.jaxpr
    except AttributeError:  # a version without it has no hijax either
        lowered = written
    names = tuple(
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_flatten_with_path(given)[0]
        if _is_input(leaf)
    )
    return Program(written, lowered, names, traced.out_info)


def inputs(fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arrays that enter the program of `trace`, in its order.

    Args:
      fun: as for `trace`.
      args: as for `trace`.
      kwargs: as for `trace`.
    """
    info = getattr(fun, "_jit_info", None)
    numbers, names = argnums(info)
    if not (numbers or names):
        return [leaf for leaf in jax.tree.leaves((args, kwargs)) if _is_input(leaf)]
    fixed = {n % len(args) for n in numbers if -len(args) <= n < len(args)}
    kept = [each for index, each in enumerate(args) if index not in fixed]
    return jax.tree.leaves((kept, {k: v for k, v in kwargs.items() if k not in names}))


def _is_input(leaf: Any) -> bool:
    return isinstance(leaf, (bool, int, float, complex)) or (
        hasattr(leaf, "shape") and hasattr(leaf, "dtype")
    )


def is_jaxpr(value: Any) -> bool:
    """Whether it is a jaxpr, closed or not."""
    return isinstance(value, (jex.Jaxpr, _CLOSED))


def open_jaxpr(jaxpr: Any) -> Any:
    """The jaxpr without its constants; in 0.12, and where it is open already, itself."""
    return getattr(jaxpr, "jaxpr", jaxpr)  # remat and shard_map hold open ones in 0.10


def constants(jaxpr: Any) -> tuple[Any, ...]:
    """The values of a closed jaxpr's ``constvars``; empty for one that is not closed."""
    return tuple(getattr(jaxpr, "consts", None) or ())


def is_literal(atom: Any) -> bool:
    """Whether an operand is a value written into the equation."""
    return isinstance(atom, jex.Literal)


def is_dropped(var: Any) -> bool:
    """Whether a result is not used and has no name."""
    return isinstance(var, jex.DropVar)


class Scan(NamedTuple):
    """How the operands of a scan divide, in this order."""

    constants: int
    carry: int
    inputs: int


def scan_parts(eqn: Any) -> Scan:
    """How many operands of a scan are constants, carries and inputs that are sliced."""
    split = eqn.params.get("ft_in")
    if split is None:
        fixed, carry = eqn.params["num_consts"], eqn.params["num_carry"]
    else:
        fixed, carry = (len(part) for part in list(split.unpack())[:2])
    return Scan(fixed, carry, len(eqn.invars) - fixed - carry)


def name_stack(eqn: Any) -> str:
    """The named scopes of an equation, relative to the jaxpr that it stands in."""
    return str(getattr(eqn.source_info, "name_stack", "") or "")


def bind(eqn: Any, operands: Sequence[Any]) -> list[Any]:
    """Evaluates one equation as JAX does: in its context, under its name scopes, at its line."""
    parameters = eqn.primitive.get_bind_params(eqn.params)
    with _at(eqn):
        found = eqn.primitive.bind(*operands, **parameters)
    return list(found) if eqn.primitive.multiple_results else [found]


@contextlib.contextmanager
def _at(eqn: Any) -> Iterator[None]:
    try:
        from jax._src import source_info_util as info

        source = eqn.source_info
        scope = info.current_name_stack() + source.name_stack
        place = info.user_context(source.traceback, name_stack=scope)
        context = eqn.ctx.manager
    except Exception:  # moved: the program is the same, its lines and scopes are lost
        place, context = contextlib.nullcontext(), contextlib.nullcontext()
    with place, context:
        yield


def is_array_type(aval: Any) -> bool:
    """Whether a variable is an array, and not a reference to a mutable one, or a token."""
    return isinstance(aval, jax_core.ShapedArray)


def is_key(aval: Any) -> bool:
    """Whether its elements are random keys."""
    return jax.numpy.issubdtype(aval.dtype, jax.dtypes.extended)
