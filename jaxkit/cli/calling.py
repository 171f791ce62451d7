"""What the commands share that look at one function: the function, its arguments, its gradient."""

from __future__ import annotations

import functools
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxkit.cli.annotated import from_annotations
from jaxkit.cli.shapes import Fixed, read_argument, read_dims
from jaxkit.cli.target import FailureError, load
from jaxkit.cli.values import Valued, Values
from jaxkit.errors import JaxkitError, UsageError

__all__ = ["Asked", "failed", "prepared", "traced", "written"]

_KEYWORD = re.compile(r"([A-Za-z_]\w*)=(?!=)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Args:
        target: The function, as it was written.
        args: What `--args` has.
        dims: What `--dim` has.
        source: The function that gives the arguments, by its name in the same module.
        grad: Whether its gradient is meant.
    """

    target: str
    args: Sequence[str] = ()
    dims: Sequence[str] = ()
    source: str | None = None
    grad: bool = False


def written(args: Sequence[str] | None, more: Sequence[str] | None) -> list[str]:
    """All arguments in their order: what follows `--args` without another one is read apart.

    Args:
        args: What stands directly after `--args`.
        more: What follows.

    Raises:
        UsageError: The order cannot be told.
    """
    if args and len(args) > 1 and more:
        raise UsageError('give --args once, with all arguments after it: --args "f32[2]" "i32[3]"')
    return [*(args or ()), *(more or ())]


def prepared(
    asked: Asked, values: Values | None = None
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The function, its positional and its keyword arguments.

    Args:
        asked: What was asked for.
        values: What gives arrays their values; None for shapes in the place of all of them.

    Raises:
        UsageError: What is wrong with it.
        FailureError: The user's own code raised.
    """
    dims = read_dims(list(asked.dims))
    if asked.source and asked.args:
        raise UsageError("--args and --args-from both say what the arguments are: give one of them")
    fun, module = load(asked.target)
    if asked.source:
        args, kwargs = _from_function(asked, module)
    elif asked.args:
        args, kwargs = _written(asked.args, dims)
    else:
        args, kwargs = _annotated(fun, dims)
    if dims and asked.source:
        raise UsageError("--dim says nothing about the arguments of --args-from")
    args, kwargs = _settled((args, kwargs), values)
    fun, args, kwargs = _without_fixed(fun, args, kwargs)
    if asked.grad:
        fun = _gradient(fun, args, kwargs)
    return fun, args, kwargs


def failed(failure: FailureError) -> int:
    """Says what the user's code raised, and returns the exit code.

    Args:
        failure: With the exception.
    """
    print(f"jaxkit: {failure.doing} failed:", file=sys.stderr)
    traceback.print_exception(failure.error)
    return 2


def traced(make: Callable[[], Any], asked: Asked, doing: str = "tracing") -> Any:
    """What a function gives that traces or runs the user's.

    Args:
        make: The function.
        asked: What was asked for.
        doing: Which of both.

    Raises:
        FailureError: The user's function raised.
    """
    try:
        return make()
    except JaxkitError:
        raise
    except Exception as error:
        raise FailureError(error, f"{doing} {asked.target}") from error


def _written(given: Sequence[str], dims: dict[str, int]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for n, text in enumerate(given, 1):
        keyword = _KEYWORD.fullmatch(text.strip())
        if keyword:
            kwargs[keyword[1]] = read_argument(keyword[2], dims, f"--args {keyword[1]}=")
        elif kwargs:
            raise UsageError(f"--args {text!r} comes after {list(kwargs)[-1]}=: those come last")
        else:
            args.append(read_argument(text, dims, f"--args number {n},"))
    return tuple(args), kwargs


def _annotated(
    fun: Callable[..., Any], dims: dict[str, int]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    import inspect

    found = from_annotations(fun, dims)
    parameters = inspect.signature(fun).parameters
    kwargs = {n: v for n, v in found.items() if parameters[n].kind is parameters[n].KEYWORD_ONLY}
    return tuple(v for n, v in found.items() if n not in kwargs), kwargs


def _from_function(asked: Asked, module: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    source = getattr(module, asked.source or "", None)
    if not callable(source):
        raise UsageError(f"--args-from {asked.source}: {module.__name__} has no such function")
    try:
        args = source()
    except Exception as error:
        raise FailureError(error, f"calling {asked.source}()") from error
    if not isinstance(args, tuple):
        raise UsageError(
            f"--args-from {asked.source}: it must return a tuple of arguments, got "
            f"{type(args).__name__}"
        )
    return args, {}


def _settled(given: Any, values: Values | None) -> Any:
    """With values for all arrays, or with shapes for all."""
    import jax

    def settled(leaf: Any) -> Any:
        if values is None:
            return leaf.struct if isinstance(leaf, Valued) else leaf
        # What is written as a number with a point is a value like any other, and no option.
        if isinstance(leaf, Fixed):
            return leaf.value if isinstance(leaf.value, (float, complex)) else leaf
        return values.of(leaf)

    return jax.tree.map(settled, given)


def _without_fixed(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Plain values are no arrays: the function gets them as they are, whatever traces it."""
    import jax

    leaves, tree = jax.tree.flatten((args, kwargs))
    if not any(isinstance(leaf, Fixed) for leaf in leaves):
        return fun, args, kwargs
    arrays = [leaf for leaf in leaves if not isinstance(leaf, Fixed)]

    @functools.wraps(fun)
    def with_values(*given: Any) -> Any:
        left = iter(given)
        mixed = [leaf.value if isinstance(leaf, Fixed) else next(left) for leaf in leaves]
        args, kwargs = jax.tree.unflatten(tree, mixed)
        return fun(*args, **kwargs)

    return with_values, tuple(arrays), {}


def _gradient(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[..., Any]:
    """The value with its gradient by every positional argument that consists of floats."""
    import jax
    import jax.numpy as jnp

    def is_float(leaf: Any) -> bool:
        return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)

    by = tuple(
        i
        for i, arg in enumerate(args)
        if jax.tree.leaves(arg) and all(map(is_float, jax.tree.leaves(arg)))
    )
    if not by:
        raise UsageError("--grad needs a positional argument all of whose arrays are floats")

    @functools.wraps(fun)
    def summed(*args: Any, **kwargs: Any) -> Any:
        result = fun(*args, **kwargs)
        if getattr(result, "shape", None) == ():
            return result
        return sum(leaf.sum() for leaf in jax.tree.leaves(result) if is_float(leaf))

    return jax.value_and_grad(summed, argnums=by)
