"""The parts of a jaxpr whose form differs between versions of JAX.

Read on JAX 0.10.2 and 0.12.0.1. In 0.10 a closed jaxpr holds a plain one; in 0.12 the two are one
class. A scan says how many of its operands are constants and carries as ``num_consts`` and
``num_carry`` in 0.10, as the lengths of ``ft_in`` in 0.12.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.core as jax_core
import numpy as np
from jax.extend import core as jex

from jaxkit._jax.jitted import is_jitted, static_arguments
from jaxkit._jax.manual_axes import differing_axes

_CLOSED: Any = getattr(jex, "ClosedJaxpr", jex.Jaxpr)


class Program(NamedTuple):
    """A function as JAX traced it.

    Attributes:
      written: its jaxpr as it was written, dead code included.
      lowered: with hijax primitives expanded, which may have lost dead code on the way.
      arguments: a name for each input that is an argument, in (args, kwargs).
      results: the results: a tree of shapes and dtypes.
      inputs: the arrays that enter it: a value for each of the jaxpr's inputs.
      captured: how many of them, the first, are no arguments: values of an enclosing trace that
        the function closes over.
    """

    written: Any
    lowered: Any
    arguments: tuple[str, ...]
    results: Any
    inputs: tuple[Any, ...]
    captured: int


def trace(fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Program:
    """Traces a function, without running it.

    Args:
      fun: any callable; one that is jitted keeps its own static arguments.
      args: positional arguments: trees of arrays, numbers or `jax.ShapeDtypeStruct`; any other
        leaf is passed as it is.
      kwargs: keyword arguments, likewise.
    """
    if is_jitted(fun):
        entering = _entering(fun, args, kwargs)
        return _program(fun.trace(*args, **kwargs), entering)
    leaves, tree = jax.tree.flatten((args, kwargs))
    hollow = jax.tree.unflatten(tree, [leaf if _is_input(leaf) else None for leaf in leaves])

    def called(*args: Any, **kwargs: Any) -> Any:
        given = iter(jax.tree.leaves((args, kwargs)))
        mixed = [next(given) if _is_input(leaf) else leaf for leaf in leaves]
        args, kwargs = jax.tree.unflatten(tree, mixed)
        return fun(*args, **kwargs)

    called.__name__ = called.__qualname__ = name_of(fun)
    # JAX's errors name the user's file and parameters, which it looks for here.
    called.__wrapped__ = fun
    args, kwargs = hollow
    return _program(jax.jit(called).trace(*args, **kwargs), _entering(None, args, kwargs))


def name_of(fun: Any) -> str:
    """What to call a function that may have no name of its own."""
    while isinstance(fun, functools.partial):
        fun = fun.func
    name = getattr(fun, "__name__", None)
    return name if isinstance(name, str) else type(fun).__name__


def _program(traced: Any, entering: Sequence[tuple[str, Any]]) -> Program:
    written = traced.jaxpr
    try:
        lowered = traced.lojax.jaxpr
    except AttributeError:  # a version without it has no hijax either
        lowered = written
    captured = tuple(getattr(traced, "_consts", ()))
    names, leaves = tuple(name for name, _ in entering), (leaf for _, leaf in entering)
    inputs = (*captured, *leaves)
    return Program(written, lowered, names, traced.out_info, inputs, len(captured))


def _entering(fun: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sequence[tuple[str, Any]]:
    """The leaves that enter a program, each with its path, in the program's order.

    Those of a jitted function's static arguments do not, whatever they are.
    """
    numbers, names = static_arguments(fun) if fun is not None else ((), ())
    fixed = {(0, n % len(args)) for n in numbers if -len(args) <= n < len(args)}
    fixed |= {(1, name) for name in names}

    def is_fixed(path: Any) -> bool:
        first, second = path[0], path[1]
        return (first.idx, second.key if first.idx else second.idx) in fixed

    return [
        (jax.tree_util.keystr(path), leaf)
        for path, leaf in jax.tree_util.tree_flatten_with_path((args, kwargs))[0]
        if not is_fixed(path) and (fun is not None or _is_input(leaf))
    ]


def _is_input(leaf: Any) -> bool:
    return isinstance(leaf, (bool, int, float, complex)) or (
        hasattr(leaf, "shape") and hasattr(leaf, "dtype")
    )


def expanded(eqn: Any) -> Any:
    """The jaxpr that a hijax primitive stands for; None for an equation of any other.

    Its derivatives are not those of the primitive, which has its own.
    """
    if eqn.primitive.name != "call_hi_primitive":
        return None
    lower = getattr(eqn.primitive, "to_lojax", None)
    if lower is None:
        return None
    avals = [atom.aval for atom in eqn.invars]
    try:
        return jax.make_jaxpr(lambda *values: lower(*values, **eqn.params))(*avals)
    except (NotImplementedError, TypeError):
        # JAX cannot trace operands that are no arrays, such as references: it stays one equation.
        return None


def only_backwards(eqn: Any) -> bool:
    """Whether a hijax primitive has a derivative, but no rule for it forwards."""
    rule = getattr(type(eqn.params.get("_prim")), "jvp", None)
    lacks = getattr(rule, "__qualname__", "").endswith(("HiPrim.jvp", "VJPHiPrimitive.jvp"))
    inexact = jax.numpy.inexact
    return lacks and any(jax.numpy.issubdtype(var.aval.dtype, inexact) for var in eqn.outvars)


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


def as_array(value: Any) -> Any:
    """A constant or the value of a literal, with a shape and a dtype as arrays have them."""
    if hasattr(value, "shape"):
        return value
    return np.asarray(value, jax.typeof(value).dtype)


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


def manual_axes(eqn: Any) -> tuple[Any, ...]:
    """The axes of its mesh along which a shard_map divides the data, in the mesh's order."""
    names = tuple(eqn.params["mesh"].axis_names)
    manual = eqn.params.get("newly_manual_axes") or eqn.params.get("manual_axes")
    return tuple(name for name in names if name in manual) if manual else names


def name_stack(eqn: Any) -> str:
    """The named scopes of an equation, relative to the jaxpr that it stands in."""
    stack = getattr(eqn.source_info, "name_stack", None)
    return "" if stack is None else _text_of(stack)


@functools.lru_cache(maxsize=10_000)
def _text_of(stack: Any) -> str:
    """Few stacks are many equations', and JAX puts the text together anew each time."""
    return str(stack)


def bind(eqn: Any, operands: Sequence[Any]) -> list[Any]:
    """Evaluates one equation as JAX does: in its context, under its name scopes, at its line."""
    replaced = _UNCHECKED.get(eqn.primitive.name)
    if replaced is not None:
        with place_of(eqn):
            return [replaced(value, eqn.params["axes"]) for value in operands]
    parameters = eqn.primitive.get_bind_params(eqn.params)
    with place_of(eqn):
        found = eqn.primitive.bind(*operands, **parameters)
    return list(found) if eqn.primitive.multiple_results else [found]


def _sum_over(value: Any, axes: Any) -> Any:
    return jax.lax.psum(value, axes)


def _vary_over(value: Any, axes: tuple[Any, ...]) -> Any:
    already = differing_axes(value, axes)
    missing = tuple(name for name in axes if name not in already)
    return jax.lax.pcast(value, missing, to="varying") if missing else value


# Primitives that only `check_vma=True` has, as they are in any `jax.shard_map`.
_UNCHECKED: dict[str, Callable[[Any, Any], Any]] = {
    "psum_invariant": _sum_over,
    "pvary": _vary_over,
}


@contextlib.contextmanager
def place_of(eqn: Any) -> Iterator[None]:
    """What is evaluated inside has the line, the scopes and the settings of the equation."""
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
