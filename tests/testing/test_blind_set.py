"""The kit against transforms that were written without a look at it.

For every fourth law one, and every 24th of the sound ones, by default; JAXKIT_ALL=1 in the
environment takes all.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from jaxkit.testing import check_transform
from jaxkit.testing.laws import laws
from tests.testing.broken.broken_transforms import BROKEN
from tests.testing.broken.expected import BREAKS
from tests.testing.broken.sound_transforms import SOUND

pytestmark = pytest.mark.usefixtures("cheap_compilation")

FIRST = {slug: next(name for name in BROKEN if slug == BREAKS[name][0]) for slug in laws()}
# The suite runs a few of them, as test_check_transform.py does of its own, CI all.
ALL = os.environ.get("JAXKIT_ALL") == "1"


def blamed(transform: Any) -> tuple[set[str], str]:
    report = check_transform(transform, level="quick")
    return {each.kind for each in report.findings}, str(report)


@pytest.mark.parametrize("name", list(BROKEN if ALL else list(FIRST.values())[::4]))
def test_a_broken_transform_is_blamed_for_its_law(name: str) -> None:
    kinds, report = blamed(BROKEN[name])
    assert kinds & set(BREAKS[name]), report
    assert len(kinds - set(BREAKS[name])) <= 1, report


@pytest.mark.parametrize("name", sorted(SOUND)[:: 1 if ALL else 24])
def test_a_sound_transform_is_not_blamed(name: str) -> None:
    kinds, report = blamed(SOUND[name])
    assert not kinds, report
