"""Outputs beside the same in double precision, as findings and as a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxkit.compiles.wording import counted
from jaxkit.numerics._calls import Target
from jaxkit.numerics.comparing.accuracy import Accuracy, accuracy_of, default_rtol
from jaxkit.numerics.nonfinite.leaves import Place
from jaxkit.report import Finding, Report, Table, Text
from jaxkit.report.blocks import Align
from jaxkit.report.finding import Severity

__all__ = ["Compared", "Other", "compared", "report_of"]

_LINES = "jaxkit.shadow(fun)(*args) says which line is to blame"


@dataclass(frozen=True)
class Compared:
    """An output and how far it is from double precision.

    Args:
        place: The output.
        dtype: Its dtype; that of their integers for keys.
        accuracy: For floats.
        differ: For integers and booleans how many values are others, and of the first one its
            index and both values.
        rtol: What it is held to.
        scale: The magnitude that values are compared with which should be zero.
    """

    place: Place
    dtype: Any
    accuracy: Accuracy | None = None
    differ: tuple[int, tuple[int, ...], Any, Any] | None = None
    rtol: float = 0.0
    scale: float = 1.0

    @property
    def is_reference(self) -> bool:
        """Whether it is in double precision itself, so that nothing is beyond it."""
        return self.dtype in (np.float64, np.complex128)

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        found: dict[str, Any] = {"path": self.place.path, "type": self.place.type}
        if self.accuracy is None:
            count, index, got, expected = self.differ or (0, (), None, None)
            found |= {"different": count}
            worst = None if not count else (index, got, expected)
        else:
            figures = dataclasses.asdict(self.accuracy)
            at = self.accuracy.worst
            figures.pop("worst")
            found |= figures | {"digits": self.accuracy.digits(self.dtype), "rtol": self.rtol}
            worst = None if at is None else (at.index, _plain(at.got), _plain(at.expected))
        named = ("index", "got", "expected")
        return found | {"worst": None if worst is None else dict(zip(named, worst, strict=True))}


def compared(
    place: Place, got: np.ndarray, expected: np.ndarray, *, rtol: float | None, scale: float
) -> Compared:
    """Compares one output.

    Args:
        place: The output.
        got: Its value.
        expected: Its value in double precision.
        rtol: What it is held to; None for what its dtype allows.
        scale: The magnitude that values are compared with which should be zero.
    """
    if _is_float(got):
        held = default_rtol(got.dtype) if rtol is None else rtol
        figures = accuracy_of(got, expected)
        return Compared(place, got.dtype, figures, rtol=held, scale=scale)
    different = np.argwhere(np.asarray(got != expected))
    if not len(different):
        return Compared(place, got.dtype)
    first = tuple(int(i) for i in different[0])
    differ = (len(different), first, got[first].item(), expected[first].item())
    return Compared(place, got.dtype, differ=differ)


@dataclass(frozen=True)
class Other:
    """The function traced anew in 64 bits, beside the program of the first trace in 64 bits.

    Args:
        failed: What it raised.
        structure: Its output's tree, where that is another one.
        shapes: Outputs of another shape or kind: a sentence each.
        apart: Outputs that are apart by more than the tolerance, with the norm of the difference.
        random: Whether the function draws random numbers, which are others in 64 bits.
    """

    failed: str | None = None
    structure: str | None = None
    shapes: Sequence[str] = ()
    apart: Sequence[tuple[Compared, float]] = ()
    random: bool = False

    @classmethod
    def of(
        cls,
        leaves: Sequence[Compared],
        exact: Sequence[np.ndarray],
        others: Sequence[np.ndarray],
        *,
        random: bool,
    ) -> Other:
        """Compares the outputs of both, one by one."""
        shapes: list[str] = []
        apart: list[tuple[Compared, float]] = []
        for leaf, here, there in zip(leaves, exact, others, strict=True):
            if here.shape != there.shape or _is_float(here) != _is_float(there):
                shapes.append(
                    f"{leaf.place.path} {leaf.place.type} is {there.dtype}{list(there.shape)}"
                )
            elif leaf.accuracy is not None:
                figures = accuracy_of(here, there)
                off = (
                    figures.norm_relative if figures.norm_relative is not None else figures.at_zero
                )
                if off > leaf.rtol or figures.lost or figures.gained or figures.confused:
                    apart.append((leaf, off))
        return cls(None, None, tuple(shapes), tuple(apart), random)

    def findings(self, target: Target) -> list[Finding]:
        """What is said about it."""
        where = target.where
        if self.failed is not None:
            return [_structure(target, f"raises in 64 bits: {self.failed}")]
        if self.structure is not None:
            return [_structure(target, f"returns another pytree in 64 bits: {self.structure}")]
        found = [_structure(target, f"in 64 bits {sentence}") for sentence in self.shapes]
        if self.random:
            return found
        for leaf, off in self.apart:
            message = (
                f"{leaf.place.path} {leaf.place.type} is another one if {target.name} is traced "
                f"in 64 bits, by {off:.1e}: a constant in it was rounded, or a dtype was chosen"
            )
            data = {"path": leaf.place.path, "norm_relative": off}
            found.append(Finding("rounded-constants", "warning", message, where=where, data=data))
        return found


def _is_float(array: np.ndarray) -> bool:
    return bool(jnp.issubdtype(array.dtype, jnp.inexact))


def _structure(target: Target, what: str) -> Finding:
    return Finding("other-structure", "warning", f"{target.name} {what}", where=target.where)


def report_of(
    target: Target, leaves: Sequence[Compared], again: Other | None, *, rtol: float | None
) -> Report:
    """The report.

    Args:
        target: The function.
        leaves: Its outputs.
        again: The same traced anew, if that was asked for.
        rtol: As it was given.
    """
    found = [each for leaf in leaves for each in _findings(target, leaf)]
    found += again.findings(target) if again is not None else []
    found.sort(key=lambda each: each.severity != "error")
    data: dict[str, Any] = {
        "function": target.name,
        "rtol": rtol,
        "leaves": [leaf.to_dict() for leaf in leaves],
        "retraced": None if again is None else {"failed": again.failed, "random": again.random},
    }
    return Report("compare_x64", found, data, blocks=_blocks(target, leaves, found, again))


def _findings(target: Target, leaf: Compared) -> list[Finding]:
    where, what = target.where, f"{leaf.place.path} {leaf.place.type}"
    data = leaf.to_dict()
    if leaf.differ is not None:
        message = f"{what} {_differs(leaf)}"
        return [
            Finding(
                "integer-output-differs", "warning", message, where=where, fix=_LINES, data=data
            )
        ]
    figures = leaf.accuracy
    if figures is None:
        return []
    found: list[Finding] = []
    kinds: tuple[tuple[int, Severity, str], ...] = (
        (figures.lost, "error", "not finite where double precision is"),
        (figures.confused, "error", "not finite in another way than in double precision"),
        (figures.gained, "warning", "finite where double precision is not"),
    )
    for number, severity, words in kinds:
        if number:
            some = "is" if figures.size == 1 else f"has {number} of {figures.size} values"
            message = f"{what} {some} {words}{_worst(leaf)}"
            fix = "jaxkit.nan_origin(fun)(*args) says where the first was made"
            found.append(
                Finding("non-finite-output", severity, message, where=where, fix=fix, data=data)
            )
    if figures.tail > leaf.rtol or figures.at_zero > leaf.rtol * leaf.scale:
        message = f"{what} {_off(leaf)}{_worst(leaf)}"
        found.append(
            Finding("inaccurate-output", "warning", message, where=where, fix=_LINES, data=data)
        )
    return found


def _off(leaf: Compared) -> str:
    figures = leaf.accuracy
    assert figures is not None  # of floats
    if figures.tail <= leaf.rtol:
        return f"should be zero and has magnitudes up to {figures.at_zero:.3g}"
    digits = figures.digits(leaf.dtype)
    norm = figures.norm_relative
    if norm is None or digits is None:
        return "has no correct digits"
    of_all = -np.log10(float(jnp.finfo(leaf.dtype).eps) / 2)
    if norm > leaf.rtol:
        return f"is off by {norm:.1e} of its value: {digits:.1f} of {of_all:.1f} digits are right"
    return f"is off by up to {figures.max_relative or 1.0:.1e} of a value, though not in its norm"


def _worst(leaf: Compared) -> str:
    at = None if leaf.accuracy is None else leaf.accuracy.worst
    if at is None:
        return ""
    place = f" at {list(at.index)}" if at.index else ""
    return f"; {_plain(at.got)!s:.12} for {_plain(at.expected)!s:.12}{place}"


def _differs(leaf: Compared) -> str:
    count, index, got, expected = leaf.differ or (0, (), None, None)
    if not leaf.place.shape:
        return f"is {got}, in double precision {expected}"
    return f"has {counted(count, 'other value')}, the first {got} for {expected} at {list(index)}"


def _blocks(
    target: Target, leaves: Sequence[Compared], found: Sequence[Finding], again: Other | None
) -> list[Text | Table]:
    bad = {each.data.get("path") for each in found}
    head = f"{target.name}: {counted(len(leaves), 'output')} beside double precision; "
    head += f"{len(bad)} further from it than allowed" if found else "as close as rounding allows"
    blocks: list[Text | Table] = [Text(head, style="heading")]
    blocks += [Text(f"{each.kind}: {each.message}", style="bad") for each in found]
    if leaves:
        columns = ("output", "digits", "max ulps", "median ulps", "max rel", "norm rel")
        rows = [_row(leaf) for leaf in leaves]
        right: list[Align] = ["right"] * 5
        blocks.append(Table(columns, rows, align=["left", *right]))
    blocks += [Text(note, style="dim") for note in _notes(leaves, again)]
    return blocks


def _row(leaf: Compared) -> list[str]:
    name = f"{leaf.place.path} {leaf.place.type}"
    figures = leaf.accuracy
    if figures is None:
        return [name, f"{leaf.differ[0]} differ" if leaf.differ else "equal", "", "", "", ""]
    digits = figures.digits(leaf.dtype)
    shown = [figures.max_ulps, figures.median_ulps]
    relative = [figures.max_relative, figures.norm_relative]
    return [
        name,
        "" if digits is None else f"{digits:.1f}",
        *("" if each is None else f"{each:.3g}" for each in shown),
        *("" if each is None else f"{each:.1e}" for each in relative),
    ]


def _notes(leaves: Sequence[Compared], again: Other | None) -> list[str]:
    found: list[str] = []
    wide = [leaf.place.path for leaf in leaves if leaf.is_reference]
    if wide:
        found.append(f"in double precision itself, so that nothing is known of: {', '.join(wide)}")
    for leaf in leaves:
        figures = leaf.accuracy
        if figures is None:
            continue
        if figures.nonfinite:
            found.append(
                f"{leaf.place.path}: {counted(figures.nonfinite, 'value')} not finite in either "
                "precision, in the same way"
            )
        if figures.zeros:
            found.append(
                f"{leaf.place.path}: {counted(figures.zeros, 'value')} should be zero, up to the "
                f"rounding of double precision, and are at most {figures.at_zero:.1e}"
            )
    if again is not None and again.random and again.failed is None:
        found.append("random numbers are others in 64 bits: the second trace has no verdict")
    return found


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, complex) else value
