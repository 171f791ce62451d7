"""Named scopes without the marks that JAX's transformations leave on them."""

from __future__ import annotations

import functools
import re

# Innermost first: what is in the parentheses has none of its own.
_MARK = re.compile(r"\b(?:jvp|transpose|vmap|linearize)\(([^()]*)\)")
_BACKWARD = " (backward)"


@functools.lru_cache(maxsize=20_000)
def clean(scope: str) -> str:
    """The user's own names of a name stack.

    Example:
      >>> clean("transpose(jvp(encoder))/attention")
      'encoder/attention (backward)'
      >>> clean("vmap(jvp())/head")
      'head'

    Args:
      scope: a name stack as JAX writes it.

    Returns:
      the names, joined by ``/``; what runs backward is marked where it has a name.
    """
    backward = "transpose(" in scope
    while "(" in scope:
        scope, found = _MARK.subn(r"\1", scope)
        if not found:
            break
    names = "/".join(name for name in scope.split("/") if name)
    return names + _BACKWARD if names and backward else names
