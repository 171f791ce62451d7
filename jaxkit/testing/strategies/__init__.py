"""Strategies of Hypothesis for what functions of JAX take."""

from jaxkit.testing.strategies._annotations import from_annotation
from jaxkit.testing.strategies._arguments import arguments_for
from jaxkit.testing.strategies._arrays import arrays
from jaxkit.testing.strategies._keys import keys
from jaxkit.testing.strategies._modules import modules
from jaxkit.testing.strategies._pytrees import pytrees
from jaxkit.testing.strategies._structs import shape_dtype_structs

__all__ = [
    "arguments_for",
    "arrays",
    "from_annotation",
    "keys",
    "modules",
    "pytrees",
    "shape_dtype_structs",
]
