"""Several transforms as one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

__all__ = ["Chain", "chain"]

Link = Callable[[Any], Any]


@dataclass(frozen=True, repr=False)
class Chain:
    """Transforms one after the other; made by `chain`.

    Args:
        links: The transforms, the innermost first.
    """

    links: tuple[Link, ...]
    _jaxkit_link: ClassVar[bool] = True

    def __call__(self, fun: Callable[..., Any], /) -> Callable[..., Any]:
        """Wraps a function.

        Args:
            fun: A function, or a static or class method that is being defined.

        Returns:
            What the last link returned; `fun` itself if there are no links.

        Raises:
            TypeError: `fun`, or what a link made of it, cannot be called.
        """
        if isinstance(fun, (staticmethod, classmethod)):
            method = cast(Any, fun)
            return type(method)(self(method.__func__))
        if not callable(fun):
            raise TypeError(f"chain() wraps a function, got {fun!r} of type {type(fun).__name__}")
        for i, link in enumerate(self.links):
            made = link(fun)
            if not callable(made):
                raise TypeError(
                    f"each link must return a function, "
                    f"got {made!r} of type {type(made).__name__} from links[{i}], {_name(link)}"
                )
            fun = made
        return fun

    def __repr__(self) -> str:
        return f"chain({', '.join(map(_name, self.links))})"


def chain(*links: Link) -> Chain:
    """Puts transforms together, the innermost first: `chain(a, b)(f)` is `b(a(f))`.

    Anything that maps a function to a function is a link: a transform of ours with its options,
    `jax.grad`, `jax.jit`, `eqx.filter_jit`, `functools.partial(jax.jit, static_argnums=0)`.

    Example:
        >>> import jax, jaxkit
        >>> derivative = jaxkit.chain(jax.grad, jax.jit)
        >>> float(derivative(lambda x: x**2)(3.0))
        6.0

    Args:
        links: The transforms. Chains among them are flattened; none at all is the identity.

    Returns:
        A Chain, itself a link. Chains with equal links are equal.

    Raises:
        TypeError: A link cannot be called; the message says which.
    """
    flat: list[Link] = []
    for i, link in enumerate(links):
        if isinstance(link, Chain):
            flat.extend(link.links)
        elif callable(link):
            flat.append(link)
        else:
            raise TypeError(
                f"links must be functions from function to function, "
                f"got links[{i}]={link!r} of type {type(link).__name__}"
            )
    return Chain(tuple(flat))


def _name(link: Any) -> str:
    if isinstance(link, functools.partial):
        inner = cast(Any, link)
        return f"partial({', '.join([_name(inner.func), *_arguments(inner)])})"
    name = getattr(link, "__qualname__", None)
    if getattr(cast(Any, type(link)), "_jaxkit_link", None) is True or not isinstance(name, str):
        return repr(link)
    return f"jax.{name}" if str(getattr(link, "__module__", "")).startswith("jax.") else name


def _arguments(inner: Any) -> list[str]:
    return [*map(repr, inner.args), *(f"{key}={value!r}" for key, value in inner.keywords.items())]
