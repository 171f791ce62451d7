"""The program's side of `--apply`: modules are rewritten as they are loaded, functions wrapped.

What runs before the program imports nothing that Python has not imported itself, and JAX is left
to the program.
"""

from __future__ import annotations

import os
import sys

from jaxkit.cli import rewrite
from jaxkit.cli.applications import Application

TYPE_CHECKING = False  # as typing's, whose import would be one of those
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import SourceFileLoader
    from types import CodeType
    from typing import Any

    from jaxkit.cli.stop import Stop
    from jaxkit.errors import FindingsError

__all__ = [
    "Plan",
    "absolute",
    "begin",
    "begun",
    "chosen",
    "install",
    "is_users",
    "on",
    "rewritten",
    "shortened",
    "undefined",
]

# That of `importlib.machinery`, which the program may not have imported yet.
_LOADER: type[SourceFileLoader] = sys.modules["_frozen_importlib_external"].SourceFileLoader
# Python leaves frames of these files out of the traceback of a failed import.
_AS_IMPORTLIB = "<frozen importlib._bootstrap_external>"


class Plan:
    """What is to be applied, and where.

    Args:
        applications: One for each `--apply`, as `Application.plain` gives them.
        script: The script as it was given; None where Python itself finds what it runs.
        compiled: The file that the rewritten script was compiled to.
        main: The name of the module that is run with `-m`.
        quiet: Whether nothing is said about what was applied.
    """

    def __init__(
        self,
        applications: list[tuple[Any, ...]],
        script: str | None,
        compiled: str,
        main: str | None,
        quiet: bool,
    ) -> None:
        self.applications = [Application(*plain) for plain in applications]
        self.script = script
        self.compiled = compiled
        self.main = main
        self.quiet = quiet


class _State:
    """This process's own."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.stop: Stop | None = None
        self.said: set[tuple[int, str, int]] = set()
        self.applied: set[int] = set()
        self.seen: list[str] = []


_STATE = _State()


def install(plan: Plan, stop: Stop) -> None:
    """Arranges for it all, before the program begins.

    Args:
        plan: What is to be done.
        stop: What is done about the errors that transforms raise.
    """
    _STATE.plan, _STATE.stop = plan, stop
    if plan.script is not None:
        sys.argv[0] = plan.script
        sys.orig_argv[:] = [plan.script if a == plan.compiled else a for a in sys.orig_argv]
        # Python gives __file__ to __main__ where it has none.
        sys.modules["__main__"].__file__ = absolute(plan.script)
    _hook()


def absolute(script: str) -> str:
    """The script's `__file__`, as Python forms it: nothing is resolved in it."""
    if os.path.isabs(script):
        return script
    return os.path.join(os.getcwd(), script.removeprefix("./"))


def begin() -> None:
    """The first thing that a rewritten script does: what differs for a compiled file is put right.

    Its traceback, its place in `sys.path` and its end are those of Python itself.
    """
    plan = _STATE.plan
    if plan is None or plan.script is None:  # of a process that the program has started
        return
    main: Any = sys.modules["__main__"]
    main.__cached__ = None  # which Python sets only together with __file__
    main.__loader__ = _LOADER("__main__", absolute(plan.script))
    if sys.path[:1] == [os.path.dirname(os.path.realpath(plan.compiled))]:
        sys.path[0] = os.path.dirname(os.path.realpath(plan.script))
    try:
        os.unlink(plan.compiled)
    except OSError:
        return


def is_users(path: str) -> bool:
    """Whether a file is the program's own, and neither of an installed package nor of Python."""
    name = os.path.abspath(path).replace("\\", "/")
    if "/site-packages/" in name or "/dist-packages/" in name:
        return False
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return not name.startswith((os.path.dirname(os.__file__) + "/", ours + "/", "<"))


def chosen(plan: Plan, module: str, path: str) -> list[int]:
    """The numbers of the applications that look at a module."""
    names = {module, *(["__main__"] if module == plan.main else [])}
    users = is_users(path) or "__main__" in names
    return [
        number
        for number, each in enumerate(plan.applications)
        if (users if each.module is None else each.module in names)
    ]


def rewritten(plan: Plan, numbers: list[int], source: bytes, path: str) -> Any:
    """The tree of a module with decorators on all that is meant; None if nothing in it is."""
    wanted = [number for number in numbers if plan.applications[number].path[-1].encode() in source]
    if not wanted:
        return None
    tree = rewrite.parse(source, path)
    touched = False
    for definition in list(rewrite.definitions(tree)):
        if not definition.is_function:
            continue
        meant = [n for n in wanted if rewrite.matches(definition, plan.applications[n].path)]
        rewrite.decorate(definition, [expression(n, definition, path) for n in meant])
        touched = touched or bool(meant)
    return tree if touched else None


def expression(number: int, definition: rewrite.Definition, path: str) -> str:
    """What stands in the decorator: it needs no name of the module's and leaves none."""
    given = f"{number}, {definition.qualname!r}, {path!r}, {definition.line}"
    return f"__import__('jaxkit.cli.applied', None, None, ('on',)).on({given})"


def begun() -> str:
    """The expression that a rewritten script begins with."""
    return "__import__('jaxkit.cli.applied', None, None, ('begin',)).begin()"


def on(number: int, qualname: str, path: str, line: int) -> Callable[[Any], Any]:
    """The decorator that a rewritten definition has.

    Args:
        number: Of the application.
        qualname: The function's.
        path: The file it stands in.
        line: Of its `def`.
    """

    def decorate(fun: Any) -> Any:
        plan = _STATE.plan
        if plan is None:
            return fun
        _tell(plan, number, qualname, path, line)
        definition = (number, path, line)
        application = plan.applications[number]
        if "jax" in sys.modules:
            return _wrap(application, definition, fun)
        return _wrap_later(application, definition, fun)

    return decorate


def _tell(plan: Plan, number: int, qualname: str, path: str, line: int) -> None:
    _STATE.applied.add(number)
    if plan.quiet or (number, path, line) in _STATE.said:
        return
    _STATE.said.add((number, path, line))
    name = plan.applications[number].name
    text = f"jaxkit: applied {name} to {qualname} ({shortened(path)}:{line})\n"
    try:
        os.write(2, text.encode(errors="backslashreplace"))
    except OSError:
        return


def shortened(path: str) -> str:
    """Relative to the current folder where it lies below it."""
    folder = os.getcwd() + os.sep
    return path[len(folder) :] if path.startswith(folder) else path


class _Run:
    """What the transforms are told about us; see `jaxkit.transforms._enclosing`."""

    def __init__(self, definition: tuple[int, str, int]) -> None:
        self.definition = definition

    def found(
        self, error: FindingsError, *, thread: int | None = None, raises: bool = True
    ) -> None:
        if _STATE.stop is not None:
            _STATE.stop.found(error, thread=thread, raises=raises)


def _wrap(application: Application, definition: tuple[int, str, int], fun: Any) -> Any:
    from jaxkit.transforms import get
    from jaxkit.transforms._enclosing import ENCLOSING

    if _STATE.stop is not None:
        _STATE.stop.prepare()
    token = ENCLOSING.set(_Run(definition))
    try:
        return get(application.name)(**application.options)(fun)
    finally:
        ENCLOSING.reset(token)


def _wrap_later(application: Application, definition: tuple[int, str, int], fun: Any) -> Any:
    """Wraps at the first call: until the program imports JAX it may set what JAX then reads."""
    made: list[Any] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        if not made:
            made.append(_wrap(application, definition, fun))
        return made[0](*args, **kwargs)

    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(call, name, getattr(fun, name))
    call.__dict__.update(fun.__dict__)
    call.__wrapped__ = fun
    return call


def undefined() -> list[tuple[tuple[Any, ...], list[str]]]:
    """The applications that nothing was found for, plainly, and the files that were looked at."""
    plan = _STATE.plan
    if plan is None:
        return []
    files = [*([absolute(plan.script)] if plan.script is not None else []), *_STATE.seen]
    return [
        (each.plain(), files)
        for number, each in enumerate(plan.applications)
        if number not in _STATE.applied
    ]


def _hook() -> None:
    """Has Python's own loader of source files ask us, which all that load such files end in."""
    owner: Any = next(kind for kind in _LOADER.__mro__ if "get_code" in vars(kind))
    original = owner.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        code = _code(self, fullname)
        return original(self, fullname) if code is None else code

    get_code.__code__ = get_code.__code__.replace(co_filename=_AS_IMPORTLIB)
    get_code.__qualname__, get_code.__module__ = original.__qualname__, original.__module__
    owner.get_code = get_code


def _code(loader: SourceFileLoader, fullname: str) -> CodeType | None:
    """The code of a module in which something was found; nothing of it is written to a cache."""
    plan = _STATE.plan
    try:
        path = loader.get_filename(fullname)
        if plan is None or not path.endswith(".py"):
            return None
        numbers = chosen(plan, fullname, path)
        if not numbers:
            return None
        _STATE.seen.append(path)
        tree = rewritten(plan, numbers, loader.get_data(path), path)
    except Exception:
        return None  # what is wrong with it, Python says
    if tree is None:
        return None
    try:
        return loader.source_to_code(tree, path)
    except Exception:  # a loader that reads the text itself
        return compile(tree, path, "exec", dont_inherit=True)
