# JAX's own annotations are partial:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Which arguments of a call have a batch axis, and where: `in_axes` by argument name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jax
import numpy as np

from jaxkit.transforms._options import near

__all__ = ["BatchAxes", "Leaf", "check_in_axes", "with_axes"]

InAxes = Mapping[str | int, Any]

# In place of an axis: 0, for arrays that have one. Numbers, single keys and strings are left alone.
WHERE_THERE_IS_ONE = object()
_PLACE = object()


@dataclass(frozen=True)
class Leaf:
    """An array that has the batch axis.

    Args:
        label: What the user would call it: `batch['x']`.
        value: The array.
        axis: The batch axis, from 0.
    """

    label: str
    value: Any
    axis: int

    @property
    def size(self) -> int:
        """How many examples there are in it."""
        return int(np.shape(self.value)[self.axis])

    def __str__(self) -> str:
        return f"{self.label} with {self.size} along axis {self.axis}"


def check_in_axes(in_axes: Any) -> None:
    """Refuses what is no mapping of arguments to axes.

    Raises:
        TypeError: It is not.
        ValueError: It is empty.
    """
    way = "give argument names and axes, such as in_axes={'batch': 0}"
    if not isinstance(in_axes, Mapping):
        raise TypeError(
            f"in_axes must be a mapping, got in_axes={in_axes!r} of type "
            f"{type(in_axes).__name__}: {way}"
        )
    if not in_axes:
        raise ValueError(f"in_axes must name an argument, got in_axes={{}}: {way}")
    for each in cast("Mapping[Any, Any]", in_axes):
        if not isinstance(each, (str, int)) or isinstance(each, bool):
            raise TypeError(f"in_axes must have names or positions as keys, got {each!r}: {way}")


class BatchAxes:
    """The arguments of one function that have a batch axis.

    Args:
        fun: The function as the user calls it.
        in_axes: An axis, or a pytree prefix of axes, for each argument: by name, or by position.
            None in it leaves that part of the argument alone. In place of all this None: axis 0
            of every array that has one, in all arguments but the first.
        signature: The function's, where it is another than `inspect.signature` tells.

    Raises:
        TypeError: A name that the function does not have.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        in_axes: InAxes | None,
        *,
        signature: inspect.Signature | None = None,
    ) -> None:
        self._in_axes = in_axes
        parameters = (signature or _signature(fun)).parameters.values()
        self._positional = [
            each.name
            for each in parameters
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        self._open = any(each.kind is each.VAR_KEYWORD for each in parameters)
        names = [each.name for each in parameters]
        for given in in_axes or ():
            if isinstance(given, str) and given not in names and not self._open:
                name = getattr(fun, "__name__", type(fun).__name__)
                raise TypeError(
                    f"in_axes names {given!r}, which {name}({', '.join(names)}) does not have; "
                    f"{near(given, names) or 'name one of its arguments'}"
                )

    def leaves(self, args: list[Any], kwargs: dict[str, Any]) -> list[Leaf]:
        """All arrays of a call that have the batch axis.

        Raises:
            ValueError: One does not have that axis, or they disagree on its size, or there are
                none.
        """
        found: list[Leaf] = []

        def collect(leaf: Leaf) -> Any:
            found.append(leaf)
            return leaf.value

        self.replace(args, kwargs, collect)
        if not found:
            raise ValueError(
                "in_axes must name an argument with an array in it, and none of this call's "
                f"has one, got in_axes={self._in_axes!r}"
            )
        first = found[0]
        for other in found:
            if other.size != first.size:
                raise ValueError(
                    "the arguments in in_axes must agree on the size of the batch, "
                    f"got {first} and {other}"
                )
        return found

    def replace(
        self, args: list[Any], kwargs: dict[str, Any], make: Callable[[Leaf], Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The call with something else in place of each array that has the batch axis."""

        def make_one(label: str, value: Any, axis: int) -> Any:
            return make(Leaf(label, value, axis))

        new_args, new_kwargs = list(args), dict(kwargs)
        for label, spec, place in self._places(args, kwargs):
            container: Any = new_args if isinstance(place, int) else new_kwargs
            container[place] = with_axes(container[place], spec, make_one, label=label)
        return new_args, new_kwargs

    def _places(self, args: list[Any], kwargs: dict[str, Any]) -> list[tuple[str, Any, int | str]]:
        """Label, axes and place of each argument that is named and was given."""
        if self._in_axes is None:
            axis = WHERE_THERE_IS_ONE
            rest = [(self._label(i), axis, i) for i in range(1, len(args))]
            given = [(name, axis, name) for name in kwargs if name != self._label(0)]
            return [*rest, *given]
        found: list[tuple[str, Any, int | str]] = []
        for given, spec in self._in_axes.items():
            place = given
            if isinstance(given, str) and given not in kwargs and given in self._positional:
                place = self._positional.index(given)
            if isinstance(place, int) and place >= len(args):
                place = self._label(place)
            if isinstance(place, int):
                found.append((self._label(place), spec, place))
            elif place in kwargs:
                found.append((place, spec, place))
        return found

    def _label(self, place: int) -> str:
        return self._positional[place] if place < len(self._positional) else f"args[{place}]"


def with_axes(
    tree: Any,
    axes: Any,
    make: Callable[[str, Any, int], Any],
    *,
    label: str,
    option: str = "in_axes",
) -> Any:
    """A tree with `make(label, array, axis)` in place of each array that has an axis.

    Args:
        tree: Any pytree.
        axes: An axis, or a pytree prefix of axes; None leaves a part as it is.
        make: What to put there; the axis is counted from 0.
        label: What messages call the tree.
        option: Which option the axes came from.

    Raises:
        ValueError: The axes do not fit the tree.
    """
    util: Any = cast(Any, jax.tree_util)
    # None in the tree is a leaf for now, so that each leaf has its axis.
    leaves, structure = util.tree_flatten_with_path(tree, is_leaf=_is_none)
    try:
        spread: Any = jax.tree.broadcast(
            axes, structure.unflatten([_PLACE] * len(leaves)), is_leaf=_is_none
        )
    except ValueError as error:
        raise ValueError(
            f"{option} must be an axis or a tree of axes with the structure of {label}, "
            f"got {axes!r}: {error}"
        ) from error
    flat = util.tree_leaves(spread, is_leaf=_is_none)
    made: list[Any] = []
    for (path, value), axis in zip(leaves, flat, strict=True):
        if value is None or axis is None or (axis is WHERE_THERE_IS_ONE and not _has_rows(value)):
            made.append(value)
            continue
        name = label + keystr(path)
        made.append(make(name, value, _axis(name, value, axis, option)))
    return structure.unflatten(made)


def keystr(path: Any) -> str:
    """The path to a leaf as it would be written in Python."""
    return cast(Any, jax.tree_util).keystr(path)


def _axis(label: str, value: Any, axis: Any, option: str) -> int:
    if axis is WHERE_THERE_IS_ONE:
        return 0
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise TypeError(f"{option} must hold axes, integers, got {axis!r} for {label}")
    shape: tuple[int, ...] = np.shape(value)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"{option} gives axis {axis} to {label}, whose shape is {shape}: "
            "give None to what has no batch axis"
        )
    return axis % len(shape)


def _has_rows(value: Any) -> bool:
    return hasattr(value, "dtype") and np.ndim(value) > 0


def _is_none(value: Any) -> bool:
    return value is None


def _signature(fun: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(fun)
    except (TypeError, ValueError):

        def anything(*args: Any, **kwargs: Any) -> None: ...

        return inspect.signature(anything)
