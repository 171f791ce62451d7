"""64-bit types on for a block of code, in this thread.

JAX 0.12 has `jax.enable_x64`, 0.10 the same as `jax.experimental.enable_x64`, which warns later.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import jax


def with_x64() -> AbstractContextManager[Any]:
    """A context in which 64-bit types are on, whatever they were."""
    enable: Any = getattr(jax, "enable_x64", None)
    if enable is None:
        enable = import_module("jax.experimental").enable_x64
    return enable(True)
