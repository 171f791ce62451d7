"""`modules`: Equinox modules, from what makes them."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from jaxkit.testing.strategies._call import Call
from jaxkit.testing.strategies._described import described
from jaxkit.testing.strategies._keys import keys
from jaxkit.testing.strategies._signature import name_of, parameters_of
from jaxkit.testing.strategies._sketch import Settings, complete

__all__ = ["modules"]

T = TypeVar("T")


def modules(factory: Callable[..., T], /, **fields: Any) -> st.SearchStrategy[T]:
    """Draws what a factory makes: a module class from its fields, or a function of a key.

    A parameter named `key` is a PRNG key even without an annotation. Other parameters are drawn
    from their annotations, dimensions agreeing, unless they are given here.

    Example:
        >>> import equinox as eqx
        >>> from hypothesis import find
        >>> from jaxtyping import Array, Float
        >>> from jaxkit.testing import modules
        >>> class Affine(eqx.Module):
        ...     weight: Float[Array, "out in"]
        ...     bias: Float[Array, "out"]
        >>> find(modules(Affine), lambda affine: affine.bias.shape == (3,)).weight.shape[0]
        3
        >>> norms = modules(eqx.nn.LayerNorm, shape=4)
        >>> find(norms, lambda norm: True).weight.shape
        (4,)

    Args:
        factory: A class, or a function such as `lambda key: eqx.nn.MLP(2, 3, 4, 1, key=key)`.
        **fields: What to give for single parameters: strategies, or values. A parameter with a
            default that is not given here keeps it.

    Returns:
        A strategy of what the factory returns.

    Raises:
        TypeError: A parameter without a default has no annotation, or one from which nothing can
            be drawn; a field that is no parameter.
    """
    given = dict(fields)
    for parameter in parameters_of(factory):
        starred = parameter.kind in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        )
        if parameter.name == "key" and not starred:
            given.setdefault("key", keys())
    call = Call.of(factory, given, keep_defaults=True)

    def drawn(draw: Any) -> T:
        values = {
            name: draw(value) if isinstance(value, st.SearchStrategy) else value
            for name, value in given.items()
        }
        args, kwargs = complete(
            draw,
            Settings(),
            lambda sketch: call.sketch(sketch, values),
            name=f"modules({name_of(factory)})",
        )
        return factory(*args, **kwargs)

    return described("modules", drawn, factory, **fields)
