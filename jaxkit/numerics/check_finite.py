"""`jaxkit.check_finite`: stop at the first output of a function that is not finite."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax.values import kind_of
from jaxkit.errors import NonFiniteError
from jaxkit.numerics._calls import Calls, Target, call_line
from jaxkit.numerics.nonfinite.count import DEVICE, count, count_on_host
from jaxkit.numerics.nonfinite.leaves import Place, leaf_of, nonfinite_error
from jaxkit.report import SourceLine
from jaxkit.transforms import transform
from jaxkit.transforms._enclosing import current
from jaxkit.transforms._interrupt import Interrupt

__all__ = ["check_finite"]


@transform(tags=("keeps_state", "may_raise"))
def check_finite(fun: Callable[..., Any], *, allow_inf: bool = False) -> Callable[..., Any]:
    """Stops at the first output that is not finite, and says which, in which call, from where.

    Values, dtypes and derivatives stay as they are. Called with values, the outputs are looked at
    once the function has returned, and the error is raised there. Under a trace (inside `jax.jit`,
    `jax.lax.scan`, `jax.pmap`, `jax.shard_map`) the counts become part of the program, which tells
    them to the host each time it runs; under `jax.vmap` a batch is counted as a whole.

    Inside a compiled program the error is raised in a callback of JAX's, which makes a
    `jax.errors.JaxRuntimeError` of it whose message ends with ours. That reaches the program where
    the step is called or, as JAX runs ahead, where a result of that step is used. Where there are
    several devices, the others would wait for one that raised: the step goes on to its end, and the
    `NonFiniteError` itself is raised in the thread that called it, wherever that is by then.
    Under `jaxkit run --apply check_finite@FUNCTION` it is the `NonFiniteError` in any case.

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
        self._interrupt: Interrupt | None = None

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
        error = self._error(table, there, number=self._calls.next())
        if error is not None:
            self._tell(error)
            raise error

    def _look_later(self, rows: jax.Array, places: list[Place]) -> None:
        on_devices = bool(jax.sharding.get_abstract_mesh().manual_axes)
        site = _Site(places, call_line(), on_devices, threading.get_ident())
        jax.debug.callback(functools.partial(self._report, site), rows)

    def _report(self, site: _Site, rows: Any) -> None:
        """Runs each time a compiled program does."""
        table = list(np.asarray(rows))
        device = int(table[0][DEVICE]) if site.on_devices else None
        number = self._calls.next(device)
        error = self._error(table, site.places, number=number, site=site, device=device)
        if error is None:
            return
        if error.report.findings[0].data["started_from"] is not None:  # on the program's thread
            self._tell(error)
            raise error
        alone = jax.device_count() == 1
        self._tell(error, thread=site.thread, raises=alone)
        if alone:
            raise error
        waiting = self._interrupt is not None and self._interrupt.pending
        if self._run is None and not waiting:
            self._interrupt = Interrupt(error, site.thread)
            self._interrupt.send()

    def _tell(self, error: NonFiniteError, **how: Any) -> None:
        if self._run is not None:
            self._run.found(error, **how)

    def _error(
        self,
        table: Sequence[Any],
        places: list[Place],
        *,
        number: int,
        site: _Site | None = None,
        device: int | None = None,
    ) -> NonFiniteError | None:
        leaves = [
            found
            for place, row in zip(places, table, strict=True)
            if (found := leaf_of(place, row, allow_inf=self._allow_inf)) is not None
        ]
        if not leaves:
            return None
        here = call_line()  # None on a thread of JAX's, where a compiled program may run
        return nonfinite_error(
            Target.of(self._fun),
            leaves,
            number=number,
            line=here if site is None else site.line,
            started=None if site is None else here,
            device=device,
        )


class _Site(NamedTuple):
    """Where a function was traced: what its outputs are, and who called it."""

    places: list[Place]
    line: SourceLine | None
    on_devices: bool
    thread: int


def _is_inexact(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    if dtype is None:
        return isinstance(leaf, (float, complex))
    return hasattr(leaf, "shape") and bool(jnp.issubdtype(dtype, jnp.inexact))
