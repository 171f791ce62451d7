"""Calls from the device back to Python, once in each turn of a loop."""

from __future__ import annotations

from collections.abc import Iterator

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Node
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.report import Finding

# A loop of fewer turns is not worth a word.
FEW_TURNS = 2
_CALLBACKS = frozenset({"pure_callback", "io_callback", "debug_callback", "debug_print"})


def host_callback_in_loop(code: Code) -> Iterator[Finding]:
    """Callbacks in loops of `FEW_TURNS` turns or more; one in a branch of a `cond` is let be.

    Args:
      code: the function.
    """
    for node in code.graph.nodes:
        if node.name in _CALLBACKS and node.region.in_loop and node.region.repeats >= FEW_TURNS:
            yield finding(
                "host-callback-in-loop",
                node.where,
                f"{_what(node)} runs {node.region.times}: in each turn the device waits for Python",
                "collect the values as an output of the loop and use them after it, or call only "
                "in some turns: jax.lax.cond(i % 100 == 0, call, skip)",
                {"primitive": node.name, "times": node.region.repeats},
            )


def _what(node: Node) -> str:
    if node.name.startswith("debug"):
        return "jax.debug.print or jax.debug.callback"
    return f"jax.{'experimental.' if node.name == 'io_callback' else ''}{node.name}"
