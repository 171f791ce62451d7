"""`jaxkit.check_finite`: stop at the first output of a function that is not finite."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax.values import kind_of
from jaxkit.errors import NonFiniteError
from jaxkit.numerics._calls import Calls, Target, call_line
from jaxkit.numerics._count import DEVICE, count, count_on_host
from jaxkit.numerics._nonfinite import Place, leaf_of, nonfinite_error
from jaxkit.report import SourceLine
from jaxkit.transforms import transform
from jaxkit.transforms._enclosing import current

__all__ = ["check_finite"]


@transform(tags=("may_raise",))
def check_finite(fun: Callable[..., Any], *, allow_inf: bool = False) -> Callable[..., Any]:
    """Stops at the first output that is not finite, and says which, in which call, from where.

    Values, dtypes and derivatives stay as they are. Called with values, the outputs are looked at
    once the function has returned, and the error is raised there. Under a trace (inside `jax.jit`,
    `jax.lax.scan`, `jax.pmap`, `jax.shard_map`) the counts become part of the program, which tells
    them to the host each time it runs; under `jax.vmap` a batch is counted as a whole.

    Inside a compiled program the error is raised in a callback of JAX's, which makes a
    `jax.errors.JaxRuntimeError` of it whose message ends with ours. That reaches the program where
    the step is called or, as JAX runs ahead, where a result of that step is used, at the latest in
    `jax.effects_barrier()`; a result that nothing uses raises nothing on several devices.
    `jaxkit run --apply check_finite@FUNCTION` stops in both cases, with the `NonFiniteError`.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> @jaxkit.check_finite
        ... def loss_fn(weights):
        ...     return {"loss": jnp.log(weights).sum()}
        >>> _ = loss_fn(jnp.ones(3))
        >>> try:
        ...     loss_fn(jnp.zeros(3))
        ... except jaxkit.NonFiniteError as error:
        ...     print(str(error).splitlines()[1])
          output['loss'] f32[] is infinite

    Args:
        fun: A function whose outputs are any pytree. Integers, booleans, keys and `None` among them
            are left out.
        allow_inf: Whether infinities are meant, as the -inf of masked logits is: only NaN stops.

    Returns:
        The function, checked. A call is one run of it: an iteration of `scan` is one, and so is
        a batch under `vmap`; under `pmap` and `shard_map` each device counts its own. The
        forward pass that `jax.checkpoint` repeats counts again. Both branches of a
        `cond` under `vmap` run, so that both are looked at.

    Raises:
        NonFiniteError: An output has a NaN or an infinity; `.report` has it as a finding with
            the leaf, the numbers, the call and its line.

    References:
        `jax.config.jax_debug_nans` runs each program again, operation by operation, at a NaN in
        any of its outputs, and knows neither infinities nor the loop's iteration:
        https://docs.jax.dev/en/latest/debugging/flags.html
    """
    guard = _Guard(fun, allow_inf=allow_inf)

    def checked(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        guard.look(out)
        return out

    return checked


class _Guard:
    """Looks at the outputs of one wrapped function."""

    def __init__(self, fun: Callable[..., Any], *, allow_inf: bool) -> None:
        self._fun = fun
        self._allow_inf = allow_inf
        self._calls = Calls.of(fun)
        self._run = current()

    def look(self, out: Any) -> None:
        """Raises for an output that is there, or has the program look when it runs."""
        flat = jax.tree_util.tree_flatten_with_path(out)[0]
        leaves = [(Place.of(path, leaf), leaf) for path, leaf in flat if _is_inexact(leaf)]
        table: list[Any] = []
        there: list[Place] = []
        arrays: list[tuple[Place, Any]] = []
        for place, leaf in leaves:
            if kind_of(type(leaf)) in ("jax", "tracer"):
                arrays.append((place, leaf))
            else:
                there.append(place)
                table.append(count_on_host(leaf))
        if arrays:
            rows = count([leaf for _, leaf in arrays])
            places = [place for place, _ in arrays]
            # Of derivatives and batches the counts are plain values; what has none is a trace.
            if kind_of(type(rows)) == "tracer":
                self._look_later(rows, places)
                if not there:
                    return
            else:
                there.extend(places)
                table.extend(np.asarray(jax.device_get(rows)))
        self._decide(table, there, number=self._calls.next(), line=None)

    def _look_later(self, rows: jax.Array, places: list[Place]) -> None:
        on_devices = bool(jax.sharding.get_abstract_mesh().manual_axes)
        report = functools.partial(self._report, places, call_line(), on_devices)
        jax.debug.callback(report, rows)

    def _report(
        self, places: list[Place], line: SourceLine | None, on_devices: bool, rows: Any
    ) -> None:
        table = list(np.asarray(rows))
        device = int(table[0][DEVICE]) if on_devices else None
        number = self._calls.next(device)
        self._decide(table, places, number=number, line=line, device=device, traced=True)

    def _decide(
        self,
        table: Sequence[Any],
        places: list[Place],
        *,
        number: int,
        line: SourceLine | None,
        device: int | None = None,
        traced: bool = False,
    ) -> None:
        leaves = [
            found
            for place, row in zip(places, table, strict=True)
            if (found := leaf_of(place, row, allow_inf=self._allow_inf)) is not None
        ]
        if not leaves:
            return
        error: NonFiniteError = nonfinite_error(
            Target.of(self._fun),
            leaves,
            number=number,
            line=line if traced else call_line(),
            # Only a program that runs on the caller's own thread has the caller on its stack.
            started=call_line() if traced else None,
            device=device,
        )
        if self._run is not None:
            self._run.found(error)
        raise error


def _is_inexact(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    if dtype is None:
        return isinstance(leaf, (float, complex))
    return hasattr(leaf, "shape") and bool(jnp.issubdtype(dtype, jnp.inexact))
