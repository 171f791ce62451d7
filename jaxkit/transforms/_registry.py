"""Which transforms there are: ours, and those of installed packages."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module

from jaxkit.errors import PluginError, UsageError
from jaxkit.transforms import _plugins
from jaxkit.transforms._options import near
from jaxkit.transforms._transform import Transform

__all__ = ["Entry", "available", "get"]

# Where each of ours is when it is first asked for; some stand above this package.
_BUILT_IN = {
    "accumulate_gradients": "jaxkit.transforms._accumulate_gradients:accumulate_gradients",
    "bucket": "jaxkit.transforms._bucket:bucket",
    "check_finite": "jaxkit.numerics.check_finite:check_finite",
    "clip_gradients": "jaxkit.transforms._clip_gradients:clip_gradients",
    "emulate": "jaxkit.numerics.emulate:emulate",
    "max_compiles": "jaxkit.compiles.budget:max_compiles",
    "nan_origin": "jaxkit.numerics.nonfinite.guard:guard",
    "shadow": "jaxkit.numerics.precision.applied:sampling",
    "timed": "jaxkit.timing._timed:timed",
    "x64": "jaxkit.numerics.x64:x64",
}


@dataclass(frozen=True)
class Entry:
    """One transform of the registry.

    Args:
        name: What `get` and the command line call it.
        origin: `jaxkit`, or the distribution that brings it.
        summary: The first line of its docstring; empty if it is broken.
        options: Its options and their defaults; None if it is broken.
        error: Why it cannot be used; None if it can.
    """

    name: str
    origin: str
    summary: str = ""
    options: inspect.Signature | None = None
    error: str | None = None


def available() -> dict[str, Entry]:
    """All transforms by name, ours and those of plug-ins, the broken ones included.

    Example:
        >>> available()["clip_gradients"].origin
        'jaxkit'

    Returns:
        An Entry for each, sorted by name.
    """
    found = {name: _describe(name, "jaxkit") for name in _BUILT_IN}
    for name, plugin in _plugins.installed(reserved=_BUILT_IN).items():
        found[name] = _describe(name, plugin.origin)
    return dict(sorted(found.items()))


def get(name: str) -> Transform:
    """The transform of a name.

    Example:
        >>> get("clip_gradients").name
        'clip_gradients'

    Args:
        name: One of `available()`.

    Raises:
        PluginError: It belongs to a plug-in that is broken; the message says how.
        UsageError: There is none of that name; the message has those that are near.
    """
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return getattr(import_module(module), attribute)
    plugins = _plugins.installed(reserved=_BUILT_IN)
    if name in plugins:
        return plugins[name].load()
    known = sorted({*_BUILT_IN, *plugins})
    hint = near(name, known) or f"there are {', '.join(known)}"
    raise UsageError(f"there is no transform {name!r}; {hint}")


def _describe(name: str, origin: str) -> Entry:
    try:
        found = get(name)
    except PluginError as error:
        return Entry(name, origin, error=error.reason)
    except Exception as error:
        return Entry(name, origin, error=f"cannot be loaded: {type(error).__name__}: {error}")
    parameters = list(found.signature.parameters.values())[1:]
    return Entry(name, origin, found.summary, inspect.Signature(parameters))
