"""Strategies of Hypothesis for what functions of JAX take."""

from jaxkit.testing.strategies._arrays import arrays
from jaxkit.testing.strategies._keys import keys
from jaxkit.testing.strategies._pytrees import pytrees
from jaxkit.testing.strategies._structs import shape_dtype_structs

__all__ = ["arrays", "keys", "pytrees", "shape_dtype_structs"]
