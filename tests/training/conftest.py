"""The tests train the same small model again and again: it is compiled once for all of them.

What is asserted on compilations counts those that JAX asked for, found on disk or not. The program
of `test_killed_at_random` compiles for itself in each process.
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

_OPTIONS = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


@pytest.fixture(scope="package", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    options = {**_OPTIONS, "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("cache"))}
    before = {name: getattr(jax.config, name) for name in options}
    compilation_cache.reset_cache()
    for name, value in options.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
