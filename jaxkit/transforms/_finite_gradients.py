"""Stopping at gradients that are not finite."""

# JAX annotates only part of what it exports; what is written here is checked strictly.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxkit.errors import NonFiniteError, UsageError
from jaxkit.report import Finding, Report
from jaxkit.transforms._gradient_leaves import Leaves

__all__ = ["raise_if_not_finite"]


def raise_if_not_finite(grads: Any) -> None:
    """Raises an error that names the leaves with NaN or infinite entries, if there are any.

    Args:
        grads: A tree of gradients whose values are known.

    Raises:
        NonFiniteError: There are; a finding for each leaf.
        UsageError: The values are not known: this is being traced.
    """
    leaves = Leaves(grads, "gradients")
    if any(isinstance(array, Tracer) for array in leaves.arrays):
        raise UsageError(
            "on_nonfinite='raise' needs values, which a trace (jit, vmap, grad, scan, shard_map) "
            "does not have; clip outside of it, or use on_nonfinite='zero', or with_norm=True and "
            "look at the norm outside: it is finite if the gradients are"
        )
    finite = np.asarray(_are_finite(leaves.arrays), bool)
    if not finite.all():
        bad = [i for i, good in enumerate(finite) if not good]
        findings = [_describe(leaves.paths[i], leaves.arrays[i]) for i in bad]
        others = len(bad) - 1
        more = f" (and {others} more {'leaves' if others > 1 else 'leaf'})" if others else ""
        report = Report("clip_gradients", findings)
        raise NonFiniteError(report, findings[0].message + more)


@jax.jit
def _are_finite(arrays: Sequence[Any]) -> list[jax.Array]:
    return [jnp.all(jnp.isfinite(jnp.asarray(array))) for array in arrays]


def _describe(path: str, array: Any) -> Finding:
    array = jnp.asarray(array)
    nan, infinite = int(jnp.isnan(array).sum()), int(jnp.isinf(array).sum())
    counts = [f"{count} {what}" for count, what in ((nan, "NaN"), (infinite, "infinite")) if count]
    first = int(jnp.argmax(~jnp.isfinite(array)))
    index = [int(i) for i in np.unravel_index(first, array.shape)]
    entries = "1 entry" if array.size == 1 else f"{array.size} entries"
    where = f", the first at {index}" if array.ndim else ""
    return Finding(
        "non-finite-gradient",
        "error",
        f"{path} is not finite: {' and '.join(counts)} of {entries}{where}",
        fix="jaxkit.nan_origin finds the operation that made it",
        data={"path": path, "nan": nan, "infinite": infinite, "size": array.size, "first": index},
    )
