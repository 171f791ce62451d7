"""What a timed function is called with: on its device beforehand, copied if it is donated."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxkit._jax.jitted import is_jitted, static_arguments

__all__ = ["Arguments", "Call", "compiled_as_whole", "copied"]

Call = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass
class Arguments:
    """The arguments of every timed call.

    Attributes:
        args: Positional ones.
        kwargs: Keyword ones.
        donated: Whether a call uses up some of them, so that each gets copies.
        moved: Paths of NumPy arrays that were put on the device, and their bytes.
        given: The arguments as the user gave them.
        setup: What makes them anew before each call.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    donated: bool = False
    moved: tuple[tuple[str, int], ...] = ()
    given: Call = ((), {})
    setup: Callable[[], Any] | None = None

    @property
    def reusable(self) -> bool:
        """Whether all calls can have the same."""
        return not self.donated and self.setup is None

    def fresh(self, count: int) -> list[Call]:
        """Arguments for so many calls, ready before the clock starts."""
        return [self.one() for _ in range(count)]

    def one(self) -> Call:
        """Arguments for one call."""
        call: Call = (self.args, self.kwargs)
        if self.setup is not None:
            made = self.setup()
            call = call if made is None else _as_call(made)
        if self.donated:
            call = copied(call)
        jax.block_until_ready(call)
        return call

    @property
    def nbytes(self) -> int:
        """Of one copy."""
        leaves = jax.tree.leaves((self.args, self.kwargs))
        return sum(leaf.nbytes for leaf in leaves if isinstance(leaf, jax.Array))


def _as_call(made: Any) -> Call:
    if isinstance(made, tuple):
        if len(made) == 2 and isinstance(made[0], tuple) and isinstance(made[1], dict):
            return made
        return made, {}
    raise TypeError(
        "setup must return None or the tuple of a call's arguments, got a value of type "
        f"{type(made).__name__}; return (value,)"
    )


def compiled_as_whole(fun: Any) -> bool:
    """Whether a call is one compiled program, to which only the arrays' values matter."""
    return is_jitted(fun) or type(fun).__module__.startswith("equinox._jit")


def prepared(fun: Any, args: tuple[Any, ...], kwargs: dict[str, Any], setup: Any) -> Arguments:
    """Arguments on the device, as far as that changes nothing but who pays for the transfer.

    Args:
        fun: The function; arguments of one that is not compiled as a whole stay as they are.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        setup: What makes them anew.
    """
    given = (args, kwargs)
    if not compiled_as_whole(fun):
        return Arguments(args, kwargs, given=given, setup=setup)
    numbers, names = static_arguments(fun) if is_jitted(fun) else ((), ())
    fixed = {n % len(args) for n in numbers if -len(args) <= n < len(args)}
    moved: list[tuple[str, int]] = []

    def placed(path: Any, leaf: Any) -> Any:
        top = path[1]
        static = top.idx in fixed if path[0].idx == 0 else top.key in names
        if static or not isinstance(leaf, (np.ndarray, np.generic)) or not _goes(leaf):
            return leaf
        if isinstance(leaf, np.ndarray):
            moved.append((jax.tree_util.keystr(path[1:]), leaf.nbytes))
        return jax.device_put(leaf)

    new_args, new_kwargs = jax.tree_util.tree_map_with_path(placed, given)
    jax.block_until_ready((new_args, new_kwargs))
    return Arguments(new_args, new_kwargs, moved=tuple(moved), given=given, setup=setup)


def _goes(leaf: Any) -> bool:
    """Whether JAX has arrays of its dtype."""
    return leaf.dtype.kind in "biufcV" and leaf.dtype.names is None


def copied(value: Any) -> Any:
    """The same with every array copied, where it is and as weakly typed; NumPy arrays too."""

    def copy(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and not leaf.is_deleted():
            return jax.device_put(leaf, may_alias=False)
        if isinstance(leaf, np.ndarray):
            return leaf.copy()
        torch: Any = sys.modules.get("torch")
        if torch is not None and isinstance(leaf, torch.Tensor):
            return _torch_copy(leaf)
        return leaf

    return jax.tree.map(copy, value)


def _torch_copy(tensor: Any) -> Any:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def deleted(value: Any) -> bool:
    """Whether a call has used up some of its arguments."""
    return any(isinstance(leaf, jax.Array) and leaf.is_deleted() for leaf in jax.tree.leaves(value))
