"""What the commands share that look at one function: the function, its arguments, its gradient."""

from __future__ import annotations

import ast
import functools
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxkit.cli.annotated import from_annotations
from jaxkit.cli.shapes import Fixed, parsed, read_argument, read_dims
from jaxkit.cli.target import FailureError, load
from jaxkit.cli.values import Valued, Values
from jaxkit.errors import JaxkitError, UsageError

__all__ = ["Asked", "failed", "prepared", "traced", "written"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
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
    asked: Asked, values: Values | None = None, *, untouched: bool = False
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The function, its positional and its keyword arguments.

    Args:
        asked: What was asked for.
        values: What gives arrays their values; None for shapes in the place of all of them.
        untouched: Whether the function is to be the user's own object, which gets plain values
            among its arguments, not one around it that has them.

    Raises:
        UsageError: What is wrong with it.
        FailureError: The user's own code raised.
    """
    dims = _Sizes(read_dims(list(asked.dims)))
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
    if not asked.source:
        _check_used(dims)
    _check_fits(asked, fun, args, kwargs)
    args, kwargs = _settled((args, kwargs), values)
    if untouched:
        args, kwargs = _as_values((args, kwargs))
    else:
        fun, args, kwargs = _without_fixed(fun, args, kwargs)
    if asked.grad:
        fun = _gradient(fun, args, kwargs)
    return fun, args, kwargs


class _Sizes(dict[str, int]):
    """Sizes by name, and which of them were asked for."""

    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__(sizes)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> int:
        self.asked.add(name)
        return super().__getitem__(name)


def _check_used(dims: _Sizes) -> None:
    unused = [name for name in dims if name not in dims.asked]
    if unused:
        known = f"those are {', '.join(sorted(dims.asked))}" if dims.asked else "none is named"
        raise UsageError(
            f"--dim {unused[0]}={dims[unused[0]]}: no dimension of the arguments is called "
            f"{unused[0]!r}; {known}"
        )


def _check_fits(
    asked: Asked, fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """That the function can be called so, before anything of it runs."""
    import inspect

    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):  # of a builtin
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        names = ", ".join(str(each).partition(":")[0] for each in signature.parameters.values())
        hint = _hint(asked, list(signature.parameters))
        raise UsageError(f"{asked.target} takes ({names}): {error}{hint}") from error


def _hint(asked: Asked, names: list[str]) -> str:
    for text in asked.args:
        parts = _parts(text)
        if len(parts) > 1:
            apart = " ".join(f'"{part}"' for part in parts)
            return f"; {text!r} is one tuple, arguments of their own are written {apart}"
    if names[:1] == ["self"] and "." in asked.target.rpartition(":")[2]:
        return "; it is a method: name that of an instance, such as module:model.forward"
    return ""


def _parts(text: str) -> list[str]:
    """What commas divide at the top, without parentheses around."""
    try:
        read = parsed(text)
    except SyntaxError:  # a file's name, or with a keyword
        return []
    if text.lstrip().startswith("(") or not isinstance(read, ast.Tuple):
        return []
    return [ast.unparse(each) for each in read.elts]


def failed(failure: FailureError) -> int:
    """Says what the user's code raised, and returns the exit code.

    Args:
        failure: With the exception.
    """
    print(f"jaxkit: {failure.doing} failed:", file=sys.stderr)
    shown = traceback.TracebackException.from_exception(failure.error)
    _without_ours(shown)
    print("".join(shown.format()), end="", file=sys.stderr)
    return 2


def _without_ours(shown: traceback.TracebackException | None) -> None:
    """Leaves out the frames of jaxkit, and of Python's importing: the user's come after them."""
    while shown is not None:
        theirs = [each for each in shown.stack if not _is_ours(each.filename)]
        if theirs:
            shown.stack[:] = theirs
        notes: list[str] = getattr(shown, "__notes__", None) or []
        shown.__notes__ = [note for note in notes if "JAX has removed its internal" not in note]
        shown = shown.__cause__ or shown.__context__


def _is_ours(file: str) -> bool:
    return file.startswith((_PACKAGE, "<frozen importlib"))


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


def _as_values(given: Any) -> Any:
    import jax

    return jax.tree.map(lambda leaf: leaf.value if isinstance(leaf, Fixed) else leaf, given)


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
