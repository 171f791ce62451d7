"""What the kit's tests share: most of their time is XLA's, for programs that are all alike."""

from collections.abc import Iterator
from typing import Any

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

CHEAP: dict[str, Any] = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
    "jax_disable_most_optimizations": True,
}


@pytest.fixture(scope="session")
def compiled_programs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder for what this session compiles."""
    return str(tmp_path_factory.mktemp("compiled"))


@pytest.fixture(scope="module")
def cheap_compilation(compiled_programs: str) -> Iterator[None]:
    """XLA hardly optimises, and compiles what is the same in two tests once."""
    wanted = {**CHEAP, "jax_compilation_cache_dir": compiled_programs}
    before = {name: jax.config.values[name] for name in wanted}
    for name, value in wanted.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
