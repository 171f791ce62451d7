"""What `check_function` looks at, a few kinds a file, in the order in which they are checked."""

from __future__ import annotations

from jaxkit.testing.checks._case import Check

__all__ = ["checks"]


def checks() -> dict[str, Check]:
    """All checks by their kinds."""
    from jaxkit.testing.checks import derivatives, effects, modes, precision, stale

    parts = (
        *effects.CHECKS,
        *modes.CHECKS,
        *stale.CHECKS,
        *derivatives.CHECKS,
        *precision.CHECKS,
    )
    found = {check.kind: check for check in parts}
    return {kind: found[kind] for kind in ORDER}


ORDER = tuple("repeat mutation jit stale device vmap spmd grad jvp x64 leak".split())
