"""The kit against transforms that were written without a look at it.

Not by default (tests/conftest.py): JAXKIT_ALL=1 in the environment takes it.
"""

from __future__ import annotations

from typing import Any

import pytest

from jaxkit.testing import check_transform
from jaxkit.testing.laws import laws
from tests.testing.broken.broken_transforms import BROKEN
from tests.testing.broken.expected import BREAKS
from tests.testing.broken.sound_transforms import SOUND

pytestmark = pytest.mark.usefixtures("cheap_compilation")


def blamed(transform: Any) -> tuple[set[str], str]:
    report = check_transform(transform, level="quick")
    return {each.kind for each in report.findings}, str(report)


def test_every_law_is_broken_by_one() -> None:
    assert {BREAKS[name][0] for name in BROKEN} == set(laws())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_transform_is_blamed_for_its_law(name: str) -> None:
    kinds, report = blamed(BROKEN[name])
    assert kinds & set(BREAKS[name]), report
    assert len(kinds - set(BREAKS[name])) <= 1, report


@pytest.mark.parametrize("name", sorted(SOUND))
def test_a_sound_transform_is_not_blamed(name: str) -> None:
    kinds, report = blamed(SOUND[name])
    assert not kinds, report
