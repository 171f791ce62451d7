"""`jaxkit.timing.timed`: each call of a function as a span, its result waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.core import Tracer

from jaxkit._jax.jaxprs import name_of
from jaxkit._jax.tracing import trace_kind
from jaxkit.timing.timer import current_spans, timer
from jaxkit.transforms import transform

__all__ = ["timed"]


def _check(*, name: str | None, block: bool) -> None:
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be a str, got name={name!r} of type {type(name).__name__}")
    if name == "":
        raise ValueError("name must say what is timed, got name=''; None for the function's own")
    if not isinstance(block, bool):
        raise TypeError(f"block must be a bool, got block={block!r} of type {type(block).__name__}")


@transform(tags=("keeps_state",), validate=_check)
def timed(
    fun: Callable[..., Any], *, name: str | None = None, block: bool = True
) -> Callable[..., Any]:
    """Times each call of a function, until its result is there.

    The spans go where those of `jaxkit.timer` go. Under a trace nothing runs that could be timed:
    there the function's operations get the name, by `jax.named_scope`, for a profile to show, and
    the report says so.

    Example:
        >>> import jax, jax.numpy as jnp, jaxkit
        >>> from jaxkit.timing import timed
        >>> @timed
        ... @jax.jit
        ... def double(x):
        ...     return 2 * x
        >>> with jaxkit.timer.recording() as spans:
        ...     for _ in range(3):
        ...         _ = double(jnp.ones(3))
        >>> spans["double"].count
        3

    Args:
        fun: A function whose results are any pytree.
        name: What the spans are called; the function's name if left out.
        block: Whether to wait for the result. Each wait keeps JAX from running ahead: for steps of
            a training loop, see `jaxkit.timer.steps`.

    Returns:
        The function, timed.

    Raises:
        TypeError: Options of other types.
        ValueError: An empty name.
    """
    called = name_of(fun) if name is None else name

    def measured(*args: Any, **kwargs: Any) -> Any:
        if trace_kind() is not None:
            current_spans().note_trace(called)
            with jax.named_scope(called):
                return fun(*args, **kwargs)
        with timer(called) as span:
            out = fun(*args, **kwargs)
            if block and not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(out)):
                span.block(out)
            return out

    return measured
