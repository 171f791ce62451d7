"""A traced program as a function again.

Read on JAX 0.10.2 and 0.12.0.1: ``jax.extend.core.jaxpr_as_fun`` takes a closed jaxpr.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

from jaxkit._jax.jaxprs import Program


def as_function(program: Program, *, jitted: bool) -> Callable[..., list[Any]]:
    """A function of the program's inputs that returns the leaves of its results.

    Args:
      program: as `jaxprs.trace` gives it.
      jitted: whether it stays one program where it is evaluated outside of `jax.jit`.
    """
    evaluate: Any = core.jaxpr_as_fun(program.written)
    return jax.jit(evaluate) if jitted else evaluate
