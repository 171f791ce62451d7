"""What a case of the corpus is, and how its guilty line is marked.

A fault is an ordinary function with one marked line:

    @fault("cancellation", args=lambda: (f32(1e-3),))
    def one_minus_cosine(x):
        return 1.0 - jnp.cos(x)  # <-

The equation that loses the digits stands on the line with the arrow. Where experts would disagree,
a line with `# <~ kind` is a fair answer too; `also` names further kinds that are fair on the
marked line itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ARROW, FAIR = "# <-", "# <~ "

KINDS = frozenset(
    {
        "cancellation",
        "absorption",
        "ill-conditioned",
        "overflow",
        "underflow",
        "division-by-zero",
        "log-of-zero",
        "invalid",
        "reduction-low-precision",
        "error-accumulation",
        "low-precision-cast",
        "branch-divergence",
    }
)


@dataclass(frozen=True)
class Case:
    """A function, how it is called, and what is wrong with it: nothing where `kind` is None.

    Args:
        name: of the function, unique in the corpus.
        function: as the user would call it: transformed by jit, grad, vmap, ...
        args: makes the arguments.
        file: where the function stands.
        kind: the expected kind of finding, or None for a sound function.
        line: the expected line; 0 for a sound function.
        fair: all right answers as (line, kind), the expected one among them.
        nonfinite: whether the fault shows as a NaN or an infinity in the output.
        truth: the result in float64, from the float64 values of the arguments; by default
            `function` itself under x64.
        scale: size of the operands where the true result is zero, for relative errors.
    """

    name: str
    function: Callable[..., Any]
    args: Callable[[], tuple[Any, ...]]
    file: str
    kind: str | None = None
    line: int = 0
    fair: frozenset[tuple[int, str]] = frozenset()
    nonfinite: bool = False
    truth: Callable[..., Any] | None = None
    scale: float | None = None


def _as_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def fault(
    kind: str,
    *also: str,
    args: Callable[[], tuple[Any, ...]],
    of: Callable[..., Callable[..., Any]] = _as_is,
    nonfinite: bool = False,
    truth: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Case]:
    """A function that loses digits or makes a NaN on its marked line; `of` transforms it first."""

    def decorate(function: Callable[..., Any]) -> Case:
        line, others = _marks(function)
        fair = frozenset({(line, each) for each in (kind, *also)} | others)
        unknown = {each for _, each in fair} - KINDS
        if unknown:
            raise ValueError(f"{function.__name__}: no such kinds: {sorted(unknown)}")
        name, file = function.__name__, inspect.getfile(function)
        return Case(name, of(function), args, file, kind, line, fair, nonfinite, truth)

    return decorate


def stable(
    *,
    args: Callable[[], tuple[Any, ...]],
    of: Callable[..., Callable[..., Any]] = _as_is,
    truth: Callable[..., Any] | None = None,
    scale: float | None = None,
) -> Callable[[Callable[..., Any]], Case]:
    """A function that looks suspicious and is sound."""

    def decorate(function: Callable[..., Any]) -> Case:
        name, file = function.__name__, inspect.getfile(function)
        return Case(name, of(function), args, file, truth=truth, scale=scale)

    return decorate


def _marks(function: Callable[..., Any]) -> tuple[int, set[tuple[int, str]]]:
    lines, first = inspect.getsourcelines(function)
    guilty = [first + i for i, text in enumerate(lines) if text.rstrip().endswith(ARROW)]
    if len(guilty) != 1:
        raise ValueError(
            f"{function.__name__} has {len(guilty)} lines that end in {ARROW!r}, not 1"
        )
    fair = {
        (first + i, kind.strip())
        for i, text in enumerate(lines)
        if FAIR in text
        for kind in text.partition(FAIR)[2].split(",")
    }
    return guilty[0], fair


def cases_of(module: Any) -> dict[str, Case]:
    """The cases that stand in a module, by name, in its order."""
    found = [each for each in vars(module).values() if isinstance(each, Case)]
    return {each.name: each for each in found}
