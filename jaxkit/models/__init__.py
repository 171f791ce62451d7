"""Models of Equinox that are small, exact and readable.

Each takes one example, and a batch by `jax.vmap(model)(batch)`. Each is a pytree of arrays and of
nothing else: `jax.jit`, `jax.grad`, `jax.tree.map` and optax take it as it is, without filters.

Example:
    >>> import jax
    >>> from jaxkit.models import MLP
    >>> model = MLP(3, 2, width=8, depth=1, key=jax.random.key(0))
    >>> jax.vmap(model)(jax.numpy.ones((5, 3))).shape
    (5, 2)

Each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxkit.models._summary import Summary as Summary
    from jaxkit.models._summary import summary as summary
    from jaxkit.models.attention import Attention as Attention
    from jaxkit.models.conv_net import ConvNet as ConvNet
    from jaxkit.models.gru import GRU as GRU
    from jaxkit.models.linear_regression import LinearRegression as LinearRegression
    from jaxkit.models.mlp import MLP as MLP
    from jaxkit.models.rotary import rotate as rotate
    from jaxkit.models.sampling import generate as generate
    from jaxkit.models.transformer import Block as Block
    from jaxkit.models.transformer import Cache as Cache
    from jaxkit.models.transformer import Transformer as Transformer

# A name, and where it is when it is first asked for.
_WHERE = {
    "Attention": "attention",
    "Block": "transformer",
    "Cache": "transformer",
    "ConvNet": "conv_net",
    "GRU": "gru",
    "LinearRegression": "linear_regression",
    "MLP": "mlp",
    "Summary": "_summary",
    "Transformer": "transformer",
    "generate": "sampling",
    "rotate": "rotary",
    "summary": "_summary",
}

# Once more, for those who read without running.
__all__ = [
    "GRU",
    "MLP",
    "Attention",
    "Block",
    "Cache",
    "ConvNet",
    "LinearRegression",
    "Summary",
    "Transformer",
    "generate",
    "rotate",
    "summary",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'jaxkit.models' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
