"""What a program will do: its equations, walked and interpreted, their cost, and what is odd.

Each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxkit.jaxpr._interpret import interpret as interpret
    from jaxkit.jaxpr._interpret import with_state as with_state
    from jaxkit.jaxpr._walk import Multiplicity as Multiplicity
    from jaxkit.jaxpr._walk import Site as Site
    from jaxkit.jaxpr._walk import fold as fold
    from jaxkit.jaxpr._walk import walk as walk
    from jaxkit.jaxpr.rule import Equation as Equation
    from jaxkit.jaxpr.rule import Rule as Rule

# A name, and where it is when it is first asked for.
_WHERE = {
    "Equation": "rule",
    "Multiplicity": "_walk",
    "Rule": "rule",
    "Site": "_walk",
    "fold": "_walk",
    "interpret": "_interpret",
    "walk": "_walk",
    "with_state": "_interpret",
}

# Once more, for those who read without running.
__all__ = [
    "Equation",
    "Multiplicity",
    "Rule",
    "Site",
    "fold",
    "interpret",
    "walk",
    "with_state",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'jaxkit.jaxpr' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
