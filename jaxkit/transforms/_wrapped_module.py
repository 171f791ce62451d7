"""A callable pytree, such as an Equinox module, seen through a transform: again a pytree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import equinox as eqx
import jax

if TYPE_CHECKING:
    from jaxkit.transforms._transform import Transform

__all__ = ["WrappedModule", "is_pytree"]


def is_pytree(fun: Any) -> bool:
    """Whether JAX sees a node in it; what is below is not looked at: a model may be large."""
    tree = cast(Any, jax.tree_util)

    def is_child(node: Any) -> bool:
        return node is not fun

    return tree.tree_structure(fun, is_leaf=is_child) != tree.tree_structure(0)


# Equinox keeps these, and no others, besides a module's fields.
_DESCRIPTION = ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__")


class WrappedModule(eqx.Module):
    """A callable pytree seen through a transform.

    Its leaves are those of what it wraps: `filter_jit`, `filter_grad` and `jax.tree.map` work on it
    as on that. Wrapping again with equal options gives an equal structure, so that what was
    compiled for the first is used for the second.

    Args:
        fun: What is wrapped.
        transform: The transform, with its options.
        described: What has the name and the docstring.
    """

    fun: Any
    transform: Transform = eqx.field(static=True)

    def __init__(self, fun: Any, transform: Transform, described: Any) -> None:
        self.fun = fun
        self.transform = transform
        # As eqx.module_update_wrapper, which however copies all that is wrapped: a pytree that
        # changes its own state, as those of NNX, would go on in two.
        for name in _DESCRIPTION:
            if hasattr(described, name):
                setattr(self, name, getattr(described, name))

    @property
    def __wrapped__(self) -> Any:
        return self.fun

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Calls what is wrapped, through the transform."""
        return self.transform.apply(self.fun)(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method, where the wrapped thing would be one."""
        if instance is None or not hasattr(cast(Any, type(self.fun)), "__get__"):
            return self
        return jax.tree_util.Partial(self, instance)

    def __getattr__(self, name: str) -> Any:
        """What only some callables have: a name, and `lower` where there is something to lower."""
        if name in ("__name__", "__qualname__"):
            return getattr(cast(Any, type(self.fun)), name)
        if name == "lower" and hasattr(self.fun, "lower"):
            return cast(Any, eqx.filter_jit)(self).lower
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
