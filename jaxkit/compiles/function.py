"""Who is being compiled: the user's function below partials, methods and transforms.

Functions are known by their code, never by their name: two ``apply`` are two functions, and a
lambda made anew in a loop is one. The code of captured functions counts as code, so that a
factory called with ``relu`` and with ``tanh`` makes two functions and not one made twice.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

from jaxkit._jax.stack import origin
from jaxkit.compiles.event import Function
from jaxkit.compiles.identity import TOKENS, attributes, code_digest, describe, digest, type_name
from jaxkit.compiles.leaf import Static

_MAX_CAPTURED = 64
_TRANSFORMS = frozenset(
    {
        "grad",
        "value_and_grad",
        "fwd_and_bwd",
        "vmap",
        "pmap",
        "shard_map",
        "jvp",
        "vjp",
        "linearize",
    }
    | {"jacfwd", "jacrev", "hessian", "checkpoint", "remat", "checkpoint_wrapper"}
)
_EQUINOX = {
    "valueandgradwrapper": "value_and_grad",
    "gradwrapper": "grad",
    "vmapwrapper": "vmap",
    "pmapwrapper": "pmap",
    "jvpwrapper": "jvp",
    "closureconvert": "closure_convert",
}


class _Unwrapped:
    """The layers between the object given to JAX and the innermost function."""

    def __init__(self) -> None:
        self.wrappers: list[str] = []
        self.captured: list[tuple[str, Static]] = []
        self.codes: list[str] = []
        self.name: str | None = None

    def capture(self, name: str, value: Any, depth: int = 0) -> None:
        """Notes a captured value; of a captured function, its code and what it captures."""
        if len(self.captured) >= _MAX_CAPTURED:
            return
        inner = innermost_function(value)
        if inner is None:
            self.captured.append((name, describe(value)))
        elif depth < 3:
            self.codes.append(code_digest(inner.__code__))
            if origin(inner.__code__.co_filename) == "user":
                self.closure(inner, depth + 1)

    def closure(self, fun: types.FunctionType, depth: int = 0) -> None:
        """Closed-over variables and default values of a function."""
        for name, cell in zip(fun.__code__.co_freevars, fun.__closure__ or (), strict=False):
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            if value is not fun:
                self.capture(name, value, depth)
        count = fun.__code__.co_argcount
        defaults = fun.__defaults__ or ()
        names = fun.__code__.co_varnames[count - len(defaults) : count]
        for name, value in (
            *zip(names, defaults, strict=False),
            *(fun.__kwdefaults__ or {}).items(),
        ):
            if value is not None:
                self.capture(name, value, depth)

    def instance(self, value: Any) -> None:
        """The attributes of an object whose method or ``__call__`` is compiled."""
        self.codes.append(type_name(type(value)))
        for name, item in attributes(value).items():
            if not name.startswith("_"):  # bookkeeping, such as an identity number
                self.capture(f"self.{name}", item)


def innermost_function(value: Any) -> types.FunctionType | None:
    """The Python function at the bottom of a callable made of functions only, else None."""
    for _ in range(50):
        if isinstance(value, types.FunctionType):
            inner = getattr(value, "__wrapped__", None)
            if inner is None or not callable(inner):
                return value
            value = inner
        elif isinstance(value, (type, functools.partial, types.MethodType)) or not callable(value):
            return None
        elif str(getattr(type(value), "__module__", "")).partition(".")[0] in ("jaxlib", "jax"):
            value = getattr(value, "__wrapped__", None)
        else:
            return None
    return None


def unwrap(fun: Any, found: _Unwrapped) -> Any:
    """Peels `fun` down to its innermost function, noting the layers in `found`."""
    for _ in range(50):
        if isinstance(fun, functools.partial) or _is_partial(fun):
            found.wrappers.append("partial")
            _capture_partial(fun, found)
            fun = fun.func
        elif isinstance(fun, types.MethodType):
            found.wrappers.append("method")
            found.instance(fun.__self__)
            fun = fun.__func__
        elif callable(inner := _inner(fun)):
            layer = _layer(fun)
            found.wrappers.append(layer)
            if layer.startswith("transform"):  # f and vmap(f) are two programs by design
                found.codes.append(layer)
            if isinstance(fun, types.FunctionType):
                _capture_layer(fun, inner, found)
            fun = inner
        elif isinstance(fun, (types.FunctionType, types.BuiltinFunctionType, type)):
            return fun
        else:
            found.wrappers.append("object")
            if origin_of_type(type(fun)) != "jax":  # a jnp.ufunc has a name of its own
                found.name = type(fun).__name__
            found.instance(fun)
            inner = innermost_function(getattr(type(fun), "__call__", None))  # noqa: B004
            return inner if inner is not None else type(fun)
    return fun


def origin_of_type(kind: type) -> str:
    """``jax`` for JAX's own classes, else ``other``."""
    root = str(getattr(kind, "__module__", "")).partition(".")[0]
    return "jax" if root in ("jax", "jaxlib") else "other"


def _inner(fun: Any) -> Any:
    try:
        inner = getattr(fun, "__wrapped__", None)
    except Exception:
        return None
    return None if inner is fun else inner


def _is_partial(fun: Any) -> bool:
    """Equinox's and JAX's own partials, which are pytrees."""
    kind = type(fun)
    return kind.__name__ == "Partial" and all(
        hasattr(kind, n) or n in attributes(fun) for n in ("func",)
    )


def _capture_partial(fun: Any, found: _Unwrapped) -> None:
    try:
        parameters = list(inspect.signature(fun.func).parameters)
    except (TypeError, ValueError):
        parameters = []
    for index, value in enumerate(fun.args):
        name = parameters[index] if index < len(parameters) else f"args[{index}]"
        found.capture(name, value)
    for name, value in fun.keywords.items():
        found.capture(str(name), value)


def _layer(fun: Any) -> str:
    """A word for a wrapping layer: the transform's name where the layer is JAX's."""
    code = getattr(fun, "__code__", None)
    if code is None:
        module = str(getattr(type(fun), "__module__", "")).partition(".")[0]
        kind = type(fun).__name__.strip("_").lower()
        if module == "equinox" and kind in _EQUINOX:
            return f"transform {_EQUINOX[kind]}"
        return "jit" if module in ("jax", "jaxlib") else "library"
    where = origin(code.co_filename)
    if where == "user":
        return "decorator"
    head = _below_boundary(fun).__code__.co_qualname.partition(".")[0].lstrip("_")
    return f"transform {head}" if where == "jax" and head in _TRANSFORMS else "library"


def _below_boundary(fun: types.FunctionType) -> types.FunctionType:
    """The function inside JAX's traceback filter, which leaves it out of ``__wrapped__``."""
    if fun.__code__.co_qualname.startswith("api_boundary."):
        for name, cell in zip(fun.__code__.co_freevars, fun.__closure__ or (), strict=False):
            if name == "fun" and isinstance(cell.cell_contents, types.FunctionType):
                return cell.cell_contents
    return fun


def _capture_layer(fun: types.FunctionType, inner: Any, found: _Unwrapped) -> None:
    """What a decorator, or a transform such as `jax.vmap`, holds besides the function."""
    where = origin(fun.__code__.co_filename)
    fun = _below_boundary(fun)
    for name, cell in zip(fun.__code__.co_freevars, fun.__closure__ or (), strict=False):
        try:
            value = cell.cell_contents
        except ValueError:
            continue
        if value is inner or callable(value):
            continue
        if where == "user":
            found.capture(name, value)
        elif isinstance(value, (int, str, bool, tuple)):  # in_axes, argnums: another program
            found.codes.append(f"{name}={describe(value).meaning}")


def describe_function(
    fun: Any, name: str, *, place: tuple[str, int] | None = None, by_value: bool = False
) -> Function:
    """The `Function` behind an object given to JAX.

    Args:
      fun: what was given to `jax.jit`, `equinox.filter_jit`, ...
      name: JAX's name for it, used where the function has none of its own.
      place: file and line to report in place of the function's own, for eager operations.
      by_value: whether what lies around the innermost function compares by value, as Equinox's
        modules do, so that a new one is no new function.
    """
    found = _Unwrapped()
    inner = unwrap(fun, found)
    code = getattr(inner, "__code__", None)
    if isinstance(inner, types.FunctionType):
        found.closure(inner)
        found.codes.insert(0, code_digest(inner.__code__))
    else:
        found.codes.insert(0, type_name(inner) if isinstance(inner, type) else name)
    file, line = (code.co_filename, code.co_firstlineno) if code is not None else ("", 0)
    file, line = place or (file, line)
    return Function(
        name=found.name or str(getattr(inner, "__name__", None) or name)[:200],
        qualname=str(getattr(inner, "__qualname__", name))[:200],
        module=str(getattr(inner, "__module__", "") or "")[:200],
        file=file,
        line=line,
        id=_object_token(inner if by_value else fun),
        inner_id=_object_token(inner),
        wrappers=tuple(found.wrappers),
        captured=tuple(
            item for item in found.captured if not by_value or not item[0].startswith("self.")
        ),
        code=digest(*found.codes),
    )


def _object_token(fun: Any) -> str:
    """A token of the object; a bound method is a new object at each access and counts as such."""
    return TOKENS.token(fun)


def combine_bodies(bodies: dict[str, Any], operation: Function, wrapper: str | None) -> Function:
    """The `Function` of eager control flow: the primitive, made of the bodies given to it.

    Args:
      bodies: the functions, by parameter name.
      operation: the primitive.
      wrapper: what wraps the bodies anew at each call (`jax.lax.map` does), or None.
    """
    described = [describe_function(body, "body") for body in bodies.values()]
    return Function(
        name=operation.name,
        qualname=operation.qualname,
        module=operation.module,
        file=operation.file,
        line=operation.line,
        id="+".join(body.id for body in described),
        inner_id="+".join(body.inner_id for body in described),
        wrappers=(f"rewraps {wrapper}",) if wrapper else (),
        captured=tuple(item for body in described for item in body.captured)[:_MAX_CAPTURED],
        code=digest(operation.name, *(body.code for body in described)),
        traced=", ".join(dict.fromkeys(body.name for body in described)) or None,
    )
