"""The analyses of one function, one for each form of its arguments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

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
        self._known: dict[Any, _Known] = {}  # by the form of the arguments

    def of(self, args: Any, kwargs: Any) -> tuple[Analysis, Sequence[Any]]:
        """The analysis for a call, and the arrays that enter it."""
        leaves, tree = jax.tree.flatten((args, kwargs))
        kinds = {kind_of(kind) for kind in set(map(type, leaves))}
        if "tracer" in kinds:
            self._refuse()
        form = (tree, tuple([_form(leaf) for leaf in leaves]), trace_context())
        with self._lock:
            known = self._known.get(form)
            if known is not None:
                analysis = known.analyses.get(_others(leaves, known.entering))
                if analysis is not None:
                    if known.as_they_are and kinds == {"jax"}:
                        return analysis, leaves
                    return analysis, analysis.inputs([leaves[i] for i in known.entering])
            program = jaxprs.trace(self._fun, args, kwargs)
            if any(kind_of(type(value)) == "tracer" for value in program.inputs):
                self._refuse()
            entering = _positions(leaves, program.inputs)
            analysis = Analysis(program, jaxprs.name_of(self._fun), self._rtol, self._where)
            if known is None or known.entering != entering:
                dtypes = [getattr(leaf, "dtype", None) for leaf in leaves]
                known = self._known[form] = _Known(entering, dtypes == analysis.dtypes, {})
            known.analyses[_others(leaves, entering)] = analysis
            return analysis, analysis.inputs(program.inputs)

    def _refuse(self) -> NoReturn:
        name = jaxprs.name_of(self._fun)
        raise UsageError(
            f"shadow({name}) was called inside of a trace, where there are no values to look "
            f"at: call it outside of jax.jit, jax.grad and jax.vmap, as in "
            f"jaxkit.shadow(jax.grad({name}))(x); within them, "
            f'jaxkit.transforms.get("shadow")({name}) looks at the values when they are there'
        )


class _Known(NamedTuple):
    """What is known of a form of arguments.

    Args:
        entering: Which of the leaves enter the program.
        as_they_are: Whether all of them do if they are JAX's, in their own dtypes.
        analyses: By the values of the others.
    """

    entering: list[int]
    as_they_are: bool
    analyses: dict[Any, Analysis]


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
