"""Being called when a module has been imported, without importing it. Standard library only.

A program sets `JAX_*` and `XLA_FLAGS` before its own `import jax`, so a tool that imports JAX first
changes the program. What is here waits instead, and takes itself away when it has been used:
afterwards `sys.meta_path`, the module's `__spec__` and its `__loader__` are what they would have
been.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

__all__ = ["when_imported"]

# Python leaves frames of these files out of the traceback of a failed import, and `warnings` does
# not count them: with this name on them, so it does with ours.
_AS_IMPORTLIB = "<frozen importlib._bootstrap_external>"


def when_imported(name: str, callback: Callable[[], None]) -> Callable[[], None]:
    """Calls back once, as soon as a module has been imported.

    Example:
        >>> when_imported("sys", lambda: print("there"))()
        there

    Args:
        name: The module's full name, such as `jax`.
        callback: Called on the importing thread when the module's code has run without an error,
            before the `import` statement goes on; called at once if the module is there already.
            It must not raise: an exception would be the importing statement's.

    Returns:
        A function that calls the waiting off; it does nothing afterwards.
    """
    if name in sys.modules:
        callback()
        return lambda: None
    finder = _Finder(name, callback)
    sys.meta_path.insert(0, finder)  # what the import system needs of it
    return finder.leave


class _Finder:
    """Lets the other finders find the module, and has its loader tell when it has run."""

    def __init__(self, name: str, callback: Callable[[], None]) -> None:
        self._name = name
        self._callbacks = [callback]

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._name:
            return None
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                self._listen(spec.loader)
                return spec
        return None

    def _listen(self, loader: Loader | None) -> None:
        """Puts our function before the loader's own, on this one object and for one call.

        A loader of another class in its place would be seen by the module while it runs.
        """
        if loader is None or not hasattr(loader, "exec_module"):
            return

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            loader.exec_module(module)
            # After an error we stay: the program may put right what was wrong and try again.
            self._call_back()

        exec_module.__code__ = _hidden(exec_module.__code__)
        try:
            loader.exec_module = exec_module
        except AttributeError:  # a loader without room for it: nobody can be told
            return

    def _call_back(self) -> None:
        self.leave()
        # Several specs may have been looked up, and two threads may run two of them: `pop` is for
        # one of them only.
        try:
            callback = self._callbacks.pop()
        except IndexError:
            return
        callback()

    def leave(self) -> None:
        try:
            sys.meta_path.remove(self)
        except ValueError:
            return


def _hidden(code: CodeType) -> CodeType:
    return code.replace(co_filename=_AS_IMPORTLIB)


_Finder.find_spec.__code__ = _hidden(_Finder.find_spec.__code__)
