"""`jaxkit.explain`: would this call be compiled, and why? Nothing is traced, compiled or run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from jaxkit._jax import read_wrapped
from jaxkit.compiles.event import CompileEvent
from jaxkit.compiles.groups import Groups
from jaxkit.compiles.log import CompileLog
from jaxkit.compiles.reading import function_of, thread_name
from jaxkit.compiles.recorder import RECORDER
from jaxkit.compiles.signature import build
from jaxkit.compiles.summary import finding_of
from jaxkit.errors import UsageError
from jaxkit.report import Report, Text


def explain(fun: Callable[..., Any]) -> Callable[..., Report]:
    """Says whether a call of a jitted function would compile, and why, without calling it.

    The call is compared with what the innermost open `jaxkit.watch` has seen compiled: what was
    compiled before it was opened, or was dropped by `jax.clear_caches` since, it does not know.

    Example:
      >>> import jax, numpy as np, jaxkit
      >>> @jax.jit
      ... def total(batch):
      ...     return batch["x"].sum()
      >>> with jaxkit.watch():
      ...     _ = total({"x": np.ones((32, 8), np.float32)})
      ...     same = jaxkit.explain(total)({"x": np.zeros((32, 8), np.float32)})
      ...     other = jaxkit.explain(total)({"x": np.ones((4, 8), np.float32)})
      >>> same.data["compiles"], other.data["compiles"]
      (False, True)
      >>> print(other.findings[0].message)
      total: batch['x'] changed shape: axis 0 took 2 sizes (32, 4)

    Args:
      fun: what `jax.jit` or `equinox.filter_jit` returned.

    Returns:
      a function of `fun`'s arguments that returns a `Report`: ``data["compiles"]`` says whether,
      ``data["causes"]`` why; a finding stands for a compilation after the first.

    Raises:
      TypeError: `fun` is not jitted in a way that can be read.
      UsageError: no `jaxkit.watch` is open.
    """
    if not callable(fun) or read_wrapped.read(fun, (), {}) is None:
        raise TypeError(
            f"fun must be what jax.jit or equinox.filter_jit returned, got {fun!r} of type "
            f"{type(fun).__name__}: explain(jax.jit(fun))"
        )

    def explained(*args: Any, **kwargs: Any) -> Report:
        log = RECORDER.innermost()
        if not isinstance(log, CompileLog):
            raise UsageError(
                "explain compares with what was compiled before, and nothing is being recorded: "
                "open `with jaxkit.watch():` before the first call"
            )
        event = _event(fun, args, kwargs)
        return _report(log.asked(event))

    return explained


def _event(fun: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CompileEvent:
    found = read_wrapped.read(fun, args, kwargs)
    assert found is not None
    call, anchor = found
    return CompileEvent(
        index=-1,
        process=os.getpid(),
        thread=thread_name(),
        time=time.time(),
        outcome="compiled",
        function=function_of(call, anchor.name, None, by_library=False),
        call_site=None,
        via=call.via,
        stages=(),
        seconds={},
        options=call.options,
        config=RECORDER.config(),
        signature=build(call, anchor),
    )


def _report(event: CompileEvent) -> Report:
    name = event.function.name
    causes = [cause.to_dict() for cause in event.causes]
    data = {"function": name, "compiles": event.compiled, "causes": causes}
    if not event.compiled:
        text = f"{name} would not be compiled: an equal call has been"
        return Report("explain", (), data, (Text(text, style="good"),))
    if not event.recompile:
        text = f"{name} would be compiled, for the first time as far as was seen"
        return Report("explain", (), data, (Text(text),))
    groups = Groups()
    groups.add(event)
    return Report("explain", (finding_of(groups),), data)
