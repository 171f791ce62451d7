"""A jitted function seen through a transform, which can still be lowered, traced and cleared."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

from jaxkit._jax import jitted

__all__ = ["WrappedJit"]


class WrappedJit:
    """A function with the methods of a jitted one; they tell about the transform and the function.

    The methods stand in the class, not on a function: `functools.wraps`, and so `jax.vmap`, copies
    what is on a function, and would then lower without the `vmap`.

    Args:
        call: The function.
        whole: The same under `jax.jit`, with the arguments static that were.
        inner: The jitted function that was wrapped.
    """

    # All that others may copy is in __dict__, of which none of these is a part.
    __slots__ = ("__dict__", "__weakref__", "_call", "_inner", "_whole")

    def __init__(self, call: Callable[..., Any], whole: Any, inner: Any) -> None:
        self._call = call
        self._whole = whole
        self._inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    @property
    def lower(self) -> Callable[..., Any]:
        """As that of `jax.jit`, of the whole."""
        return self._whole.lower

    @property
    def trace(self) -> Callable[..., Any]:
        """As that of `jax.jit`, of the whole."""
        return self._whole.trace

    @property
    def eval_shape(self) -> Callable[..., Any]:
        """As that of `jax.jit`, of the whole."""
        return self._whole.eval_shape

    def clear_cache(self) -> None:
        """Forgets what was compiled, for the whole and for the function that was wrapped."""
        self._whole.clear_cache()
        if jitted.is_jitted(self._inner):
            self._inner.clear_cache()

    def __repr__(self) -> str:
        return f"<transformed {self.__dict__['__wrapped__']!r}>"

    def __reduce__(self) -> str:
        return self.__dict__["__qualname__"]  # as functions are: by where they are found
