"""What a test may assert about speed: only what holds on a noisy machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxkit._jax.jaxprs import name_of
from jaxkit.errors import UsageError
from jaxkit.timing.compare import compare
from jaxkit.timing.comparison import Comparison
from jaxkit.timing.units import ratio_text

__all__ = ["JaxBench", "assert_not_slower"]


def assert_not_slower(
    fun: Callable[..., Any],
    reference: Callable[..., Any],
    *,
    by: float = 1.10,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    max_seconds: float = 5.0,
) -> Comparison:
    """Fails if there is evidence that a function takes more than so many times its reference.

    Both are called in turns, here and now: no stored number, no number of another machine. It fails
    only if the whole interval of 95% is above `by`; a machine too noisy to tell passes.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> found = assert_not_slower(
        ...     jax.jit(jnp.sin), jax.jit(jnp.cos), by=3.0, args=[jnp.ones(99)], max_seconds=0.3
        ... )
        >>> found["sin"].ratio < 3
        True

    Args:
        fun: The function, such as a new implementation.
        reference: What it must not be slower than, such as the old one.
        by: How many times the reference's seconds it may take.
        args: Positional arguments of both.
        kwargs: Keyword arguments of both.
        max_seconds: Seconds for everything.

    Returns:
        The comparison, with the reference as its baseline.

    Raises:
        AssertionError: It is slower; the message has the table.
        UsageError: `by` is not above 0.
    """
    if not by > 0:
        raise UsageError(f"by must be above 0, got by={by!r}")
    names = (name_of(fun), name_of(reference))
    new, old = names if names[0] != names[1] else (f"{names[0]} (new)", f"{names[1]} (reference)")
    found = compare({old: reference, new: fun}, max_seconds=max_seconds)(*args, **(kwargs or {}))
    side = found[new]
    if side.interval[0] > by:
        low, high = side.interval
        raise AssertionError(
            f"{new} takes {ratio_text(side.ratio)} times as long as {old} (interval of 95%: "
            f"{ratio_text(low)} to {ratio_text(high)}), by={by:g} is allowed\n{found}"
        )
    return found


class JaxBench:
    """The fixture `jaxbench`: `assert_not_slower`, `benchmark` and `compare`."""

    assert_not_slower = staticmethod(assert_not_slower)

    @staticmethod
    def benchmark(fun: Callable[..., Any], **options: Any) -> Any:
        """As `jaxkit.benchmark`."""
        from jaxkit.timing.benchmark import benchmark

        return benchmark(fun, **options)

    @staticmethod
    def compare(functions: Mapping[str, Callable[..., Any]], **options: Any) -> Any:
        """As `jaxkit.compare`."""
        return compare(functions, **options)
