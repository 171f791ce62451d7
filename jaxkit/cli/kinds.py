"""What the numerical tools may find, by kind: what `--fail-on` may name."""

from __future__ import annotations

__all__ = ["APPLIED", "NONFINITE", "PRECISION"]

NONFINITE = ("overflow", "underflow", "division-by-zero", "log-of-zero", "invalid")
PRECISION = (
    "cancellation",
    "absorption",
    "ill-conditioned",
    *NONFINITE,
    "reduction-low-precision",
    "error-accumulation",
    "low-precision-cast",
    "branch-divergence",
)
# Of transforms that `--apply` puts on a program.
APPLIED = (*PRECISION, "non-finite-output", "error")
