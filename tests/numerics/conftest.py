"""Each file begins with nothing traced."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def nothing_is_traced_yet() -> None:
    """What JAX keeps of earlier files makes the later ones slower, on JAX 0.10 above all."""
    jax.clear_caches()
