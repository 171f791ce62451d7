"""`jaxkit.benchmark`: how long a call of a function takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from jaxkit._jax.jaxprs import name_of
from jaxkit.errors import UsageError
from jaxkit.timing.clock import Budget, checked_seconds
from jaxkit.timing.heard import Heard
from jaxkit.timing.measured import timing_of
from jaxkit.timing.progress import Progress
from jaxkit.timing.refuse import check_function, refuse_trace
from jaxkit.timing.rounds import measure
from jaxkit.timing.statistics import estimate
from jaxkit.timing.subject import WarmUp
from jaxkit.timing.timing import Timing

__all__ = ["Benchmark", "benchmark"]

_PRECISE = 0.01  # half of the interval's width at which there is no need to go on


class Benchmark(Protocol):
    """A function of the timed function's own arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> Timing:
        """Calls it, many times if it is fast, and says how long a call takes."""
        ...


def benchmark(
    fun: Callable[..., Any],
    *,
    max_seconds: float = 3.0,
    min_seconds: float = 0.3,
    setup: Callable[[], Any] | None = None,
    items: float | None = None,
    progress: bool | None = None,
) -> Benchmark:
    """Says how long a call of a function takes once it is compiled, and what makes that doubtful.

    Every call is waited for until all that it returns is there. Compiling is told apart. Unlike
    `timeit`, which takes a function's word for when it is done, it says so when the figure is of
    something else than the user thinks: a constant folded by the compiler, a remembered result,
    work that nobody waits for.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> def layer(w, x):
        ...     return jnp.tanh(x @ w)
        >>> w, x = jnp.ones((128, 128)), jnp.ones((32, 128))
        >>> timing = benchmark(jax.jit(layer), max_seconds=5, items=32)(w, x)
        >>> timing.seconds < timing.first_call_seconds
        True
        >>> timing.flops  # 2 x 32 x 128 x 128 of the product, one for each tanh
        1052672
        >>> timing.ok, timing.incomplete
        (True, '')

    Args:
        fun: Any callable: jitted or not, of JAX, NumPy, PyTorch or of plain Python. Arrays that it
            donates are copied before each call, outside of the time. A NumPy array that is given
            to a jitted function is put on the device once, and a finding says what that costs.
        max_seconds: Seconds for everything, compiling included. A call that is under way is not
            cut off, and a second one is made unless it alone would take longer than that: the first
            may have had more to do. Where compiling has used them up, a fifth of them is added.
        min_seconds: Seconds of measuring that are used in any case, as far as there are so many.
        setup: Called before each call, outside of the time; if it returns a tuple, that is what
            the call gets as its arguments.
        items: How many things a call handles, such as rows: `Timing.throughput` is items a second.
        progress: Whether to show a bar on standard error; None for: if that is a terminal and it
            takes more than two seconds.

    Returns:
        A function of `fun`'s own arguments, which gives a `Timing`. What `fun` raises arrives as it
        is. Ctrl-C ends measuring: what was measured is returned, with ``.incomplete`` saying so.

    Raises:
        TypeError: `fun` is not callable, or an option is of another type.
        UsageError: An option makes no sense; when called: JAX is tracing.

    References:
        The ways to be wrong: jax-ml/jax#1219, #21300, #9675, #15761; measured in docs/timing.md.
    """
    check_function("jaxkit.benchmark", fun)
    max_seconds = checked_seconds("max_seconds", max_seconds)
    min_seconds = min(checked_seconds("min_seconds", min_seconds), max_seconds)
    if setup is not None and not callable(setup):
        raise TypeError(f"setup must be a function, got setup={setup!r}")
    if items is not None and not items > 0:
        raise UsageError(f"items must be above 0, got items={items!r}")

    def benchmarked(*args: Any, **kwargs: Any) -> Timing:
        refuse_trace("jaxkit.benchmark", (args, kwargs))
        budget = Budget(max_seconds)
        with Heard() as heard, Progress(f"timing {name_of(fun)}", progress) as bar:
            subject = WarmUp(fun, args, kwargs, heard, budget, setup).run()
            samples = measure(
                [subject],
                budget,
                min_seconds=min_seconds,
                done=lambda samples: estimate(samples.clean(0)).spread < _PRECISE,
                tell=bar.tell,
            )
            return timing_of(subject, samples, 0, items=items)

    return benchmarked
