"""Arguments of the corpus: NumPy arrays, the same in each run."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

f32, f16, bf16 = np.float32, np.float16, ml_dtypes.bfloat16


def normal(*shape: int, seed: int = 0, scale: float = 1.0, dtype: Any = f32) -> Any:
    """Standard normal numbers times `scale`."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(dtype)


def uniform(low: float, high: float, *shape: int, seed: int = 0, dtype: Any = f32) -> Any:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def wide(*arrays: Any) -> tuple[Any, ...]:
    """The same values in float64, for a truth in NumPy."""
    return tuple(np.asarray(each, np.float64) for each in arrays)
