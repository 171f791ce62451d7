"""Every case is what it claims to be: measured against float64 without jaxkit's numerics.

Not by default (tests/conftest.py): JAXKIT_ALL=1 in the environment takes it.
"""

from __future__ import annotations

import pytest

from tests.numerics.faults.case import KINDS
from tests.numerics.faults.corpus import FAULTS, JUDGED_FAULTS, JUDGED_STABLE, STABLE
from tests.numerics.faults.measure import coarsest_rtol, lines_in_program, measured

BOTH = {**FAULTS, **JUDGED_FAULTS}


@pytest.mark.parametrize("name", BOTH)
def test_a_fault_spoils_the_result(name: str) -> None:
    case = BOTH[name]
    found = measured(case)
    assert found.finite != case.nonfinite
    assert found.error > 2 * coarsest_rtol(case)


@pytest.mark.parametrize("name", STABLE)
def test_a_stable_twin_loses_nothing_that_matters(name: str) -> None:
    found = measured(STABLE[name])
    assert found.finite
    assert found.error <= found.rtol / 2


# The judge has sound functions that compute in bf16 and return float32.
@pytest.mark.parametrize("name", JUDGED_STABLE)
def test_a_control_of_the_judge_loses_nothing_that_matters(name: str) -> None:
    case = JUDGED_STABLE[name]
    found = measured(case)
    assert found.finite
    assert found.error <= coarsest_rtol(case) / 2


@pytest.mark.parametrize("name", BOTH)
def test_the_guilty_line_has_an_equation(name: str) -> None:
    assert BOTH[name].line in lines_in_program(BOTH[name])


def test_each_kind_has_a_fault() -> None:
    assert {each.kind for each in FAULTS.values()} == KINDS


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(FAULTS) >= 36
    assert len(STABLE) >= 18
    assert (len(JUDGED_FAULTS), len(JUDGED_STABLE)) == (49, 19)
    assert len(BOTH) == len(FAULTS) + len(JUDGED_FAULTS)
