"""The analyses of one function, one for each form of its arguments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxkit._jax import jaxprs
from jaxkit._jax.config import trace_context
from jaxkit._jax.values import kind_of
from jaxkit.errors import UsageError
from jaxkit.numerics.emulation.selection import Item
from jaxkit.numerics.precision.analysis import Analysis

__all__ = ["Kept"]


class Kept:
    """Finds the analysis for a call, or traces the function and makes one.

    Args:
        fun: The function.
        rtol: As `shadow` takes it.
        where: As `shadow` takes it, read.
    """

    def __init__(
        self, fun: Callable[..., Any], rtol: float | None, where: tuple[Item, ...] | None = None
    ) -> None:
        self._fun = fun
        self._rtol = rtol
        self._where = where
        self._lock = threading.Lock()
        # By the form of the arguments, which of them enter the program; then by the others' values.
        self._known: dict[Any, tuple[list[int], dict[Any, Analysis]]] = {}

    def of(self, args: Any, kwargs: Any) -> tuple[Analysis, list[Any]]:
        """The analysis for a call, and the arrays that enter it."""
        leaves, tree = jax.tree.flatten((args, kwargs))
        self._refuse_tracers(leaves)
        form = (tree, tuple([_form(leaf) for leaf in leaves]), trace_context())
        with self._lock:
            known = self._known.get(form)
            if known is not None:
                entering, analyses = known
                analysis = analyses.get(_others(leaves, entering))
                if analysis is not None:
                    if len(entering) < len(leaves):
                        leaves = [leaves[i] for i in entering]
                    return analysis, analysis.inputs(leaves)
            program = jaxprs.trace(self._fun, args, kwargs)
            self._refuse_tracers(program.inputs)
            entering = _positions(leaves, program.inputs)
            analysis = Analysis(program, jaxprs.name_of(self._fun), self._rtol, self._where)
            if known is None or known[0] != entering:
                known = self._known[form] = entering, {}
            known[1][_others(leaves, entering)] = analysis
            return analysis, analysis.inputs(program.inputs)

    def _refuse_tracers(self, values: Sequence[Any]) -> None:
        if any(kind_of(kind) == "tracer" for kind in set(map(type, values))):
            name = jaxprs.name_of(self._fun)
            raise UsageError(
                f"shadow({name}) was called inside of a trace, where there are no values to look "
                f"at: call it outside of jax.jit, jax.grad and jax.vmap, as in "
                f"jaxkit.shadow(jax.grad({name}))(x); within them, "
                f'jaxkit.transforms.get("shadow")({name}) looks at the values when they are there'
            )


def _positions(leaves: Sequence[Any], inputs: Sequence[Any]) -> list[int]:
    """Which leaves the inputs are: the same objects, in the same order."""
    found: list[int] = []
    rest = iter(enumerate(leaves))
    for value in inputs:
        found.append(next(i for i, leaf in rest if leaf is value))
    return found


def _form(leaf: Any) -> Any:
    try:
        return leaf.shape, leaf.dtype, leaf.weak_type
    except AttributeError:
        if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
            return leaf.shape, leaf.dtype, False
        return type(leaf)


def _others(leaves: Sequence[Any], entering: Sequence[int]) -> tuple[Any, ...]:
    """The arguments that are part of the program."""
    if len(entering) == len(leaves):
        return ()
    inside = set(entering)
    return tuple(_Value(leaf) for i, leaf in enumerate(leaves) if i not in inside)


class _Value:
    """A value that is equal to an equal one; to itself only, where it has no hash."""

    def __init__(self, value: Any) -> None:
        self._value = value
        try:
            self._hash = hash(value)
        except TypeError:
            self._hash = id(value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Value) or type(self._value) is not type(other._value):
            return False
        return self._value is other._value or (
            self._hash == other._hash and bool(self._value == other._value)
        )
