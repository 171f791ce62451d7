"""Arguments that Hypothesis draws and shrinks, for the level `full`."""

from __future__ import annotations

from typing import Any

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jaxkit.testing._compare import difference, show
from jaxkit.testing.laws._law import Bench, BrokenError, broken

__all__ = ["check_drawn"]

_EXAMPLES = 50
_FLOATS = st.floats(width=32, allow_subnormal=False, allow_nan=False, allow_infinity=False)


def check_drawn(bench: Bench, *, jit: bool) -> None:
    """The wrapped function against the function itself, or against itself under jit.

    Args:
        bench: The transform.
        jit: Whether the two to be compared are without and with jit.
    """
    if not bench.repeats:
        return

    def double(x: Any) -> Any:
        return x * 2.0

    wrapped = bench.wrap(double)
    left = jax.jit(wrapped) if jit else wrapped
    right = wrapped if jit else bench.adapt(double)
    what = "under jax.jit" if jit else "x -> 2 * x"

    def one(values: list[float]) -> None:
        x = np.array(values, np.float32)
        found = difference(left(jnp.asarray(x)), right(jnp.asarray(x)))
        if found is not None:
            raise BrokenError(f"{what} of {show(x)}: {found}")

    settings = hypothesis.settings(
        max_examples=_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),  # pyright: ignore[reportArgumentType]
        print_blob=False,
    )
    try:
        settings(hypothesis.given(st.lists(_FLOATS, min_size=3, max_size=3))(one))()
    except BrokenError as error:
        broken(str(error))
