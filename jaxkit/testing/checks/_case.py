"""One function with one set of arguments, and when two results of it agree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit.report import Severity
from jaxkit.testing._compare import as_numpy, copied, difference, is_float, show, tolerance

__all__ = ["Case", "Check", "DisagreementError", "UncheckedError", "disagree"]

_PERTURBATIONS = 4
# How far a result may be off, in units of what it moves when each input moves by a rounding.
_SLACK = 64.0
_NARROW = (("f8_", 0.125), ("bf16[", 2.0**-7), ("f16[", 2.0**-10))


class DisagreementError(Exception):
    """The function does not mean the same; the message says where and how."""

    def __init__(self, message: str, severity: Severity = "error") -> None:
        super().__init__(message)
        self.severity: Severity = severity


class UncheckedError(Exception):
    """It could not be checked, and why."""


def disagree(message: str, severity: Severity = "error") -> None:
    """Says that the function does not mean the same."""
    raise DisagreementError(message, severity)


@dataclass(frozen=True)
class Check:
    """One kind of what `check_function` finds.

    Args:
        kind: The kind of its finding.
        sentence: The law in one sentence.
        run: Raises DisagreementError where it is broken.
        examples: How many examples at most: some checks compile for each.
        devices: How many devices it takes.
    """

    kind: str
    sentence: str
    run: Callable[[Case], None]
    examples: int = 100
    devices: int = 1


@dataclass(frozen=True)
class Case:
    """A function with arguments for it.

    Args:
        fun: The function.
        args: Positional arguments.
        kwargs: Arguments by name.
        variants: Names of the variants that are to be run.
        made: What was made for the function once and serves for every example.
    """

    fun: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    variants: tuple[str, ...]
    made: dict[str, Any] = field(default_factory=dict)

    def inputs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """New arguments."""
        return copied(tuple(self.args)), copied(dict(self.kwargs))

    def call(self, fun: Callable[..., Any] | None = None) -> Any:
        """A call of the function, or of another in its place, with new arguments."""
        args, kwargs = self.inputs()
        return (fun or self.fun)(*args, **kwargs)

    def earlier(self) -> Case | None:
        """An earlier example with arrays of the same types, and nothing else that differs."""
        known: dict[Any, Case] = self.made.setdefault("earlier", {})
        leaves, treedef = jax.tree_util.tree_flatten(self.inputs())
        form = str(treedef), tuple(_form(x) for x in leaves)
        found = known.get(form)
        known[form] = self
        return found

    @functools.cached_property
    def want(self) -> Any:
        """What the function returns."""
        return self.call()

    def run_as(self, variant: str) -> Any:
        """What the function returns in a variant, which is made once for all examples."""
        from jaxkit.testing.variants import run_as

        if variant not in self.made:
            self.made[variant] = run_as(variant, self.fun)
        return self.call(self.made[variant])

    def agrees(self, got: Any, what: str) -> None:
        """The result is that of the function, up to rounding and its conditioning."""
        found = difference(got, self.want)
        if found is None:
            return
        left, right = (jax.tree_util.tree_leaves(each) for each in (got, self.want))
        if len(left) == len(right):
            slack = self._slack()
            if all(_within(a, b, s) for a, b, s in zip(left, right, slack, strict=True)):
                return
        disagree(f"{what}: {found}")

    @functools.cached_property
    def epsilon(self) -> float:
        """The spacing of the narrowest floating dtype that the function computes in."""
        found = 2.0**-23
        try:
            args, kwargs = self.inputs()
            text = str(jax.make_jaxpr(lambda: self.fun(*args, **kwargs))())
        except Exception:
            return found
        return max([found, *(eps for name, eps in _NARROW if name in text)])

    def _slack(self) -> list[list[Any]]:
        """Results for inputs moved by a rounding error, by leaf: what rounding may do."""
        generator = np.random.default_rng(0)
        outs: list[list[Any]] = []
        for _ in range(_PERTURBATIONS):
            moved = jax.tree_util.tree_map(
                lambda x: _moved(x, generator, self.epsilon), self.inputs()
            )
            try:
                outs.append(jax.tree_util.tree_leaves(self.fun(*moved[0], **moved[1])))
            except Exception:
                continue
        leaves = len(jax.tree_util.tree_leaves(self.want))
        return [
            [self.epsilon, *(out[i] for out in outs if len(out) == leaves)] for i in range(leaves)
        ]


def _form(x: Any) -> Any:
    if isinstance(x, (jax.Array, np.ndarray)):
        return x.shape, str(x.dtype)
    return type(x), repr(x)


def _moved(x: Any, generator: np.random.Generator, epsilon: float) -> Any:
    if not is_float(x) or not isinstance(x, (jax.Array, np.ndarray)):
        return x
    values = as_numpy(x)
    signs = generator.choice([-1.0, 1.0], values.shape)
    moved = np.asarray(values * (1 + epsilon * signs)).astype(x.dtype)
    return jnp.asarray(moved) if isinstance(x, jax.Array) else moved


def _within(got: Any, want: Any, slack: list[Any]) -> bool:
    try:
        a, b = as_numpy(got), as_numpy(want)
        epsilon, *moved = slack
        near = [as_numpy(each) for each in moved]
    except (TypeError, ValueError):
        return False
    if a.shape != b.shape or any(each.shape != b.shape for each in near):
        return False
    if b.dtype.kind not in "fc":
        return any(np.array_equal(a, each) for each in (b, *near)) or not all(
            np.array_equal(each, b) for each in near
        )
    with np.errstate(all="ignore"):
        spread = np.zeros(b.shape)
        for each in near:
            spread = np.fmax(spread, np.abs(each - b))
        largest = float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0))
        base = max(_ulps(got), 64 * epsilon) * largest
        allowed = base + _SLACK * max(float(np.max(spread[np.isfinite(spread)], initial=0)), 0.0)
        close = np.abs(a - b) <= allowed
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        # Where a rounding more makes it infinite or NaN, either will do.
        edge = ~np.isfinite(b)
        for each in near:
            edge = edge | ~np.isfinite(each)
        edge = edge & ~np.isfinite(a)
        huge = np.abs(b) > 1e37
    return bool(np.all(close | same | edge | huge))


def _ulps(x: Any) -> float:
    return tolerance(getattr(x, "dtype", np.dtype(np.float32)))


def written(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The call that failed."""
    parts = [show(each, 160) for each in args]
    parts += [f"{key}={show(each, 160)}" for key, each in kwargs.items()]
    return f"{name}({', '.join(parts)})"
