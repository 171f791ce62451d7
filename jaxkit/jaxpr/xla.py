"""XLA's own figures beside ours, and why they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxkit._jax.compiled import Compiled, compile_program
from jaxkit._jax.jaxprs import Program
from jaxkit.jaxpr.cost import Cost, Costs
from jaxkit.jaxpr.memory import Peak
from jaxkit.jaxpr.units import bytes_text, flops_text
from jaxkit.report import Report, Table, Text
from jaxkit.report.blocks import Block

_ALIKE = 0.02


def compare_with_xla(
    program: Program, costs: Costs, peak: Peak, donated: tuple[int, ...] = ()
) -> Report:
    """Compiles a program and puts what the compiler says beside what we counted.

    Args:
      program: the program.
      costs: its costs.
      peak: its worst moment.
      donated: inputs that may be overwritten.

    Returns:
      a report; its `data` has ``ours``, ``xla`` and ``reasons``.
    """
    found = compile_program(program.lowered, donated)
    total = costs.per_device
    rows = _rows(found, total, peak)
    reasons = list(_reasons(found, costs, program))
    data: dict[str, Any] = {
        "platform": found.platform,
        "ours": {name: ours for name, ours, _ in rows},
        "xla": {name: theirs for name, _, theirs in rows},
        "reasons": reasons,
    }
    return Report("xla", (), data, _blocks(found.platform, rows, reasons))


Row = tuple[str, int, int | None]


def _rows(found: Compiled, total: Cost, peak: Peak) -> list[Row]:
    parts = (found.arguments, found.results, found.temporary)
    memory: int | None = None
    if all(part is not None for part in parts):
        memory = sum(part or 0 for part in parts) - (found.aliased or 0)
    return [
        ("flops", total.flops - total.transcendentals, _known(found.flops)),
        ("transcendentals", total.transcendentals, _known(found.transcendentals)),
        ("bytes", total.bytes, _known(found.bytes)),
        ("peak_bytes", peak.bytes, memory),
    ]


def _known(value: float | None) -> int | None:
    """-1 is XLA's word for not knowing."""
    return None if value is None or value < 0 else round(value)


def _reasons(found: Compiled, costs: Costs, program: Program) -> Sequence[str]:
    total, names = costs.per_device, costs.primitives
    has = {name for name, count in names.items() if count}
    reasons: list[str] = []
    if _known(found.flops) is None:
        reasons.append("XLA does not know the operations of a call to a library or to Python")
    if has & {"scan", "while"}:
        reasons.append("XLA counts the body of a loop once, however often it turns")
    if total.transcendentals:
        reasons.append(
            "transcendental functions are evaluations apart in both rows; XLA replaces some of "
            "them by operations"
        )
    if total.padding_flops:
        reasons.append(
            f"{flops_text(total.padding_flops)} multiply zeros of a convolution's padding or "
            "dilation, which XLA leaves out"
        )
    if total.linalg_flops:
        reasons.append(
            "decompositions, solves and Fourier transforms are calls to a library: XLA counts "
            "none of their operations, or a nominal number"
        )
    if costs.total != total:
        reasons.append("both are figures of one device; all devices together do more")
    if has & {"cond"}:
        reasons.append("of several branches both count the largest, each by its own figures")
    if has & {"cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "argmax", "argmin", "sort"}:
        reasons.append("XLA counts how it does cumulative sums, argmax and sorts: more operations")
    if has & {"gather", "scatter", "scatter-add", "dynamic_slice", "dynamic_update_slice"}:
        reasons.append("XLA counts the arithmetic of indices in gathers, scatters and slices")
    if has & {"random_bits", "threefry2x32", "rng_bit_generator"}:
        reasons.append("random bits are integer operations, which XLA counts as compiled")
    if any(var.aval.dtype.kind == "c" for var in program.lowered.jaxpr.invars if _has_dtype(var)):
        reasons.append("XLA counts a product of complex numbers as one of real ones")
    reasons.append(
        "XLA drops what no result needs, simplifies, and fuses: it moves fewer bytes, and stores "
        "and computes again as it sees fit"
    )
    return reasons


def _has_dtype(var: Any) -> bool:
    return hasattr(getattr(var.aval, "dtype", None), "kind")


def _blocks(platform: str, rows: list[Row], reasons: Sequence[str]) -> list[Block]:
    texts = {"flops": flops_text, "transcendentals": str}
    names = {
        "flops": "FLOPs without transcendentals",
        "transcendentals": "transcendentals",
        "bytes": "bytes moved",
        "peak_bytes": "peak memory",
    }
    cells = [
        (
            names[name],
            texts.get(name, bytes_text)(ours),
            "not known" if theirs is None else texts.get(name, bytes_text)(theirs),
            f"{ours / theirs:.2f}" if theirs else "",
        )
        for name, ours, theirs in rows
    ]
    table = Table(
        ["", "jaxkit", f"XLA on {platform}", "ratio"],
        cells,
        align=["left", "right", "right", "right"],
    )
    differ = any(theirs is None or abs(ours - theirs) > _ALIKE * ours for _, ours, theirs in rows)
    shown = [Text(f"- {reason}") for reason in reasons] if differ else []
    head = [Text("Why they differ:", style="heading")] if shown else []
    return [table, *head, *shown]
