"""What is wrong or wasteful in a program: one rule a kind, on the program's equations.

Each name is loaded on first use. docs/lints.md describes the kinds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxkit.jaxpr.lints._lint import lint as lint
    from jaxkit.jaxpr.lints.code import Code as Code
    from jaxkit.jaxpr.lints.kinds import KINDS as KINDS
    from jaxkit.jaxpr.lints.registry import available as available
    from jaxkit.jaxpr.lints.registry import findings_of as findings_of

# A name, and where it is when it is first asked for.
_WHERE = {
    "KINDS": "kinds",
    "Code": "code",
    "available": "registry",
    "findings_of": "registry",
    "lint": "_lint",
}

# Once more, for those who read without running.
__all__ = ["KINDS", "Code", "available", "findings_of", "lint"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'jaxkit.jaxpr.lints' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
