"""What of a program depends on where it runs: platforms of branches, devices of a mesh."""

from __future__ import annotations

import math
from typing import Any

import jax


def branch_of_platform(eqn: Any) -> int | None:
    """Which branch is for the platform of this process; None where values choose."""
    platforms = eqn.params.get("branches_platforms")
    if platforms is None:
        return None
    here = jax.default_backend()
    names = {here, "cuda" if here == "gpu" else here}
    rest: int | None = None
    for index, each in enumerate(platforms):
        if each is None:
            rest = index
        elif names & set(each):
            return index
    return rest


def manual_devices(eqn: Any, devices: int) -> int:
    """On how many devices the body of a ``shard_map`` runs, each on a part.

    Axes of the mesh that it leaves to the compiler do not count: along those the body's arrays
    are whole.

    Args:
      eqn: the equation.
      devices: what is known without its axes.
    """
    if devices == 1:
        return 1
    axes = eqn.params.get("newly_manual_axes") or eqn.params.get("manual_axes")
    shape: Any = getattr(eqn.params.get("mesh"), "shape", None)
    if not axes or shape is None:
        return devices
    return math.prod(shape[axis] for axis in axes)
