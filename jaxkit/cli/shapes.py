"""What `--args` says: arrays as `f32[32,128]`, or with values, trees of them, plain values."""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxkit.cli.values import DRAWS, array_of, drawn, from_file, is_file, key_of
from jaxkit.errors import UsageError

__all__ = ["Fixed", "dimension", "parsed", "read_argument", "read_dims"]

_SHORT = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
    "u64": "uint64",
    "u32": "uint32",
    "u16": "uint16",
    "u8": "uint8",
    "c64": "complex64",
    "c128": "complex128",
    "bool": "bool",
    "f8_e4m3fn": "float8_e4m3fn",
    "f8_e5m2": "float8_e5m2",
}
_KNOWN = (*_SHORT, *_SHORT.values(), "key")
_WEAK = re.compile(r"\bweak\s+(?=[A-Za-z])")
_IS_WEAK = "weak__"
_SCALAR = re.compile(r"(?<=\w)\[\s*\]")  # which Python cannot read
_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
_VALUES = "values are written f32([1.5, 2]), uniform(f32[8], 0, 1), normal(...), loguniform(...)"
_GRAMMAR = 'write "f32[32,128]", "weak f32[]", "key", {"x": "i32[8]"} or a Python value'


@dataclass(frozen=True)
class Fixed:
    """A plain value, which the function gets as it is."""

    value: Any


def read_dims(given: list[str]) -> dict[str, int]:
    """Sizes by name.

    Example:
        >>> read_dims(["b=32", "d=128"])
        {'b': 32, 'd': 128}

    Args:
        given: As `--dim` has them.

    Raises:
        UsageError: One that is no name with a size.
    """
    dims: dict[str, int] = {}
    for each in given:
        name, _, size = each.partition("=")
        if not name.isidentifier() or not (size.isascii() and size.isdecimal()):
            raise UsageError(f"--dim must be NAME=SIZE, such as --dim b=32, got {each!r}")
        dims[name] = int(size)
    return dims


def read_argument(text: str, dims: Mapping[str, int], name: str = "--args") -> Any:
    """One argument.

    Example:
        >>> read_argument("f32[b,128]", {"b": 32})
        ShapeDtypeStruct(shape=(32, 128), dtype=float32)
        >>> read_argument("{'axis': 1}", {})
        {'axis': Fixed(value=1)}

    Args:
        text: What was written.
        dims: Sizes by name.
        name: What to call it in an error.

    Returns:
        A tree of `jax.ShapeDtypeStruct`, of `Valued` where values are given, and of `Fixed` ones.

    Raises:
        UsageError: It is not in the grammar; the message names the argument, and the way out.
    """
    try:
        return from_file(text) if is_file(text) else _Reader(dims).tree(parsed(text))
    except SyntaxError as error:
        raise UsageError(f"{name} {text!r} cannot be read: {_GRAMMAR}") from error
    except UsageError as error:
        raise UsageError(f"{name} {text!r}: {error}") from error


def parsed(text: str) -> ast.expr:
    """The same as Python reads it: `weak f32[]` is a name there.

    Args:
        text: What was written.

    Raises:
        SyntaxError: Python cannot read it.
    """
    source = _SCALAR.sub("", _WEAK.sub(_IS_WEAK, text.strip()))
    return ast.parse(source, mode="eval").body


class _Reader:
    def __init__(self, dims: Mapping[str, int]) -> None:
        self._dims = dims

    def tree(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Dict):
            keys = [ast.literal_eval(key) for key in node.keys if key is not None]
            return dict(zip(keys, map(self.tree, node.values), strict=True))
        if isinstance(node, (ast.List, ast.Tuple)):
            items = [self.tree(each) for each in node.elts]
            return tuple(items) if isinstance(node, ast.Tuple) else items
        if isinstance(node, ast.Subscript):
            return self._array(node.value, self._shape(node.slice))
        if isinstance(node, ast.Name):
            return self._array(node, ())
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._string(node.value)
        try:
            return Fixed(ast.literal_eval(node))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{ast.unparse(node)!r} is neither an array nor a value") from error

    def _call(self, node: ast.Call, name: str) -> Any:
        """`f32([1, 2])`, `uniform(f32[8], 0, 1)`, `key(3)`."""
        try:
            first, *others = node.args
            numbers = [ast.literal_eval(each) for each in others]
            if name in DRAWS and not node.keywords:
                low, high = numbers
                return drawn(name, self.tree(first), low, high)
            if not numbers and not node.keywords:
                values = ast.literal_eval(first)
                return key_of(values) if name == "key" else array_of(self._dtype(name), values)
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(f"{ast.unparse(node)!r}: {_VALUES}") from error
        raise UsageError(f"{ast.unparse(node)!r}: {_VALUES}")

    def _string(self, text: str) -> Any:
        """JSON has arrays as strings, and strings that are none."""
        if is_file(text):
            return from_file(text)
        head = text.removeprefix("weak ").partition("[")[0].strip()
        if head in _KNOWN and (text.endswith("]") or text == "key"):
            return self.tree(parsed(text))
        return Fixed(text)

    def _array(self, dtype: ast.expr, shape: tuple[int, ...]) -> Any:
        import jax

        written = ast.unparse(dtype)
        weak, name = written.startswith(_IS_WEAK), written.removeprefix(_IS_WEAK)
        if name in ("True", "False", "None"):
            return Fixed(ast.literal_eval(name))
        if name == "key":
            return jax.eval_shape(lambda: jax.random.split(jax.random.key(0), shape))
        return jax.ShapeDtypeStruct(shape, self._dtype(name), weak_type=weak)

    def _dtype(self, name: str) -> Any:
        import jax
        import jax.numpy as jnp

        if name not in _KNOWN:
            near = difflib.get_close_matches(name, _KNOWN, n=3)
            text = f"there are {', '.join(_SHORT)}; a text is written \"'{name}'\""
            hint = f"did you mean {' or '.join(near)}?" if near else text
            raise UsageError(f"there is no dtype {name!r}; {hint}")
        kind = jnp.dtype(_SHORT.get(name, name))
        if jax.dtypes.canonicalize_dtype(kind) != kind:
            raise UsageError(f"{name} needs 64 bits, which are off: set JAX_ENABLE_X64=1")
        return kind

    def _shape(self, node: ast.expr) -> tuple[int, ...]:
        sizes = node.elts if isinstance(node, ast.Tuple) else [node]
        return tuple(dimension(each, self._dims) for each in sizes)


def dimension(node: ast.expr, dims: Mapping[str, int]) -> int:
    """The size that an expression of numbers and names stands for.

    Args:
        node: The expression, as `2 * b + 1`.
        dims: Sizes by name.

    Raises:
        UsageError: A name without a size, or something else.
    """
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        if node.id not in dims:
            raise UsageError(f"dimension {node.id!r} has no size: --dim {node.id}=32")
        return dims[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = dimension(node.left, dims), dimension(node.right, dims)
        size = _OPERATORS[type(node.op)](left, right)
        if size >= 0:
            return size
    raise UsageError(f"{ast.unparse(node)!r} is no size: 32, a name given by --dim, or 2*b")
