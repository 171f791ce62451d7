"""`jaxkit run`: the arguments."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

__all__ = ["run"]


# Longer than other functions: its parameters and its docstring are all that --help says.
def run(
    context: typer.Context,
    program: Annotated[
        str,
        typer.Argument(
            metavar="SCRIPT", help="The program; with -m a module's name.", show_default=False
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Everything after SCRIPT is the program's own.", show_default=False),
    ] = None,
    module: Annotated[
        bool, typer.Option("-m", help="SCRIPT is a module's name, as in python -m.")
    ] = False,
    report: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Also write a report. Its ending says which: .html and .txt to read, .json for "
            "programs, .trace.json a timeline for ui.perfetto.dev, .jsonl the recording itself, "
            "written as it happens. May be given several times.",
            show_default=False,
        ),
    ] = None,
    max_compiles: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Exit with code 3 if a function was compiled more than N times; operations "
            "outside jit do not count.",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Exit with code 1 if a function was compiled again for this cause, such as "
            "shape-change; 'warning' is any cause that can be avoided. With --apply also if the "
            "transform found this: cancellation, overflow, 'error', 'warning'. May be given "
            "several times.",
            show_default=False,
        ),
    ] = None,
    apply: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:OPTION=VALUE,...]@FUNCTION",
            help="Put a transform on a function of the program, innermost among its decorators: "
            "check_finite@loss_fn, Model.__call__, make_step.step, package.module:loss_fn. Which "
            "transforms there are: jaxkit transforms. May be given several times.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no summary.")] = False,
) -> None:
    """Run a program and say why it compiled, and what that cost.

    The program behaves as under python: its output, exit code and tracebacks stay as they are. The
    summary goes to standard error when it has ended.

    A run that was killed is reported too. If even that was killed, as by a whole
    machine's end, jaxkit report lists the recordings left in the temporary folder.

    \b
    Examples:
      jaxkit run train.py --epochs 3          what follows train.py is its own
      jaxkit run -m package.train             as python -m package.train
      jaxkit run --report out.json train.py   a document for programs as well
      jaxkit run --max-compiles 2 train.py    for CI: code 3 at a third one
      jaxkit run --fail-on warning train.py   for CI: code 1 if avoidable
      jaxkit run --apply check_finite@loss_fn train.py
                                              stop at the first NaN of loss_fn
      jaxkit run --apply nan_origin@loss_fn train.py
                                              and say which operation made it
      jaxkit run --apply shadow@step --fail-on cancellation train.py
                                              which line loses digits
      jaxkit run -q --report a.jsonl train.py
      jaxkit report a.jsonl                   the summary, later and elsewhere

    Exit codes: the program's own if it is not 0; else 3 for --max-compiles, 1 for --fail-on.
    Code 2 is a mistake in the arguments, said before the program starts; a function named by
    --apply that the program turns out not to define is said at its end.
    """  # noqa: D301  # typer's \b keeps the examples' lines
    from jaxkit.cli.launch import launch
    from jaxkit.cli.request import Request

    request = Request(
        program,
        arguments or (),
        module=module,
        reports=report or (),
        max_compiles=max_compiles,
        fail_on=fail_on or (),
        quiet=quiet,
        apply=apply or (),
    )
    context.obj.append(partial(launch, request))
