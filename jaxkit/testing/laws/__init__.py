"""The laws of a function transform, a few a file, in the order in which they are checked."""

from __future__ import annotations

from jaxkit.testing.laws._law import Law

__all__ = ["laws"]


def laws() -> dict[str, Law]:
    """All laws by their slugs, the most basic first."""
    from jaxkit.testing.laws import (
        arguments,
        callables,
        composition,
        derivatives,
        devices,
        errors,
        memory,
        results,
        state,
        statics,
        surroundings,
        threads,
    )

    parts = (
        *arguments.LAWS,
        *callables.LAWS,
        *results.LAWS,
        *statics.LAWS,
        *composition.LAWS,
        *derivatives.LAWS,
        *devices.LAWS,
        *state.LAWS,
        *surroundings.LAWS,
        *threads.LAWS,
        *errors.LAWS,
        *memory.LAWS,
    )
    found = {law.slug: law for law in parts}
    return {slug: found[slug] for slug in ORDER}


ORDER = tuple(
    "args signature callables methods values pytree dtype static jit vmap grad shard_map scan "
    "retrace pure isolation once lazy config threads exceptions mutation leak sharding".split()
)
