"""What the commands share that run a function to find what is wrong with its numbers."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from jaxkit.cli.calling import Asked
    from jaxkit.report import Finding, Report, Text, Tree

__all__ = ["ARGS", "FAIL_ON", "GRAD", "SEED", "SOURCE", "Run", "analyse"]

ARGS = Annotated[
    list[str] | None,
    typer.Option(
        "--args",
        metavar="ARG...",
        help='What it is called with, one after the other: "f32[32,128]" "i32[32]" data.npz. Left '
        "out, it is read from jaxtyping annotations.",
        show_default=False,
    ),
]
SOURCE = Annotated[
    str | None,
    typer.Option(
        "--args-from",
        metavar="FUNCTION",
        help="A function of the same module that returns the arguments as a tuple of arrays; "
        "values for jax.ShapeDtypeStruct among them are drawn.",
        show_default=False,
    ),
]
SEED = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="Of the values that are not given.")
]
GRAD = Annotated[
    bool,
    typer.Option(
        "--grad",
        help="Look at the function with its gradient, by all arguments that are floats; where it "
        "returns more than one number, the gradient of their sum.",
    ),
]
FAIL_ON = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND",
        help="Exit with code 1 if this is found: a kind such as cancellation, or 'error', "
        "'warning' (or worse) or 'info' (anything). May be given several times; left out, "
        "'warning'. 'none' never fails.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Run:
    """An analysis that was asked for.

    Args:
        asked: The function and its arguments.
        seed: For the values that are not given.
        fail_on: What makes the exit code 1.
        save: Where reports go.
        kinds: Those that there are, for what `fail_on` may name.
    """

    asked: Asked
    seed: int
    fail_on: Sequence[str]
    save: Sequence[str]
    kinds: Sequence[str]


def analyse(run: Run, make: Callable[[Callable[..., Any]], Callable[..., Report]]) -> int:
    """Runs an analysis, prints and writes what it found.

    Args:
        run: What was asked for.
        make: Gives of a function the function of its arguments that returns the report.

    Returns:
        The exit code.
    """
    from jaxkit.cli.calling import failed, prepared, traced
    from jaxkit.cli.lint import exit_code
    from jaxkit.cli.target import FailureError
    from jaxkit.cli.values import Values
    from jaxkit.report import check_writable
    from jaxkit.report.render_text import print_report

    _check_kinds(run)
    for path in run.save:
        check_writable(path)
    try:
        values = Values(run.seed)
        fun, args, kwargs = prepared(run.asked, values)
        found: Report = traced(lambda: make(fun)(*args, **kwargs), run.asked, "running")
    except FailureError as failure:
        return failed(failure)
    found = _with_arguments(found, run, drawn=values.drawn)
    for path in run.save:
        found.save(path)
    print_report(found, sys.stdout)
    return exit_code(found, run.fail_on)


def _check_kinds(run: Run) -> None:
    from jaxkit.errors import UsageError
    from jaxkit.report.finding import SEVERITIES

    known = [*run.kinds, *SEVERITIES, "none"]
    for kind in run.fail_on:
        if kind not in known:
            near = difflib.get_close_matches(kind, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"--fail-on: there is no kind {kind!r}; {hint}")


def _with_arguments(found: Report, run: Run, *, drawn: bool) -> Report:
    """The report says what the function was called with: another call may give another answer."""
    from dataclasses import replace

    from jaxkit.report import Text

    arguments = {"written": list(run.asked.args), "seed": run.seed, "drawn": drawn}
    data: Mapping[str, Any] = {**found.data, "arguments": arguments}
    if not drawn:
        return replace(found, data=data)
    said = f"called with random values (--seed {run.seed}) for what has none: floats from a "
    said += "standard normal distribution, integers 0 or 1; give others with --args or --args-from"
    note = Text(said, style="dim")
    blocks = found.blocks or [_brief(each) for each in found.findings] or [_nothing(found)]
    return replace(found, data=data, blocks=(*blocks, note))


def _brief(finding: Finding) -> Tree:
    """A finding as it is shown in a report that has nothing else."""
    from jaxkit.report import Tree

    fix = [] if finding.fix is None else [f"fix: {finding.fix}"]
    label = f"{finding.severity} {finding.kind}  {finding.where or ''}"
    return Tree(
        label, [finding.message, *fix], style="bad" if finding.severity != "info" else "plain"
    )


def _nothing(found: Report) -> Text:
    from jaxkit.report import Text

    return Text(f"{found.tool}: no findings", style="good")
