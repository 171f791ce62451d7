# NaN is not equal to itself: a static NaN that comes from parsing a file (a new float object each
# time) never hits the cache.
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


@partial(jax.jit, static_argnames=("missing",))
def fill_gaps(column, missing):
    gap = jnp.isnan(column) if missing != missing else column == missing
    return jnp.where(gap, 0.0, column)


header = "missing=nan"
column = np.array([1.0, np.nan, 3.0], np.float32)
missing = float(header.split("=")[1])
for _ in range(4):
    filled = fill_gaps(column, missing=missing)
print(np.asarray(filled))
