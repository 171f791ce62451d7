"""`jaxkit.compare`: which of several functions is faster, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from jaxkit.errors import UsageError
from jaxkit.timing.clock import Budget, checked_seconds
from jaxkit.timing.comparison import Comparison, comparison_of
from jaxkit.timing.heard import Heard
from jaxkit.timing.measured import timing_of
from jaxkit.timing.progress import Progress
from jaxkit.timing.refuse import check_function, refuse_trace
from jaxkit.timing.rounds import Samples, measure
from jaxkit.timing.statistics import ratio
from jaxkit.timing.subject import SHARE, WarmUp

__all__ = ["Compare", "compare"]

_PRECISE = 0.005  # half of the intervals' width at which there is no need to go on


class Compare(Protocol):
    """A function of the compared functions' own arguments."""

    def __call__(self, *args: Any, **kwargs: Any) -> Comparison:
        """Calls them in turns, and says which is faster."""
        ...


def compare(
    functions: Mapping[str, Callable[..., Any]],
    *,
    baseline: str | None = None,
    max_seconds: float = 5.0,
    min_seconds: float = 1.0,
    setup: Callable[[], Any] | None = None,
    items: float | None = None,
    progress: bool | None = None,
) -> Compare:
    """Says how many times as long as a baseline other functions take, called in turns with it.

    One function's time moves by half and more with what else the machine does; the ratio of two
    that are called in turns, in blocks of about 0.1 ms, hardly moves. A verdict is only given where
    the interval of the ratio supports it. Against stored numbers nothing can be compared.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> def once(x):
        ...     return jnp.tanh(x @ x)
        >>> def twice(x):
        ...     return once(once(x))
        >>> functions = {"once": jax.jit(once), "twice": jax.jit(twice)}
        >>> found = compare(functions, max_seconds=1.0, min_seconds=0.5)(jnp.ones((200, 200)))
        >>> found["twice"].verdict, found["twice"].ratio > 1.2
        ('slower', True)

    Args:
        functions: Two functions or more, by the names that the report calls them: of JAX, NumPy,
            PyTorch or plain Python, all of the same arguments.
        baseline: The one that the others are compared with; the first if left out.
        max_seconds: Seconds for everything, as for `jaxkit.benchmark`.
        min_seconds: Seconds of measuring that are used in any case.
        setup: Called before each call, outside of the time; if it returns a tuple, that is what
            the call gets as its arguments.
        items: How many things a call handles.
        progress: Whether to show a bar; None for: on a terminal, after two seconds.

    Returns:
        A function of the functions' arguments, which gives a `Comparison`:
        ``comparison["b"].verdict`` is ``faster`` or ``slower`` where the ratio's interval of 95%
        is beyond 1%, ``same`` where it is within 3%, else ``undecided``: more seconds may tell.

    Raises:
        TypeError: A function is not callable, or an option is of another type.
        UsageError: Fewer than two functions, a baseline that is none of them, seconds that make no
            sense; when called: JAX is tracing.

    References:
        Yuen's interval of trimmed means of the log ratios of groups' minima: the rule with the
        fewest false verdicts of those in benchmarks/timing_protocol.py.
    """
    functions = _checked(functions)
    first = next(iter(functions)) if baseline is None else baseline
    if first not in functions:
        raise UsageError(f"baseline must be one of {', '.join(functions)}, got {baseline!r}")
    max_seconds = checked_seconds("max_seconds", max_seconds)
    min_seconds = min(checked_seconds("min_seconds", min_seconds), max_seconds)

    def compared(*args: Any, **kwargs: Any) -> Comparison:
        refuse_trace("jaxkit.compare", (args, kwargs))
        budget = Budget(max_seconds)
        share = SHARE / len(functions)
        title = " against ".join(functions)
        with Heard() as heard, Progress(f"timing {title}", progress) as bar:
            subjects = [
                WarmUp(fun, args, kwargs, heard, budget, setup, share).run()
                for fun in functions.values()
            ]
            zero = list(functions).index(first)
            samples = measure(
                subjects,
                budget,
                min_seconds=min_seconds,
                done=lambda samples: _precise(samples, zero),
                tell=bar.tell,
            )
            timings = {
                name: timing_of(subject, samples, side, name=name, items=items)
                for side, (name, subject) in enumerate(zip(functions, subjects, strict=True))
            }
        return comparison_of(timings, samples, first)

    return compared


def _precise(samples: Samples, zero: int) -> bool:
    others = (side for side in range(len(samples.seconds)) if side != zero)
    return all(ratio(*samples.paired(side, zero)).spread < _PRECISE for side in others)


def _checked(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    if not isinstance(functions, Mapping):
        raise TypeError(
            "functions must be a dict of functions by name, got a value of type "
            f'{type(functions).__name__}; write {{"a": f, "b": g}}'
        )
    if len(functions) < 2:
        raise UsageError(f"functions must be two or more, got {len(functions)}")
    for name, fun in functions.items():
        check_function("jaxkit.compare", fun, f"functions[{name!r}]")
    return dict(functions)
