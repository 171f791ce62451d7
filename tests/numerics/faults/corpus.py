"""All cases by name: `FAULTS` and their sound twins, `STABLE`; `JUDGED_*` are a second corpus.

The second one is a blind judge's: his functions, lines and kinds stood before his first run of the
tools.
"""

from __future__ import annotations

from types import ModuleType

from tests.numerics.faults import (
    finite,
    gradients,
    judged_finite,
    judged_loops,
    judged_low_precision,
    judged_nonfinite,
    judged_stable,
    loops,
    low_precision,
    models,
    nonfinite,
    stable,
)
from tests.numerics.faults.case import Case, cases_of


def _split(*modules: ModuleType) -> tuple[dict[str, Case], dict[str, Case]]:
    """Faults and sound functions."""
    cases = {k: v for module in modules for k, v in cases_of(module).items()}
    faults = {k: v for k, v in cases.items() if v.kind is not None}
    return faults, {k: v for k, v in cases.items() if v.kind is None}


FAULTS, STABLE = _split(finite, gradients, loops, low_precision, models, nonfinite, stable)

JUDGED_FAULTS, JUDGED_STABLE = _split(
    judged_finite, judged_loops, judged_low_precision, judged_nonfinite, judged_stable
)
