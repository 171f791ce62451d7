"""Waiting for all of a result, also for what `jax.block_until_ready` does not see.

JAX waits for the arrays that are leaves of a pytree. A class that is not registered, a generator's
state or a mutable reference is one leaf without the method, and passes at once (jax-ml/jax#4474).
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, ItemsView, Iterator, MappingView, ValuesView
from concurrent.futures import Future
from typing import Any

import jax

__all__ = [
    "Wait",
    "dropped_work",
    "hidden",
    "is_iterator",
    "kinds_of",
    "leaves_of",
    "settle",
    "unready",
    "wait_for",
    "wait_for_any",
]

Wait = Callable[[Any], object]

_PLAIN = (str, bytes, bool, int, float, complex, type(None), type, range, slice)
_DEPTH = 6
_MOST = 10_000
_WAKING = 2e-4  # seconds of processor time that looking on for a millisecond takes itself
_A_SMALL_PROGRAM = 1e-3


def leaves_of(value: Any) -> list[Any]:
    """The leaves of a result, as JAX sees it; iterators are leaves, and are left as they are."""
    return jax.tree.leaves(value, is_leaf=is_iterator)


def is_iterator(value: Any) -> bool:
    """Whether it is a generator or the like, of which newer versions of JAX warn in a tree."""
    return isinstance(value, (Iterator, MappingView))


def kinds_of(value: Any) -> set[str]:
    """What is in a result: ``jax``, ``numpy``, ``torch``, ``cupy``, ``number``, ``opaque``."""
    return {_kind(leaf) for leaf in leaves_of(value)}


def _kind(leaf: Any) -> str:
    if isinstance(leaf, jax.Array):
        return "jax"
    if isinstance(leaf, _PLAIN):
        return "number"
    package = type(leaf).__module__.partition(".")[0]
    if package in ("numpy", "torch", "cupy"):
        return package
    return "opaque"


def hidden(value: Any) -> list[Any]:
    """Arrays inside of what is no pytree: attributes, slots, items, cells of functions.

    Args:
        value: A result.
    """
    found: list[Any] = []
    seen: set[int] = set()
    todo = [(leaf, 0) for leaf in leaves_of(value) if _kind(leaf) == "opaque"]
    while todo and len(seen) < _MOST:
        each, depth = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, (jax.Array, Future)):
            found.append(each)
        if _kind(each) == "opaque" and depth < _DEPTH:
            todo.extend((part, depth + 1) for part in _parts(each))
        elif _kind(each) in ("torch", "cupy"):
            found.append(each)
    return found


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
        return
    if isinstance(value, (list, tuple, set, frozenset, ValuesView, ItemsView)):
        yield from value
        return
    if isinstance(value, Future):
        with contextlib.suppress(Exception):
            yield value.result()
        return
    with contextlib.suppress(Exception):
        yield from vars(value).values()
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            with contextlib.suppress(Exception):
                yield getattr(value, name)
    for cell in getattr(value, "__closure__", None) or ():
        with contextlib.suppress(ValueError):
            yield cell.cell_contents
    for name in ("func", "args", "keywords", "__self__", "__defaults__", "__kwdefaults__"):
        if callable(value):
            with contextlib.suppress(Exception):
                yield getattr(value, name)
    frame = getattr(value, "gi_frame", None)
    if frame is not None:
        yield from frame.f_locals.values()


def unready() -> list[Any]:
    """Every array in the process that is still being computed."""
    found: list[Any] = []
    for array in jax.live_arrays():
        with contextlib.suppress(Exception):  # deleted meanwhile
            if not array.is_ready():
                found.append(array)
    return found


def settle(most: float = 0.0) -> None:
    """Waits for everything that is under way, so that it is not counted as somebody else's.

    Args:
        most: Seconds to wait also for work of which no array is left.
    """
    for array in unready():
        with contextlib.suppress(Exception):
            array.block_until_ready()
    if most:
        dropped_work(most)


def dropped_work(most: float = 0.03) -> float:
    """Seconds of work that this process goes on with although nobody waits for it.

    Processor time tells what no array does any more: the work of a result that was dropped. On
    other devices, a small program that is sent after it has to wait.

    Args:
        most: Seconds to look on.
    """
    if jax.default_backend() != "cpu":
        begin = time.perf_counter()
        jax.block_until_ready(jax.device_put(0.0) + 1.0)
        return time.perf_counter() - begin - _A_SMALL_PROGRAM
    begin, whole, idle = time.perf_counter(), 0.0, 0
    while idle < 2 and time.perf_counter() - begin < most:
        cpu = time.process_time()
        time.sleep(0.001)
        spent = time.process_time() - cpu
        idle = idle + 1 if spent < _WAKING else 0
        whole += max(spent - _WAKING, 0.0)
    return whole


def wait_for_any(value: Any) -> None:
    """Waits for a result of which nothing is known yet."""
    _wait_leaves(value)
    if kinds_of(value) - {"jax", "number", "numpy"}:
        _wait_foreign(value)
        _wait_hidden(value)


def _wait_leaves(value: Any) -> None:
    jax.block_until_ready([leaf for leaf in leaves_of(value) if isinstance(leaf, jax.Array)])


def wait_for(kinds: set[str], *, search: bool, everything: bool, effects: bool) -> Wait:
    """A function that waits for a result, doing no more than it has to.

    Args:
        kinds: What was seen in results.
        search: Whether arrays hide in them.
        everything: Whether to wait for all arrays of the process.
        effects: Whether callbacks without results are to be waited for.
    """
    steps: list[Wait] = []
    if "jax" in kinds:
        steps.append(_wait_leaves if "opaque" in kinds else jax.block_until_ready)
    if kinds & {"torch", "cupy"}:
        steps.append(_wait_foreign)
    if search:
        steps.append(_wait_hidden)
    if everything:
        steps.append(lambda value: settle())
    if effects:
        steps.append(lambda value: jax.effects_barrier())
    if len(steps) == 1:
        return steps[0]
    if not steps:
        return _nothing

    def wait(value: Any) -> None:
        for step in steps:
            step(value)

    return wait


def _nothing(value: Any) -> None:
    pass


def _wait_hidden(value: Any) -> None:
    found = hidden(value)
    jax.block_until_ready([each for each in found if isinstance(each, jax.Array)])
    _wait_foreign([each for each in found if not isinstance(each, jax.Array)])


def _wait_foreign(value: Any) -> None:
    """PyTorch and CuPy wait for a device, not for an array."""
    for leaf in leaves_of(value):
        kind = _kind(leaf)
        if kind == "torch":
            torch: Any = sys.modules["torch"]
            if leaf.device.type != "cpu":
                getattr(torch, leaf.device.type).synchronize()
        elif kind == "cupy":
            leaf.device.synchronize()
