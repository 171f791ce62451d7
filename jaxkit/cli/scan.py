"""What a program defines, read from its files without running it, and what a name may have meant.

The scan follows the imports of the script through the user's own modules. Where a program may load
modules in another way, the scan does not decide: whether a name was defined is known at the end.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder

from jaxkit.cli import rewrite
from jaxkit.cli.applications import Application
from jaxkit.cli.applied import absolute, is_users, shortened
from jaxkit.cli.rewrite import Definition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Scan", "explain_missing", "read_definitions"]

# By these a program can load what no import statement of it names.
_OTHER_WAYS = re.compile(
    rb"importlib|__import__|runpy|exec\(|pkgutil|sys\.path(\.|_|\s*\+?=|\[\d*:)"
)
_MAX_FILES = 2000
_SHOWN = 3

Found = tuple[str, Definition]


class Scan:
    """The user's files that a script imports, directly or not.

    Args:
        program: The script or folder; the module's name if `module`.
        module: Whether it is run as `python -m` does.
    """

    def __init__(self, program: str, *, module: bool) -> None:
        self.files: list[str] = []
        self.definitions: list[Found] = []
        self._decided = True
        self._folder = os.getcwd()
        self._names: set[str] = set()
        start, package = self._start(program, module)
        if start is None or not os.path.isfile(start) or (module and not is_users(start)):
            self._decided = False
            return
        todo = [(start, package)]
        while todo:
            todo.extend(self._read(*todo.pop(0)))

    def _start(self, program: str, module: bool) -> tuple[str | None, str]:
        """The file that is run, and the package that its relative imports are relative to."""
        if module:
            main = self._find(f"{program}.__main__")
            found = main or self._find(program)
            return found, program if main else program.rpartition(".")[0]
        start = absolute(program)
        if os.path.isdir(program):
            start = os.path.join(start, "__main__.py")
        self._folder = os.path.dirname(os.path.realpath(start))
        return start, ""

    def missing(self, application: Application) -> bool:
        """Whether it is certain that the program defines no such function."""
        if self._of(application) or not self._decided:
            return False
        name = application.path[-1].encode()
        return not any(name in _bytes(path) for path in self._beside())

    def _of(self, application: Application) -> list[Found]:
        if application.module not in (None, "__main__"):
            file = self._find(application.module or "")
            if file is None or not is_users(file):
                self._decided = self._decided and file is None
            elif file not in self.files:
                list(self._read(file, ""))
        return [
            found
            for found in self.definitions
            if found[1].is_function and rewrite.matches(found[1], application.path)
        ]

    def _read(self, path: str, package: str) -> Iterator[tuple[str, str]]:
        """Notes what a file defines; the files that it imports."""
        if path in self.files or len(self.files) >= _MAX_FILES:
            return
        self.files.append(path)
        source = _bytes(path)
        self._decided = self._decided and not _OTHER_WAYS.search(source)
        tree = _parse(source, path)
        if tree is None:
            self._decided = False
            return
        self.definitions.extend((path, found) for found in rewrite.definitions(tree))
        for name in _imported(tree, package):
            if name in self._names:
                continue
            self._names.add(name)
            found = self._find(name)
            if found is not None and is_users(found):
                inner = os.path.basename(found) == "__init__.py"
                yield found, name if inner else name.rpartition(".")[0]

    def _find(self, name: str) -> str | None:
        """The source file of a module, without importing anything."""
        folders: Sequence[str] | None = None
        spec: ModuleSpec | None = None
        whole = ""
        for part in name.split("."):
            whole = f"{whole}.{part}" if whole else part
            spec = self._spec(whole, folders)
            if spec is None:
                return None
            folders = list(spec.submodule_search_locations or ())
        origin = spec.origin if spec is not None else None
        return origin if origin is not None and origin.endswith(".py") else None

    def _spec(self, name: str, folders: Sequence[str] | None) -> ModuleSpec | None:
        if folders is not None:
            return PathFinder.find_spec(name, list(folders))
        if name in sys.stdlib_module_names:
            return None
        spec = PathFinder.find_spec(name, [self._folder, *sys.path])
        for finder in sys.meta_path if spec is None else ():
            spec = spec or finder.find_spec(name, None)
        return spec

    def _beside(self) -> Iterator[str]:
        """Source files in the script's folder that no import statement leads to."""
        count = 0
        for folder, folders, names in os.walk(self._folder):
            hidden = ("site-packages", "node_modules", "__pycache__")
            folders[:] = [n for n in folders if not n.startswith(".") and n not in hidden]
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith(".py") and path not in self.files:
                    yield path
            count += len(names)
            if count > 10 * _MAX_FILES:
                self._decided = False
                return


def explain_missing(application: Application, found: Sequence[Found]) -> str:
    """Why nothing could be wrapped, with what may have been meant.

    Args:
        application: What was asked.
        found: All definitions that were seen.
    """
    name = ".".join(application.path)
    files = len({file for file, _ in found})
    where = "" if files < 2 else f" in the {files} files that were looked at"
    if files == 1:
        where = f" in {shortened(found[0][0])}"
    if application.module is not None:
        where = f" in the module {application.module}"
    text = f"--apply {application.text}: no function {name} is defined{where}"
    other = next((each for each in found if rewrite.matches(each[1], application.path)), None)
    if other is not None and other[1].is_function:
        place = f"{shortened(other[0])}:{other[1].line}"
        return f"--apply {application.text}: the program never got to {name} ({place})"
    if other is not None:
        return f"{text}; {_instead(*other, found)}"
    near = _near(application.path, [each for each in found if each[1].is_function])
    if near:
        return f"{text}; did you mean {' or '.join(near)}?"
    names = list(dict.fromkeys(".".join(d.path) for _, d in found if d.is_function))
    if not names:
        return f"{text}, and none at all"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{text}; there are {', '.join(names[:8])}{more}"


def _instead(file: str, definition: Definition, found: Sequence[Found]) -> str:
    place = f"{definition.path[-1]} ({shortened(file)}:{definition.line})"
    if definition.kind == "class":
        methods = [
            ".".join(each.path)
            for _, each in found
            if each.is_function and each.path[:-1] == definition.path
        ]
        named = f", such as {methods[-1]}" if methods else ""
        return f"{place} is a class: name one of its methods{named}"
    call = _text(file, definition.node.value)
    inside = [_name(each) for each in (*definition.node.value.args,)]
    known = {d.path[-1] for _, d in found if d.is_function}
    inner = next((name for name in inside if name in known), None)
    way = f": name {inner} instead" if inner else ""
    return f"{place} is not defined there but made by {call}{way}"


def _name(node: Any) -> str:
    return getattr(node, "id", None) or getattr(node, "attr", None) or ""


def _text(file: str, node: Any) -> str:
    lines = _bytes(file).decode(errors="replace").splitlines()
    if node.lineno != node.end_lineno or node.lineno > len(lines):
        return "a call"
    line = lines[node.lineno - 1].encode()
    return line[node.col_offset : node.end_col_offset].decode(errors="replace")[:60]


def _near(path: tuple[str, ...], found: Sequence[Found]) -> list[str]:
    from difflib import SequenceMatcher

    def distance(definition: Definition) -> float:
        ends = SequenceMatcher(None, definition.path[-1], path[-1]).ratio()
        wholes = SequenceMatcher(None, ".".join(definition.path), ".".join(path)).ratio()
        inside = min(len(path[-1]), len(definition.path[-1])) > 2 and (
            path[-1] in definition.path[-1] or definition.path[-1] in path[-1]
        )
        return max(ends, wholes, 0.7 if inside else 0.0)

    ranked = sorted(found, key=lambda each: -distance(each[1]))
    near = [each for each in ranked if distance(each[1]) >= 0.6]
    texts = [f"{'.'.join(d.path)} ({shortened(file)}:{d.line})" for file, d in near]
    return list(dict.fromkeys(texts))[:_SHOWN]


def read_definitions(files: Sequence[str]) -> list[Found]:
    """All definitions of some files, as far as they can be read."""
    found: list[Found] = []
    for path in dict.fromkeys(files):
        tree = _parse(_bytes(path), path)
        if tree is not None:
            found.extend((path, each) for each in rewrite.definitions(tree))
    return found


def _imported(tree: Any, package: str) -> Iterator[str]:
    import ast

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _prefixes(alias.name)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - max(node.level - 1, 0)]
            parts = [*(above if node.level else ()), *(node.module or "").split(".")]
            base = ".".join(part for part in parts if part)
            yield from _prefixes(base)
            for alias in node.names:
                yield f"{base}.{alias.name}" if base else alias.name


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        if parts[0]:
            yield ".".join(parts[:end])


def _parse(source: bytes, path: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return rewrite.parse(source, path)
        except (SyntaxError, ValueError, RecursionError):
            return None


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
