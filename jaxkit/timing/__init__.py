"""How long it takes: one function, several compared, spans of a program."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jaxkit.timing.comparison import Comparison as Comparison
    from jaxkit.timing.timing import Timing as Timing

# A name, and where it is when it is first asked for.
_WHERE = {
    "Comparison": "jaxkit.timing.comparison:Comparison",
    "Timing": "jaxkit.timing.timing:Timing",
}

__all__ = ["Comparison", "Timing"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'jaxkit.timing' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _WHERE[name].partition(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
