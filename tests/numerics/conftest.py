"""Each file begins with nothing traced."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def nothing_is_traced_yet() -> None:
    """JAX keeps the traces of its own helpers, with the lines of whoever called them first."""
    jax.clear_caches()
