"""`pytrees`: trees of drawn leaves, of a small number of structures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from hypothesis import strategies as st

from jaxkit.testing.strategies._described import described
from jaxkit.testing.strategies._elements import DrawFn

__all__ = ["STRUCTURES", "Pair", "pytrees"]


class Pair(NamedTuple):
    """A named tuple among the structures: code that rebuilds tuples by hand loses its class."""

    first: Any
    second: Any


# Each 0 stands for a leaf; the simplest first.
STRUCTURES = (
    0,
    (0,),
    [0, 0],
    {"b": 0, "a": 0},
    Pair(0, 0),
    {"w": [0, 0], "b": (0,)},
    ((0, {"a": 0}), Pair(0, [0])),
)
_WITHOUT_LEAVES = ((), {}, None)
_WITH_NONE = ((0, None), {"w": 0, "b": None}, [Pair(None, 0), 0])


def pytrees(
    leaves: st.SearchStrategy[Any],
    *,
    structures: Sequence[Any] | None = None,
    allow_empty: bool = False,
    allow_none: bool = False,
) -> st.SearchStrategy[Any]:
    """Draws pytrees; shrinks to a single leaf.

    Seven structures of up to four leaves can arise (leaf, tuple, list, dict, named tuple and
    nestings of them), so that a jitted function compiles seven times for each shape of a leaf.

    Example:
        >>> from hypothesis import find
        >>> from jaxkit.testing import arrays, pytrees
        >>> find(pytrees(arrays("int32", 1)), lambda tree: isinstance(tree, dict))
        {'b': Array([0], dtype=int32), 'a': Array([0], dtype=int32)}

    Args:
        leaves: What each leaf is drawn from.
        structures: Trees, of which the structure is taken and the leaves are replaced, instead of
            the seven; the simplest first.
        allow_empty: Whether trees without a leaf are drawn as well: `()`, `{}` and None.
        allow_none: Whether trees are drawn as well that have None beside their leaves.

    Returns:
        A strategy of trees.

    Raises:
        TypeError: `leaves` is no strategy.
        ValueError: There are no structures.
    """
    if not isinstance(leaves, st.SearchStrategy):
        raise TypeError(
            f"leaves must be a strategy such as arrays('float32', (3,)), got leaves={leaves!r}"
        )
    pool = [*(STRUCTURES if structures is None else structures)]
    pool += [*(_WITH_NONE if allow_none else ()), *(_WITHOUT_LEAVES if allow_empty else ())]
    if not pool:
        raise ValueError(f"structures must have at least one tree, got structures={structures!r}")
    templates = st.sampled_from(pool)

    def drawn(draw: DrawFn) -> Any:
        return _filled(draw(templates), lambda: draw(leaves))

    return described(
        "pytrees",
        drawn,
        leaves,
        structures=structures,
        allow_empty=allow_empty or None,
        allow_none=allow_none or None,
    )


def _filled(tree: Any, leaf: Callable[[], Any]) -> Any:
    """The tree with other leaves. `jax.tree.map` would sort the keys of dicts."""
    if type(tree) is dict:
        return {key: _filled(value, leaf) for key, value in tree.items()}
    if type(tree) in (tuple, list, Pair):
        parts = [_filled(value, leaf) for value in tree]
        return Pair(*parts) if type(tree) is Pair else type(tree)(parts)
    return jax.tree.map(lambda _: leaf(), tree)
