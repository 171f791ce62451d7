"""`shadow` and `nan_origin` against the corpus of a judge, who wrote it before he ran them.

A small part of the corpus by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

import pytest

import jaxkit
from tests.numerics.faults.answers import misses
from tests.numerics.faults.corpus import JUDGED_FAULTS, JUDGED_STABLE
from tests.part import part

FINITE = part([each for each in JUDGED_FAULTS.values() if not each.nonfinite], 8)
NONFINITE = part([each for each in JUDGED_FAULTS.values() if each.nonfinite], 8)


def test_nine_finite_faults_in_ten_are_named_with_line_and_kind() -> None:
    missed = misses(jaxkit.shadow, FINITE)
    assert len(missed) <= len(FINITE) // 10, "\n".join(missed)


def test_nine_births_of_a_nan_in_ten_are_named_with_line_and_kind() -> None:
    missed = misses(jaxkit.nan_origin, NONFINITE)
    assert len(missed) <= len(NONFINITE) // 10, "\n".join(missed)


@pytest.mark.parametrize("tool", ["shadow", "nan_origin"])
@pytest.mark.parametrize("name", part(JUDGED_STABLE, 10))
def test_sound_functions_have_no_findings(name: str, tool: str) -> None:
    case = JUDGED_STABLE[name]
    report = getattr(jaxkit, tool)(case.function)(*case.args())
    assert report.ok, str(report)
