"""`shadow` and `nan_origin` against a corpus of faults that was written without a look at them.

A part of the corpus by default, every kind in it; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

import pytest

import jaxkit
from tests.numerics.faults.answers import misses
from tests.numerics.faults.corpus import FAULTS, STABLE
from tests.part import ALL, part

FIRST = {each.kind: each for each in reversed(FAULTS.values())}
NONFINITE = [each for each in FAULTS.values() if each.nonfinite]
TAKEN = {*FIRST.values(), *list(FAULTS.values())[::16]}
SHADOWED = [each for each in FAULTS.values() if ALL or each in TAKEN]


def test_nine_faults_in_ten_are_named_with_line_and_kind() -> None:
    missed = misses(jaxkit.shadow, SHADOWED)
    assert len(missed) <= len(SHADOWED) // 10, "\n".join(missed)


def test_nine_births_of_a_nan_in_ten_are_named_with_line_and_kind() -> None:
    cases = part(NONFINITE, 6)
    missed = misses(jaxkit.nan_origin, cases)
    assert len(missed) <= len(cases) // 10, "\n".join(missed)


@pytest.mark.parametrize("tool", ["shadow", "nan_origin"])
@pytest.mark.parametrize("name", part(STABLE, 10))
def test_sound_functions_have_no_findings(name: str, tool: str) -> None:
    report = getattr(jaxkit, tool)(STABLE[name].function)(*STABLE[name].args())
    assert report.ok, str(report)
