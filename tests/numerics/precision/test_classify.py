"""What an equation does, by its numbers alone."""

import numpy as np
import pytest

from jaxkit.numerics.precision.capture import Values
from jaxkit.numerics.precision.classify import classify

EPS, TINY, RTOL = 2.0**-23, 2.0**-126, 2.4e-5


def kind_of(name, operands, out, *, exact=None, turned=False, absolute=None, **limits):
    """`operands`: pairs of what is and what should be; `out`: the same of the result."""
    value, shadow = (np.asarray(x, float) for x in out)
    values = Values(
        [np.asarray(x, float) for x, _ in operands],
        [np.asarray(s, float) for _, s in operands],
        value,
        value if exact is None else np.asarray(exact, float),
        shadow,
    )
    limits = {"rtol": RTOL, "eps": EPS, "tiny": TINY, **limits}
    total = None if absolute is None else lambda: np.asarray(absolute, float)
    return classify(name, values, turned=turned, absolute=total, **limits).kind


@pytest.mark.parametrize(
    ("kind", "name", "operands", "out", "more"),
    [
        ("cancellation", "sub", [(1.0, 1.0), (1.0, 1 - 5e-9)], (0.0, 5e-9), {}),
        ("absorption", "add", [(1.0, 1.01), (1e-8, 1e-8)], (1.0, 1.01), {"exact": 1 + 1e-8}),
        ("ill-conditioned", "log", [(1 + 1e-6, 1 + 1.1e-6)], (1e-6, 1.1e-6), {}),
        ("ill-conditioned", "triangular_solve", [(1.0, 1 + 1e-7)], (1.0, 2.0), {}),
        ("underflow", "exp", [(-100.0, -100.0)], (0.0, 3.7e-44), {"exact": 3.7e-44}),
        ("overflow", "exp", [(100.0, 100.0)], (np.inf, 2.7e43), {"exact": 2.7e43}),
        ("low-precision-cast", "convert_element_type", [(1.3, 1.3)], (1.25, 1.3), {"exact": 1.3}),
        ("branch-divergence", "floor", [(3.0, 2.9999999)], (3.0, 2.0), {}),
        (
            "reduction-low-precision",
            "reduce_sum",
            [(np.ones(8), np.ones(8))],
            (7.9, 8.0),
            {"exact": 8.0, "absolute": 8.0},
        ),
        (
            "cancellation",
            "reduce_sum",
            [([1e8, 1.0, -1e8], [1e8, 1.0, -1e8])],
            (0.0, 1.0),
            {"exact": 1.0, "absolute": 2e8},
        ),
        ("error-accumulation", "mul", [(1.1, 1.0), (2.0, 2.0)], (2.2, 2.0), {}),
        # An error that was nearly as large the turn before: this subtraction only adds to it.
        (
            "error-accumulation",
            "sub",
            [(1.0, 1.0), (0.9, 0.9 * (1 + 1e-4))],
            (0.1, 0.1 - 0.9e-4),
            {"turned": True},
        ),
    ],
)
def test_kinds(kind, name, operands, out, more) -> None:
    assert kind_of(name, operands, out, **more) == kind


def test_the_element_that_matters_is_looked_at() -> None:
    out, shadow = np.array([1.0, 2.0, 3e-9]), np.array([1.0, 2.001, 1e-9])
    values = Values([out], [shadow], out, out, shadow)
    limits = {"rtol": RTOL, "eps": EPS, "tiny": TINY}
    assert classify("mul", values, **limits).index == (1,)
    assert classify("mul", values, by_element=True, **limits).index == (2,)
