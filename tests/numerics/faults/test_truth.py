"""Every case is what it claims to be: measured against float64 without jaxkit's numerics.

Every second case by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

import os

import pytest

from tests.numerics.faults.case import KINDS
from tests.numerics.faults.corpus import FAULTS, STABLE
from tests.numerics.faults.measure import coarsest_rtol, lines_in_program, measured

EVERY = 1 if os.environ.get("JAXKIT_ALL") == "1" else 2


@pytest.mark.parametrize("name", list(FAULTS)[::EVERY])
def test_a_fault_spoils_the_result(name: str) -> None:
    case = FAULTS[name]
    found = measured(case)
    assert found.finite != case.nonfinite
    assert found.error > 2 * coarsest_rtol(case)


@pytest.mark.parametrize("name", list(STABLE)[::EVERY])
def test_a_stable_twin_loses_nothing_that_matters(name: str) -> None:
    found = measured(STABLE[name])
    assert found.finite
    assert found.error <= found.rtol / 2


@pytest.mark.parametrize("name", list(FAULTS))
def test_the_guilty_line_has_an_equation(name: str) -> None:
    assert FAULTS[name].line in lines_in_program(FAULTS[name])


def test_each_kind_has_a_fault() -> None:
    assert {each.kind for each in FAULTS.values()} == KINDS


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(FAULTS) >= 36
    assert len(STABLE) >= 18
