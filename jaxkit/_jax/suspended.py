"""Whether a ``with`` block of the user's can be left half-way: by a ``yield`` or an ``await``.

Read on Python 3.11 and 3.13. A setting of the thread that a suspended block has made holds for
whatever runs meanwhile.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

_SUSPENDING = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_OPERATIONS = frozenset({"YIELD_VALUE", "SEND", "YIELD_FROM"})


def suspending_function(depth: int) -> str | None:
    """The name of the generator or coroutine that may suspend the block which it enters.

    Args:
      depth: how many frames above the caller's the one stands that has the ``with``.

    Returns:
      None where the block cannot be suspended: the frame is that of a function, or there is no
      ``yield`` and no ``await`` in the block.
    """
    frame = sys._getframe(depth + 1)
    code = frame.f_code
    if not code.co_flags & _SUSPENDING or not _suspends_after(code, frame.f_lasti):
        return None
    return getattr(code, "co_qualname", code.co_name)


def _suspends_after(code: CodeType, entered: int) -> bool:
    """Whether the block that an instruction enters has one that suspends; True if in doubt."""
    try:
        entries: list[Any] = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        after = [each for each in entries if each.start > entered]
        leaves = min(after, key=lambda each: each.start).target
        return any(
            each.opname in _OPERATIONS and leaves in _handlers(entries, each.offset)
            for each in dis.get_instructions(code)
        )
    except Exception:
        return True


def _handlers(entries: list[Any], offset: int) -> Iterator[int]:
    """Where an exception goes that an instruction raises, and one that is raised there, ..."""
    seen: set[int] = set()
    while offset not in seen:
        seen.add(offset)
        for each in entries:
            if each.start <= offset < each.end and each.target != offset:
                offset = each.target
                yield offset
                break
