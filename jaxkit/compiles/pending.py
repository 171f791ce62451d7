"""Compilations that are under way: what has been read of them, and the stages that are open."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxkit._jax import config as jax_config
from jaxkit._jax.stack import Site
from jaxkit.compiles.event import CompileEvent, Function, Place, Signature


@dataclasses.dataclass(slots=True)
class Pending:
    """A compilation whose last stage may still come."""

    key: tuple[Any, ...] | None
    name: str
    time: float
    thread: str
    function: Function
    call_site: Site | None
    via: str
    signature: Signature
    options: Mapping[str, Any]
    config: Mapping[str, Any]
    role: str
    aot_key: int | None
    stages: dict[str, float] = dataclasses.field(default_factory=dict)
    spans: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    seen: int = -1
    cached_trace: bool = False
    cache_hit: bool = False
    error: str | None = None

    def event(self, process: int) -> CompileEvent:
        """The event, without index and causes, which are the log's to give."""
        stages = tuple(s for s in self.stages if s != "trace" or not self.cached_trace)
        if self.error is not None:
            outcome = "failed"
        elif "compile" in self.stages:
            outcome = "compiled"
        else:
            outcome = "trace-only" if stages else "trace-cache-hit"
        persistent = "off"
        if "compile" in self.stages:
            on = jax_config.persistent_cache_on()
            persistent = "hit" if self.cache_hit else "miss" if on else "off"
        return CompileEvent(
            index=-1,
            process=process,
            thread=self.thread,
            time=self.time,
            outcome=outcome,
            function=self.function,
            call_site=Place(*self.call_site) if self.call_site else None,
            via=self.via,
            stages=stages,
            seconds=dict(self.stages),
            persistent_cache=persistent,
            options=self.options,
            config=self.config,
            signature=self.signature,
            role=self.role,
            spans=dict(self.spans),
        )


@dataclasses.dataclass(slots=True)
class Open:
    """A stage between its begin and its end."""

    stage: str
    name: str
    pending: Pending
    holder: int
    misses: int | None
    started: float = 0.0
    nested: float = 0.0


class Waiting(dict[int, Pending]):
    """Compilations that wait for their next stage, by depth; ends with its thread."""
