"""`jaxkit inspect`: what a function computes, moves and stores, before it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from jaxkit.cli.calling import Asked
    from jaxkit.jaxpr.inspection import Inspection
    from jaxkit.report import Report

__all__ = ["inspect"]

TARGET = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:FUNCTION",
        help="The function; a file works as well: path/to/train.py:loss_fn.",
        show_default=False,
    ),
]
ARGS = Annotated[
    list[str] | None,
    typer.Option(
        "--args",
        metavar="ARG...",
        help='What it is called with, one after the other: "f32[32,128]" "i32[32]". Left out, it '
        "is read from jaxtyping annotations.",
        show_default=False,
    ),
]
MORE = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ARG]...", hidden=True, show_default=False),
]
DIM = Annotated[
    list[str] | None,
    typer.Option(
        "--dim",
        metavar="NAME=SIZE",
        help="The size of a dimension that --args or an annotation names: --dim b=32. May be given "
        "several times.",
        show_default=False,
    ),
]
SOURCE = Annotated[
    str | None,
    typer.Option(
        "--args-from",
        metavar="FUNCTION",
        help="A function of the same module that returns the arguments as a tuple: arrays, or "
        "jax.ShapeDtypeStruct in their place. For parameters of a whole model, and for NamedTuples "
        "and dataclasses.",
        show_default=False,
    ),
]
GRAD = Annotated[
    bool,
    typer.Option(
        "--grad",
        help="Look at the function with its gradient, by all arguments that are floats; where it "
        "returns more than one number, the gradient of their sum.",
    ),
]
REPORT = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="PATH",
        help="Also write a report: .html to look at, .txt, .json for programs, .sarif for code "
        "hosts. May be given several times.",
        show_default=False,
    ),
]


def inspect(
    context: typer.Context,
    target: TARGET,
    more: MORE = None,
    args: ARGS = None,
    dim: DIM = None,
    args_from: SOURCE = None,
    grad: GRAD = False,
    lint: Annotated[
        bool, typer.Option("--lint", help="Also say what is wrong or wasteful in it.")
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option(
            "--depth",
            metavar="N",
            min=0,
            help="Print N levels of its tree, in the place of the most costly rows.",
            show_default=False,
        ),
    ] = None,
    trip_counts: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="How often loops turn whose number of turns only the values tell.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION",
            help="Say what this other function, with the same arguments, does otherwise.",
            show_default=False,
        ),
    ] = None,
    report: REPORT = None,
) -> None:
    """Say what a function computes, moves and stores, line by line, without running it.

    Its module is imported; the function is traced with shapes in the place of arrays.

    \b
    Arguments:
      f32[32,128]  bf16[]  i32[8]  bool[4]   arrays: dtype and shape
      weak f32[]                             as a Python number is
      key  key[4]                            random keys
      '{"w": "f32[8,8]", "b": f32[8]}'       trees: dicts, lists, tuples
      0.5  "'mean'"  None                    values that are no arrays, passed as they are
      axis=1                                 by keyword
      "f32[b,2*d]" --dim b=32 --dim d=64     sizes by name

    \b
    Examples:
      jaxkit inspect model:forward --args "f32[32,128]" "i32[32]"
      jaxkit inspect train.py:loss_fn --grad --args "f32[128,10]" "f32[32,128]"
      jaxkit inspect train.py:loss_fn --dim batch=32 --dim features=128
      jaxkit inspect train.py:train_step --args-from example_arguments
      jaxkit inspect jax.numpy:linalg.norm --args "f32[64]" --depth 3
      jaxkit inspect model:forward --args "f32[8]" --lint --report forward.html
      jaxkit inspect model:old --against model:new --args "f32[32,128]"

    Exit codes: 0, or 2 for a mistake in the arguments and for a function that does not trace.
    """  # noqa: D301  # typer's \b keeps the examples' lines
    from jaxkit.cli.calling import Asked, written

    asked = Asked(target, written(args, more), dim or (), args_from, grad)
    context.obj.append(partial(_inspect, asked, lint, depth, trip_counts, against, report or ()))


def _inspect(
    asked: Asked,
    lint: bool,
    depth: int | None,
    trip_counts: int | None,
    against: str | None,
    save: Sequence[str],
) -> int:
    from dataclasses import replace

    from jaxkit import inspect
    from jaxkit.cli.calling import failed, prepared, traced
    from jaxkit.cli.target import FailureError
    from jaxkit.errors import UsageError
    from jaxkit.report import check_writable
    from jaxkit.report.render_text import print_report

    if depth is not None and against is not None:
        raise UsageError("--depth shows one function's tree, --against what differs: give one")
    for path in save:
        check_writable(path)

    def look(asked: Asked) -> Inspection:
        fun, args, kwargs = prepared(asked)
        made = inspect(fun, None if lint else [], trip_counts)
        return traced(lambda: made(*args, **kwargs), asked)

    try:
        inspected = look(asked)
        found: Report = inspected
        if against is not None:
            found = _difference(inspected, look(replace(asked, target=against)), lint)
    except FailureError as failure:
        return failed(failure)
    for path in save:
        found.save(path)
    print_report(found if depth is None else _at_depth(inspected, lint, depth), sys.stdout)
    return 0


def _at_depth(found: Inspection, lint: bool, depth: int) -> Report:
    """The same report with so many levels of the tree."""
    from dataclasses import replace

    from jaxkit.jaxpr.headline import blocks_of_inspection

    blocks = blocks_of_inspection(
        found.name,
        found.costs,
        found.peak,
        found.findings,
        lambda: found,
        linted=lint,
        depth=depth,
    )
    return replace(found, blocks=blocks)


def _difference(before: Inspection, after: Inspection, lint: bool) -> Report:
    """What differs, and what each of both leaves uncounted and has wrong."""
    from dataclasses import replace

    from jaxkit.jaxpr.headline import finding_block, uncounted_block
    from jaxkit.report import Text

    found = before.diff(after)
    blocks = list(found.blocks)
    for each in (before, after):
        more = [uncounted_block(each.costs)] if each.uncounted else []
        more += [finding_block(finding) for finding in each.findings]
        if more:
            blocks += [Text(f"{each.name}:", style="heading"), *more]
    if lint and not (before.findings or after.findings):
        blocks.append(Text("lints: nothing found in either", style="good"))
    return replace(found, blocks=blocks)
