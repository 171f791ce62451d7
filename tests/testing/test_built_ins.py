"""Our own transforms keep the laws; the page on the laws tells of all of them.

Every sixth of them by default; JAXKIT_ALL=1 in the environment takes all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxkit import transforms
from jaxkit.testing import check_transform
from jaxkit.testing.laws import laws
from tests.part import part
from tests.testing.built_ins import BUILT_INS, Case

PAGE = Path(__file__).parents[2] / "docs" / "laws.md"


TAKEN = part(BUILT_INS, 6)


@pytest.mark.parametrize("case", TAKEN, ids=lambda case: str(case.transform))
def test_no_law_is_broken(case: Case) -> None:
    report = check_transform(case.transform, subjects=case.subjects, level="quick")
    assert [f"{finding.kind}: {finding.message}" for finding in report.findings] == []


def test_none_is_left_out() -> None:
    ours = {name for name, entry in transforms.available().items() if entry.origin == "jaxkit"}
    assert {case.transform.name for case in BUILT_INS} == ours


def test_the_page_has_every_law_and_every_transform() -> None:
    page = PAGE.read_text("utf-8")
    for law in laws().values():
        assert f"| `{law.slug}` | {law.sentence}" in page
    for case in BUILT_INS:
        assert f"| `{case.transform}` |" in page
