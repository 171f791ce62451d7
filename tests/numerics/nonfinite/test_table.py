"""Every fault of the table is found on its line, with its kind; the controls have no findings.

Every fourth fault by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

import pytest

from jaxkit import nan_origin
from tests.numerics.nonfinite.table import FAULTS, SOUND
from tests.part import part


@pytest.mark.parametrize("name", part(FAULTS, 4))
def test_the_guilty_line_and_kind(name: str) -> None:
    case = FAULTS[name]
    report = nan_origin(case.function)(*case.args())
    assert report.findings, str(report)
    first = report.findings[0]
    assert first.where is not None
    assert (first.where.line, first.kind) in case.fair, first.message
    assert first.where.file == case.file
    assert first.fix


@pytest.mark.parametrize("name", SOUND)
def test_what_is_meant_is_not_blamed(name: str) -> None:
    case = SOUND[name]
    report = nan_origin(case.function)(*case.args())
    assert report.findings == (), str(report)
