"""What a frame reader returns: the user's function, arguments and options behind an event."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from jaxkit._jax.stack import Entry


@dataclasses.dataclass(slots=True)
class Anchor:
    """The jit-level facts of an event, before Equinox, NNX, pmap, ... refine them.

    Attributes:
      key: what events of one compilation share while they happen.
      name: the event's function name without ``jit(...)``.
      fun, args, kwargs, info: of the frame named ``cache_miss`` or ``jit_trace``; fun is None
        where no such frame belongs to the event.
      outer: marked frames outside the anchor, innermost first.
      role: how transformations changed the program: ``""``, ``vmap``, ``jvp``, ``transpose``.
      operands: the arrays the program is compiled for, where they are not ``args``.
      debug: JAX's debug_info of the jaxpr, for names when there is no frame to read.
      aot_key: identity of the lowering that an ahead-of-time compilation belongs to.
      via: ``aot`` when `.trace`, `.lower` or `.compile` asked for it, else ``jit``.
    """

    key: tuple[int, str]
    name: str
    fun: Any = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    info: Any = None
    outer: list[Entry] = dataclasses.field(default_factory=list)
    role: str = ""
    operands: tuple[Any, ...] | None = None
    debug: Any = None
    aot_key: int | None = None
    via: str = "jit"


@dataclasses.dataclass(slots=True)
class Call:
    """The user's call, as a reader understood it. Holds live objects: never keep one.

    Attributes:
      via: ``jit filter_jit nnx.jit pmap shard_map aot eager``.
      leaf_rule: ``jit`` (numbers are arrays, statics are declared) or ``filter`` (everything
        that is not an array is static).
      bodies: the functions given to eager control flow, by parameter name.
      statics: further static values that decide the program, by path.
      source: (name, file, line) where there is no function object at hand.
      rewraps: the function of JAX's that wraps `bodies` anew at each call, if one does.
      derived: the jaxpr of control flow that JAX itself derived from the user's.
      role: in place of the anchor's, where one call compiles several programs.
      extra: further arguments, by path.
    """

    via: str
    fun: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    signature: inspect.Signature | None = None
    static_argnums: tuple[int, ...] = ()
    static_argnames: tuple[str, ...] = ()
    leaf_rule: str = "jit"
    eager: bool = False
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    bodies: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    statics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    source: tuple[str, str, int] | None = None
    rewraps: str | None = None
    derived: Any = None
    role: str | None = None
    extra: tuple[tuple[str, Any], ...] = ()


Reader = Callable[[Anchor], Call | None]


def local(frame: FrameType, name: str, default: Any = None) -> Any:
    """A local of one of JAX's (or Equinox's, NNX's) frames; never of the user's."""
    return frame.f_locals.get(name, default)
