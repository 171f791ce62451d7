"""Boxes: what stands for an array while a rule evaluates a program.

Their form is looked at where JAX would otherwise complain of its own loops and branches, of which
the user has written none.
"""

# JAX's own annotations are unknown in part.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax import lax


def is_plain(box: Any, aval: Any) -> bool:
    """Whether a box is nothing but the array that it stands for."""
    if not jax.tree_util.treedef_is_leaf(jax.tree.structure(box)):
        return False
    return getattr(jax.typeof(box), "dtype", None) == getattr(aval, "dtype", None)


def all_plain(atoms: Sequence[Any], boxes: Sequence[Any]) -> bool:
    """Whether each box is nothing but the array of its variable."""
    return all(is_plain(box, atom.aval) for atom, box in zip(atoms, boxes, strict=True))


def strong(tree: Any) -> Any:
    """Without weak types, which a rule should not have to think of and a loop must not change."""
    return jax.tree.map(_strong, tree)


def _strong(value: Any) -> Any:
    aval = jax.typeof(value)
    if not getattr(aval, "weak_type", False):
        return value
    return lax.convert_element_type(value, aval.dtype)


def settled(atoms: Sequence[Any], boxes: Sequence[Any]) -> list[Any]:
    """Boxes that a loop can carry: arrays as the program has them, all else without weak types."""
    return [
        box if is_plain(box, atom.aval) else strong(box)
        for atom, box in zip(atoms, boxes, strict=True)
    ]


def as_typed(box: Any, aval: Any) -> Any:
    """A plain box with the weak type, or none, that JAX would give the array."""
    weak = getattr(aval, "weak_type", None)
    if weak is None or not is_plain(box, aval) or jax.typeof(box).weak_type == weak:
        return box
    if not weak:
        return _strong(box)
    # The function of that name makes weak types strong where it has nothing else to convert.
    return lax.convert_element_type_p.bind(box, new_dtype=aval.dtype, weak_type=True, sharding=None)


def refuse_other_form(
    rule: Any, primitive: str, before: tuple[Any, Any], after: tuple[Any, Any]
) -> None:
    """Raises if the boxes and the state of one part of a loop or branch do not fit another's."""
    part = "results" if primitive == "cond" else "carry"
    for index, (box, found) in enumerate(zip(before[0], after[0], strict=True)):
        if _form(box) != _form(found):
            raise TypeError(
                f"{type(rule).__name__} gives box {index} of the {part} of {primitive!r} the form "
                f"{_form(found)}, where it had {_form(box)} before: the form of a box may depend "
                "on the shape and dtype of its array and on nothing else; let `equation` return "
                "boxes of the form that `lift` makes"
            )
    if _form(before[1]) != _form(after[1]):
        raise TypeError(
            f"{type(rule).__name__} gives the state of {primitive!r} the form "
            f"{_form(after[1])}, where it had {_form(before[1])} before: a loop carries the state, "
            "whose shapes and dtypes must stay as `start` makes them"
        )


def refuse_other_axes(rule: Any, primitive: str, atoms: Sequence[Any], boxes: Any) -> None:
    """Raises if a loop cannot slice a box along the first axis of its array."""
    for index, (atom, box) in enumerate(zip(atoms, boxes, strict=True)):
        for leaf in jax.tree.leaves(box):
            if not jax.numpy.shape(leaf) or jax.numpy.shape(leaf)[0] != atom.aval.shape[0]:
                raise TypeError(
                    f"{type(rule).__name__} made box {index} of the inputs of {primitive!r} with "
                    f"a leaf of shape {jax.numpy.shape(leaf)} for an array of shape "
                    f"{atom.aval.shape}: a loop slices both along their first axis; give each "
                    "leaf of a box the shape of its array"
                )


def _form(tree: Any) -> str:
    return str(jax.tree.map(_Kind, tree))


class _Kind:
    """The shape and dtype of an array, or the type of what is none, as a text."""

    def __init__(self, value: Any) -> None:
        self._aval = jax.typeof(value)

    def __repr__(self) -> str:
        shape = ",".join(str(size) for size in getattr(self._aval, "shape", ()))
        return f"{getattr(self._aval, 'dtype', self._aval)}[{shape}]"
