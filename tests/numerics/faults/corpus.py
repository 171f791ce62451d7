"""All cases by name: `FAULTS` and their sound twins, `STABLE`."""

from __future__ import annotations

from tests.numerics.faults import finite, gradients, loops, low_precision, models, nonfinite, stable
from tests.numerics.faults.case import Case, cases_of

_WHERE = (finite, gradients, loops, low_precision, models, nonfinite, stable)

CASES: dict[str, Case] = {k: v for module in _WHERE for k, v in cases_of(module).items()}
FAULTS: dict[str, Case] = {k: v for k, v in CASES.items() if v.kind is not None}
STABLE: dict[str, Case] = {k: v for k, v in CASES.items() if v.kind is None}
