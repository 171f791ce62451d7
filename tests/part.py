"""What of a large set of cases the suite takes by default.

JAXKIT_ALL=1 in the environment takes all of it; `.ci/run` does so for each file that says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

ALL = os.environ.get("JAXKIT_ALL") == "1"


def part(cases: Iterable[T], every: int) -> list[T]:
    """All cases, or one of so many."""
    return list(cases)[:: 1 if ALL else every]
