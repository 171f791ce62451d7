"""A decorator put on the functions of a program's source, where nothing else of it changes.

The new decorator is the innermost and stands at the place of the `def` itself: line numbers,
tracebacks, `inspect.getsource` and coverage stay what they were, and no name is added to the
module. Imports nothing that Python has not imported itself: it runs before the program does.
"""

from __future__ import annotations

import _ast
from collections.abc import Iterator, Sequence

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Definition", "begin_with", "decorate", "definitions", "matches", "parse"]

_ONLY_AST = 0x400  # ast.PyCF_ONLY_AST, without the import
_FUNCTIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef)


class Definition:
    """A function, class or assignment of a source file.

    Args:
        node: The `def`, the `class`, or the assignment.
        path: The names of the definitions around it, and its own.
        qualname: As Python forms it.
        kind: `function`, `lambda`, `class`, or `call` for a name that a call's result is given to.
    """

    def __init__(self, node: Any, path: tuple[str, ...], qualname: str, kind: str) -> None:
        self.node = node
        self.path = path
        self.qualname = qualname
        self.kind = kind
        self.line: int = node.lineno

    @property
    def is_function(self) -> bool:
        """Whether a transform can be put on it."""
        return self.kind in ("function", "lambda")


def parse(source: bytes, file: str) -> Any:
    """The syntax tree of a module.

    Raises:
        SyntaxError: It is no Python.
        ValueError: It has null bytes.
    """
    return compile(source, file, "exec", _ONLY_AST, dont_inherit=True)


def definitions(tree: Any) -> Iterator[Definition]:
    """All definitions of a module, wherever they stand, in the order of the source."""
    yield from _below(tree, (), "")


def matches(definition: Definition, path: Sequence[str]) -> bool:
    """Whether a name given on the command line means this definition.

    `step` means each function of that name, `make_step.step` the one made in `make_step`.
    """
    return definition.path[-len(path) :] == tuple(path)


def decorate(definition: Definition, expressions: Sequence[str]) -> None:
    """Puts decorators on a function, below those that it has.

    Args:
        definition: A `def`, or a name to which a `lambda` is given.
        expressions: Python expressions, the innermost first.
    """
    node = definition.node
    for expression in expressions if definition.kind == "lambda" else reversed(expressions):
        if definition.kind == "lambda":
            new = _expression(expression, node.value)
            node.value = _ast.Call(func=new, args=[node.value], keywords=[], **_place(node.value))
        else:
            node.decorator_list.append(_expression(expression, node))


def begin_with(tree: Any, expression: str) -> None:
    """Evaluates something before the module's first statement, on its line."""
    at = 0
    while at < len(tree.body) and _stays_first(tree.body[at], at):
        at += 1
    if at < len(tree.body):
        place = tree.body[at]
    else:
        place = tree.body[-1] if tree.body else _ast.Pass(lineno=1, col_offset=0)
    value = _expression(expression, place)
    tree.body.insert(at, _ast.Expr(value=value, **_place(value)))


def _stays_first(node: Any, at: int) -> bool:
    if isinstance(node, _ast.ImportFrom):
        return node.module == "__future__"
    text: Any = getattr(node, "value", None) if isinstance(node, _ast.Expr) else None
    return at == 0 and isinstance(text, _ast.Constant) and isinstance(text.value, str)


def _below(node: Any, path: tuple[str, ...], prefix: str) -> Iterator[Definition]:
    for child in _children(node):
        found = _named(child)
        if found is None:
            inner = f"{prefix}<lambda>.<locals>." if isinstance(child, _ast.Lambda) else prefix
            yield from _below(child, path, inner)
            continue
        name, kind = found
        yield Definition(child, (*path, name), prefix + name, kind)
        if kind in ("function", "class"):
            inner = f"{prefix}{name}." + ("<locals>." if kind == "function" else "")
            yield from _below(child, (*path, name), inner)
        else:
            yield from _below(child, path, prefix)


def _named(node: Any) -> tuple[str, str] | None:
    """The name and kind of what a node defines."""
    if isinstance(node, _FUNCTIONS):
        return node.name, "function"
    if isinstance(node, _ast.ClassDef):
        return node.name, "class"
    if isinstance(node, _ast.Assign):
        targets = node.targets
    elif isinstance(node, (_ast.AnnAssign, _ast.NamedExpr)):
        targets = [node.target]
    else:
        return None
    kind = {_ast.Lambda: "lambda", _ast.Call: "call"}.get(type(node.value))
    for target in targets if kind else ():
        name = getattr(target, "id", None) or getattr(target, "attr", None)
        if isinstance(name, str):
            return name, kind or ""
    return None


def _children(node: Any) -> Iterator[Any]:
    for field in node._fields:
        value = getattr(node, field, None)
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, _ast.AST):
                yield item


def _expression(text: str, place: Any) -> Any:
    """The tree of an expression, all of which stands at one place of the program."""
    tree: Any = compile(text, "<jaxkit>", "eval", _ONLY_AST, dont_inherit=True)
    todo = [tree.body]
    while todo:
        node = todo.pop()
        if hasattr(node, "lineno"):
            for name, value in _place(place).items():
                setattr(node, name, value)
        todo.extend(_children(node))
    return tree.body


def _place(node: Any) -> dict[str, int]:
    """The first character of a node: only that is on the line where its decorator is called."""
    line, column = node.lineno, node.col_offset
    return {
        "lineno": line,
        "col_offset": column,
        "end_lineno": line,
        "end_col_offset": column + 1,
    }
