"""What a drawn array costs, against `hypothesis.extra.numpy` with the same bounds.

Each block runs one Hypothesis test that does nothing, so that what is timed is drawing alone.
Both sides give JAX arrays; blocks alternate, as the speed of a shared machine drifts.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as extra
from interleave import compare, seconds_of
from jaxtyping import Array, Float

from jaxkit.testing import arguments_for, arrays

SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (3, 5), (32, 32), (256, 256))
EXAMPLES = 50


def attend(q: Float[Array, "n d"], k: Float[Array, "m d"], v: Float[Array, "m e"]) -> None:
    """Three arrays that share dimensions."""


def block(strategy: st.SearchStrategy[Any]) -> Callable[[], float]:
    """Runs a test of some examples, and returns the seconds."""

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(strategy)
    def test(value: Any) -> None:
        pass

    test()
    return lambda: seconds_of(test)


def theirs(dtype: str, shape: tuple[int, ...] | st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The same numbers as ours, as far as options say."""
    bounds: dict[str, Any] = {"min_value": -1000, "max_value": 1000}
    if dtype == "float32":
        bounds["allow_subnormal"] = False
    return extra.arrays(dtype, shape, elements=bounds).map(jnp.asarray)


@st.composite
def three_arrays(draw: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What one writes by hand instead of `arguments_for(attend)`."""
    n, m, d, e = (draw(st.sampled_from((1, 2, 3, 5))) for _ in range(4))
    shapes = ((n, d), (m, d), (m, e))
    return tuple(draw(theirs("float32", shape)) for shape in shapes), {}


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the pairs")
    pairs = 5 if parser.parse_args().quick else 25
    print(f"Python {platform.python_version()}, JAX {jax.__version__}, NumPy {np.__version__}")
    rows = [
        (f"arrays({dtype!r}, {shape})", arrays(dtype, shape), theirs(dtype, shape))
        for dtype in ("float32", "int32")
        for shape in SHAPES
    ]
    rows.append(("arguments_for(attend)", arguments_for(attend), three_arrays()))
    line = "{:<30} {:>8}  {:<16} {:>12}".format
    print(line("what", "ratio", "interval", "an example"))
    for what, ours, other in rows:
        found = compare(block(ours), block(other), pairs=pairs)
        low, high = found.interval(lambda pair: pair.ratio)
        cost = f"{min(found.ours) / EXAMPLES * 1e6:.0f} us"
        print(line(what, f"{found.ratio:.2f}", f"{low:.2f} - {high:.2f}", cost))


if __name__ == "__main__":
    main()
