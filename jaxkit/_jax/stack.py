"""The Python stack at the moment JAX begins a trace, a lowering or a compilation.

Read on JAX 0.10.2 and 0.12.0.1. Frames are told apart by the file and name of their code. A name
that has moved simply is not found: the readers then return nothing and the cause is `unknown`.

Of the user's frames only ``f_code`` and ``f_lineno`` are read: on Python 3.11 reading
``f_locals`` keeps locals alive that the user has deleted.
"""

from __future__ import annotations

import sys
import sysconfig
from types import CodeType, FrameType
from typing import NamedTuple

_STDLIB = tuple({sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["platstdlib"]})
_PACKAGE = __file__.replace("\\", "/").rsplit("/_jax/", 1)[0] + "/"

# (end of the file, name of the code) -> tag. The tags are this package's own words.
_MARKERS: dict[tuple[str, str], str] = {
    ("jax/_src/pjit.py", "cache_miss"): "cache_miss",
    ("jax/_src/pjit.py", "_run_python_pjit"): "run_direct",
    ("jax/_src/pjit.py", "_pjit_call_impl_python"): "call_impl",
    ("jax/_src/pjit.py", "_pjit_call_impl"): "call_nested",
    ("jax/_src/pjit.py", "jit_trace"): "jit_trace",
    ("jax/_src/pjit.py", "jit_lower"): "jit_lower",
    ("jax/_src/pjit.py", "_pjit_batcher"): "role_vmap",
    ("jax/_src/pjit.py", "_pjit_jvp"): "role_jvp",
    ("jax/_src/pjit.py", "_pjit_linearize"): "role_jvp",
    ("jax/_src/pjit.py", "_pjit_partial_eval"): "role_jvp",
    ("jax/_src/pjit.py", "_pjit_transpose_fancy"): "role_transpose",
    ("jax/_src/pjit.py", "_pjit_transpose"): "role_transpose",
    ("jax/_src/interpreters/ad.py", "backward_pass"): "role_transpose",
    ("jax/_src/interpreters/ad.py", "backward_pass3"): "role_transpose",
    ("jax/_src/interpreters/pxla.py", "lower_sharding_computation"): "lowering",
    ("jax/_src/stages.py", "compile"): "aot_compile",
    ("jax/_src/stages.py", "lower"): "aot_lower",
    ("jax/_src/dispatch.py", "apply_primitive"): "apply_primitive",
    ("jax/_src/dispatch.py", "__enter__"): "timer",
    ("jax/_src/dispatch.py", "__exit__"): "timer",
    ("jax/_src/lax/control_flow/loops.py", "scan"): "control_scan",
    ("jax/_src/lax/control_flow/loops.py", "while_loop"): "control_while_loop",
    ("jax/_src/lax/control_flow/loops.py", "fori_loop"): "control_fori_loop",
    ("jax/_src/lax/control_flow/loops.py", "map"): "control_map",
    ("jax/_src/lax/control_flow/conditionals.py", "cond"): "control_cond",
    ("jax/_src/lax/control_flow/conditionals.py", "switch"): "control_switch",
    ("jax/_src/shard_map.py", "_shard_map_impl"): "shard_map_impl",
    ("jax/_src/shard_map.py", "wrapped"): "shard_map",
    ("jax/_src/pmap.py", "wrapped"): "pmap",
    ("jax/_src/api.py", "cache_miss"): "pmap",
    ("equinox/_jit.py", "_call"): "equinox",
    ("flax/nnx/transforms/compilation.py", "__call__"): "nnx",
}
_NAMES = frozenset(name for _, name in _MARKERS)


class Entry(NamedTuple):
    """A frame that means something to a reader."""

    tag: str
    frame: FrameType


class Site(NamedTuple):
    """A line of the program; what `Place` is made of."""

    file: str
    line: int
    function: str


class Stack(NamedTuple):
    """What the readers see.

    Attributes:
      entries: marked frames, innermost first, down to the enclosing open event.
      holder: id of the frame that holds JAX's timer, which identifies the open event.
      site: innermost frame of the user's, else of a library other than JAX, else None.
      by_library: whether a library called JAX there, and not the user's line itself.
      open_holders: which of the holders asked for are still on the stack.
    """

    entries: list[Entry]
    holder: int
    site: Site | None
    by_library: bool
    open_holders: set[int]


# id(code) -> (code, word). The code is kept so that its id cannot be given to another.
_words: dict[int, tuple[CodeType, str]] = {}


def origin(filename: str) -> str:
    """Who wrote the file: ``jax``, ``jaxkit``, ``stdlib``, ``library`` or ``user``."""
    name = filename.replace("\\", "/")
    if name.startswith(_PACKAGE):
        return "jaxkit"
    if "/site-packages/" in name or "/dist-packages/" in name:
        package = name.rsplit("-packages/", 1)[1].split("/", 1)[0]
        return "jax" if package in ("jax", "jaxlib") else "library"
    if name.startswith("<frozen ") or name.startswith(_STDLIB):
        return "stdlib"
    if "/jax/_src/" in name:
        return "jax"
    return "user"


def _word(code: CodeType) -> str:
    """The tag of a marked frame, else ``:origin``."""
    known = _words.get(id(code))
    if known is not None:
        return known[1]
    word = ":" + origin(code.co_filename)
    if code.co_name in _NAMES:
        name = code.co_filename.replace("\\", "/")
        for (suffix, function), tag in _MARKERS.items():
            if function == code.co_name and name.endswith(suffix):
                word = tag
                break
    if len(_words) > 20_000:  # a program that makes code without end
        _words.clear()
    _words[id(code)] = (code, word)
    return word


def read_stack(boundaries: frozenset[int] | set[int] = frozenset()) -> Stack:
    """Walks outwards from the listener that calls this.

    Args:
      boundaries: ids of the frames that hold the enclosing open events; entries beyond the
        first of them belong to another event and are left out.
    """
    frame: FrameType | None = sys._getframe(1)
    entries: list[Entry] = []
    open_holders: set[int] = set()
    site: Site | None = None
    fallback: Site | None = None
    by_library = False
    holder = 0
    after_timer = False
    while frame is not None:
        code = frame.f_code
        word = _word(code)
        if word == ":user":
            if site is None:
                by_library = fallback is not None
                site = Site(code.co_filename, frame.f_lineno, code.co_qualname)
        elif word == ":library":
            if fallback is None:
                fallback = Site(code.co_filename, frame.f_lineno, code.co_qualname)
        elif word == "timer":
            after_timer = not holder
            frame = frame.f_back
            continue
        if after_timer:
            holder, after_timer = id(frame), False
        if boundaries and id(frame) in boundaries:
            open_holders.add(id(frame))
        if word[0] != ":" and not open_holders:
            entries.append(Entry(word, frame))
        frame = frame.f_back
    return Stack(entries, holder, site or fallback, by_library, open_holders)


def failed() -> str | None:
    """The name of the exception with which the timed block ended, read from JAX's timer frame."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(8):
        if frame is None:
            return None
        if _word(frame.f_code) == "timer":
            kind = frame.f_locals.get("exc_type")
            return getattr(kind, "__name__", "exception") if kind is not None else None
        frame = frame.f_back
    return None
