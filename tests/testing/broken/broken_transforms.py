"""All broken transforms, by name; each docstring says the mistake, `expected.py` the law."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.testing.broken import calls, composition, results, state
from tests.testing.broken.expected import BREAKS

_WHERE = (calls, results, composition, state)


def _find(name: str) -> Callable[..., Any]:
    return next(getattr(module, name) for module in _WHERE if hasattr(module, name))


BROKEN: dict[str, Callable[..., Any]] = {name: _find(name) for name in BREAKS}
