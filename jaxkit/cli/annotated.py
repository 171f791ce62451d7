"""Arguments from the jaxtyping annotations of a function, for given sizes."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from jaxkit.cli.shapes import dimension, read_argument
from jaxkit.errors import UsageError

__all__ = ["from_annotations"]

# Of the dtypes that an annotation allows, the one to take.
_PREFERRED = ("float32", "int32", "bool", "complex64", "uint8", "uint32", "bfloat16", "float16")
_WAY = 'say what it is: --args "f32[32,128]" ..., one for each parameter'


def from_annotations(fun: Callable[..., Any], dims: Mapping[str, int]) -> dict[str, Any]:
    """What the parameters without a default are annotated with.

    Example:
        >>> from jaxtyping import Array, Float
        >>> def norm(x: Float[Array, "b d"], eps: float = 1e-6): ...
        >>> from_annotations(norm, {"b": 2, "d": 3})
        {'x': ShapeDtypeStruct(shape=(2, 3), dtype=float32)}

    Args:
        fun: The function.
        dims: The sizes of the dimensions that the annotations name.

    Returns:
        `jax.ShapeDtypeStruct` by the parameter's name.

    Raises:
        UsageError: A parameter that cannot be told from its annotation, or a size is missing.
    """
    try:
        parameters = inspect.signature(fun).parameters
        hints = typing.get_type_hints(inspect.unwrap(fun))
    except (TypeError, ValueError, NameError) as error:
        raise UsageError(f"the annotations cannot be read ({error}); {_WAY}") from error
    found: dict[str, Any] = {}
    for name, parameter in parameters.items():
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if variadic or parameter.default is not parameter.empty:
            continue
        found[name] = _read(name, hints.get(name), dims)
    return found


def _read(name: str, annotation: Any, dims: Mapping[str, int]) -> Any:
    if annotation is None:
        raise UsageError(f"parameter {name!r} has no annotation; {_WAY}")
    shape, dtypes = getattr(annotation, "dim_str", None), getattr(annotation, "dtypes", None)
    if shape is None or dtypes is None:
        said = getattr(annotation, "__name__", str(annotation))
        raise UsageError(f"parameter {name!r}: {said} says neither shape nor dtype; {_WAY}")
    allowed = [str(each) for each in dtypes] if isinstance(dtypes, (list, tuple)) else []
    if any("key" in each for each in allowed):
        dtype = "key"
    else:
        allowed = allowed or list(_PREFERRED)  # any, as of Shaped
        dtype = next((each for each in _PREFERRED if each in allowed), allowed[0])
    sizes = [str(_size(name, word, dims)) for word in shape.split() if not _is_many(word)]
    written = f"{dtype}[{','.join(sizes)}]" if sizes else dtype
    return read_argument(written, {}, f"parameter {name!r},")


def _is_many(word: str) -> bool:
    """Any number of dimensions: none are taken."""
    return word == "..." or word.lstrip("#?").startswith("*")


def _size(name: str, word: str, dims: Mapping[str, int]) -> int:
    plain = word.lstrip("#?").rpartition("=")[2]
    if plain.startswith("_"):
        raise UsageError(f"parameter {name!r} has a dimension without a name; {_WAY}")
    try:
        return dimension(ast.parse(plain, mode="eval").body, dims)
    except (SyntaxError, UsageError) as error:
        raise UsageError(f"parameter {name!r}: {error}") from error
