"""Each file begins with nothing traced."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def nothing_is_traced_yet() -> None:
    """On JAX 0.10 the suite took 11 min with this, and 12 and 13 without: why is not known."""
    jax.clear_caches()
