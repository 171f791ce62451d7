"""The kinds of lints: how bad each is, and where its rule is when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jaxkit.jaxpr.lints.code import Code
from jaxkit.report import Finding, Severity, SourceLine

Rule = Callable[[Code], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding.

    Attributes:
      rule: where its rule is, as ``module:function``.
      severity: of its findings.
      default: whether it is looked for when nobody asks for it.
    """

    rule: str
    severity: Severity = "warning"
    default: bool = True


def _kind(
    file: str, function: str, severity: Severity = "warning", *, default: bool = True
) -> Kind:
    return Kind(f"jaxkit.jaxpr.lints.{file}:{function}", severity, default)


KINDS: dict[str, Kind] = {
    "convert-roundtrip": _kind("conversions", "convert_roundtrip"),
    "dead-code": _kind("dead_code", "dead_code"),
    "default-matmul-precision": _kind(
        "matmul_precision", "default_matmul_precision", "info", default=False
    ),
    "donation-unusable": _kind("donation", "donation_unusable"),
    "duplicate-computation": _kind("duplicates", "duplicate_computation"),
    "f64-upcast": _kind("conversions", "f64_upcast"),
    "host-callback-in-loop": _kind("host_callback", "host_callback_in_loop"),
    "key-reuse": _kind("key_reuse", "key_reuse"),
    "large-constant": _kind("large_constant", "large_constant"),
    "log-of-softmax": _kind("log_of_softmax", "log_of_softmax"),
    "loop-invariant": _kind("loop_invariant", "loop_invariant"),
    "low-precision-accumulation": _kind("accumulation", "low_precision_accumulation"),
    "low-precision-upcast": _kind("conversions", "low_precision_upcast"),
    "transpose-pair": _kind("transposes", "transpose_pair"),
    "unguarded-where": _kind("unguarded_where", "unguarded_where", "info"),
    "unrolled-loop": _kind("unrolled_loop", "unrolled_loop"),
    "unused-input": _kind("unused_input", "unused_input", "info"),
    "weak-type-output": _kind("weak_type", "weak_type_output"),
}


def finding(
    kind: str, where: SourceLine | None, message: str, fix: str, data: dict[str, Any]
) -> Finding:
    """A finding of one of our kinds.

    Args:
      kind: the kind.
      where: the line.
      message: what it is and why it matters.
      fix: what to do.
      data: the figures.
    """
    return Finding(kind, KINDS[kind].severity, message, where, fix, data)
