"""What a model holds and computes, as a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxkit.jaxpr._inspect import inspect
from jaxkit.jaxpr.inspection import Inspection
from jaxkit.jaxpr.units import bytes_text, flops_text, share_text
from jaxkit.report import Block, Figures, Report, Table, Text

__all__ = ["Summary", "summary"]


@dataclass(frozen=True)
class Parameter:
    """An array of a model.

    Args:
        path: Where it is, as an expression: `layers[0].weight`.
        shape: Its shape.
        dtype: The name of its dtype.
        trained: Whether it is floating-point or complex, as gradients are.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    trained: bool

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Summary(Report):
    """The arrays of a model, and what a call of it costs: a `jaxkit.Report`.

    Args:
        arrays: Every array, in the order in which JAX goes through them.
        inspection: What `jaxkit.inspect` says of the call; None without an example.
    """

    arrays: tuple[Parameter, ...] = ()
    inspection: Inspection | None = None

    @property
    def count(self) -> int:
        """How many parameters: the numbers of all floating-point arrays."""
        return sum(each.count for each in self.arrays if each.trained)

    @property
    def flops(self) -> int | None:
        """The operations of a call; None without an example."""
        return None if self.inspection is None else self.inspection.flops


def summary(model: Callable[..., Any], *example: Any, **keywords: Any) -> Summary:
    """The arrays of a model with their shapes, and the operations of a call, without running it.

    Example:
        >>> import jax
        >>> from jaxkit.models import MLP, summary
        >>> model = MLP(64, 10, width=32, depth=1, key=jax.random.key(0))
        >>> print(summary(model, jax.ShapeDtypeStruct((64,), "float32")))
        MLP: 2,410 parameters in 4 arrays
        ...
        >>> huge = lambda: MLP(10**5, 10**5, width=10**5, depth=9, key=jax.random.key(0))
        >>> summary(jax.eval_shape(huge)).count  # takes no memory
        100001000000

    Args:
        model: Any pytree that can be called, such as a module of Equinox; its arrays may be
            `jax.ShapeDtypeStruct`.
        *example: What it is called with; `jax.ShapeDtypeStruct` stands for an array. Without it
            operations are not counted.
        **keywords: Likewise.

    Returns:
        A report, with `.count`, `.flops`, `.arrays` and `.inspection`.

    Raises:
        TypeError: `model` cannot be called, while there is an example.
    """
    arrays = tuple(
        Parameter(_path(path), leaf.shape, str(leaf.dtype), jnp.issubdtype(leaf.dtype, jnp.inexact))
        for path, leaf in jax.tree_util.tree_leaves_with_path(model)
        if _is_array(leaf)
    )
    inspection = _inspect(model, example, keywords) if example or keywords else None
    name = type(model).__name__
    size = sum(_bytes(leaf) for leaf in jax.tree.leaves(model) if _is_array(leaf))
    data = _data(name, arrays, size, inspection)
    blocks = _blocks(name, arrays, size, inspection)
    return Summary("summary", (), data, blocks, arrays=arrays, inspection=inspection)


def _is_array(leaf: Any) -> bool:
    return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)


def _path(path: Any) -> str:
    return jax.tree_util.keystr(path).removeprefix(".")


def _bytes(leaf: Any) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize


def _inspect(model: Any, example: Any, keywords: Any) -> Inspection:
    if not callable(model):
        raise TypeError(
            f"model must be callable to be called with an example, got {type(model).__name__}"
        )
    arrays, rest = eqx.partition(model, _is_array)

    def call(arrays: Any, *args: Any, **kwargs: Any) -> Any:
        return eqx.combine(arrays, rest)(*args, **kwargs)

    call.__name__ = type(model).__name__
    return inspect(call, lints=[])(arrays, *example, **keywords)


def _data(
    name: str, arrays: tuple[Parameter, ...], size: int, inspection: Inspection | None
) -> dict[str, Any]:
    return {
        "model": name,
        "parameters": sum(each.count for each in arrays if each.trained),
        "bytes": size,
        "flops": None if inspection is None else inspection.flops,
        "matmul_flops": None if inspection is None else inspection.matmul_flops,
        "arrays": [
            {"path": each.path, "shape": list(each.shape), "dtype": each.dtype, "count": each.count}
            for each in arrays
        ],
    }


def _blocks(
    name: str, arrays: tuple[Parameter, ...], size: int, inspection: Inspection | None
) -> list[Block]:
    count = sum(each.count for each in arrays if each.trained)
    noun = "array" if len(arrays) == 1 else "arrays"
    whole = sum(each.count for each in arrays)
    rows = [
        [each.path, str(each.shape), each.dtype, f"{each.count:,}", share_text(each.count, whole)]
        for each in arrays
    ]
    align = ("left", "left", "left", "right", "right")
    dtypes = ", ".join(Counter(each.dtype for each in arrays)) or "nothing"
    figures = [("parameters", f"{count:,}", ""), ("memory", bytes_text(size), f"of {dtypes}")]
    if inspection is not None:
        products = share_text(inspection.matmul_flops, inspection.flops)
        detail = f"{products} of them in matrix products and convolutions"
        figures.append(("a call", flops_text(inspection.flops), detail if products else ""))
    return [
        Text(f"{name}: {count:,} parameters in {len(arrays)} {noun}", "heading"),
        Figures(figures),
        Table(["array", "shape", "dtype", "numbers", "share"], rows, align=align),
    ]
