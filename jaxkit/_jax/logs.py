"""JAX's own log of an error that a callback raised.

Read on JAX 0.10.2 and 0.12.0.1: ``jax/_src/debugging.py`` logs the exception of a raising callback
before it hands it on. Where that logger is not used, the filter sees nothing and both are shown.
"""

from __future__ import annotations

import logging


def leave_out(kind: type[BaseException]) -> None:
    """Keeps JAX from logging errors of a class that is shown in another way."""
    logging.getLogger("jax._src.debugging").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], kind))
    )
