"""Matrix products that run in less than float32 on some devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.kinds import finding
from jaxkit.report import Finding


def default_matmul_precision(code: Code) -> Iterator[Finding]:
    """Matrix products and convolutions of float32 that name no precision.

    Args:
      code: the function.
    """
    for node in code.graph.nodes:
        if node.name not in ("dot_general", "conv_general_dilated") or node.backward:
            continue
        if _is_default(node.params.get("precision")) and all(
            value.dtype == "float32" for value in node.ins[:2]
        ):
            yield finding(
                "default-matmul-precision",
                node.where,
                f"{node.name} of {node.ins[0]} and {node.ins[1]} has the default precision: on TPU "
                "its operands are rounded to bfloat16, on many GPUs to TF32",
                "pass precision='highest', or set jax.default_matmul_precision('highest'), where "
                "that is not enough",
                {"primitive": node.name},
            )


def _is_default(precision: Any) -> bool:
    """Whether neither operand's precision is said, alone or as one of a pair."""
    named = {"HIGH", "HIGHEST"}
    words = str(precision).upper().replace(",", " ").replace(")", " ").replace(".", " ").split()
    return precision is None or ("DEFAULT" in words and named.isdisjoint(words))
