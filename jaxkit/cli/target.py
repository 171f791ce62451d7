"""The function that a command line names: `module:function` or `path/to/file.py:function`."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from jaxkit.errors import UsageError

__all__ = ["FailureError", "load"]


class FailureError(Exception):
    """The user's own code raised, which is said as Python would say it."""

    def __init__(self, error: BaseException, doing: str) -> None:
        super().__init__(error, doing)
        self.error = error
        self.doing = doing


def load(target: str) -> tuple[Callable[..., Any], ModuleType]:
    """The function, and the module that it is in.

    Args:
        target: `package.module:function`, `folder/file.py:function`, `module:Class.method`.

    Returns:
        Both; the working directory, or the file's folder, can be imported from, as under `python`.

    Raises:
        UsageError: There is no such module, file or function.
        FailureError: The module raised while it was imported.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise UsageError(
            f"{target!r} must be module:function or path/to/file.py:function, such as "
            f"{_example(target)}"
        )
    module = _from_file(place) if place.endswith(".py") else _from_name(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{place} has no {name!r}{_hint(part, found)}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{target} must be a function, got {type(found).__name__}")
    return found, module


def _example(target: str) -> str:
    return f"{target}:train_step" if target.endswith(".py") else "package.train:train_step"


def _from_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {path!r}")
    name = os.path.splitext(os.path.basename(path))[0]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location(name, os.path.abspath(path))
    assert spec is not None  # as it ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise FailureError(error, f"importing {path}") from error
    return module


def _from_name(name: str) -> ModuleType:
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise FailureError(error, f"importing {name}") from error
        way = f"; the file itself can be named: {name.replace('.', '/')}.py:function"
        raise UsageError(f"there is no module {missing!r} here or installed{way}") from error
    except Exception as error:
        raise FailureError(error, f"importing {name}") from error


def _hint(part: str, found: Any) -> str:
    names = [name for name in dir(found) if not name.startswith("_")]
    near = difflib.get_close_matches(part, names, n=3)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return "; a function inside another function cannot be named"
