"""Every case is what it claims to be: measured against float64 without jaxkit's numerics."""

from __future__ import annotations

import pytest

from tests.numerics.faults.corpus import CASES, FAULTS
from tests.numerics.faults.measure import lines_in_program, measured


@pytest.mark.parametrize("name", list(CASES))
def test_it_is_what_it_claims_to_be(name: str) -> None:
    case = CASES[name]
    found = measured(case)
    assert found.finite != case.nonfinite
    if case.kind is None:
        assert found.error <= found.rtol / 2
    elif not case.nonfinite:
        assert found.error > 2 * found.rtol


@pytest.mark.parametrize("name", list(FAULTS))
def test_the_guilty_line_has_an_equation(name: str) -> None:
    case = FAULTS[name]
    assert {line for line, _ in case.fair} <= lines_in_program(case)
