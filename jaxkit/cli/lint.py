"""`jaxkit lint`: what is wrong or wasteful in a function, for people and for CI."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from jaxkit.cli.inspect import ARGS, DIM, GRAD, MORE, REPORT, SOURCE, TARGET

if TYPE_CHECKING:
    from jaxkit.cli.calling import Asked
    from jaxkit.report import Report

__all__ = ["exit_code", "lint"]


def lint(
    context: typer.Context,
    target: TARGET,
    more: MORE = None,
    args: ARGS = None,
    dim: DIM = None,
    args_from: SOURCE = None,
    grad: GRAD = False,
    select: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Look for this kind only, also if it is off by default. May be given several "
            "times.",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Exit with code 1 if this is found: a kind such as key-reuse, or 'error', "
            "'warning' (or worse) or 'info' (anything). May be given several times; left out, "
            "'warning'. 'none' never fails.",
            show_default=False,
        ),
    ] = None,
    report: REPORT = None,
) -> None:
    """Say what is wrong or wasteful in a function, with its line and a fix, without running it.

    The function is traced with shapes in the place of arrays: what is found is in the program that
    JAX sees, whatever the source looks like. docs/lints.md describes the kinds; jaxkit inspect
    --help describes what --args takes.

    \b
    Examples:
      jaxkit lint train.py:loss_fn --args "f32[128,10]" "f32[32,128]" "i32[32]"
      jaxkit lint train.py:loss_fn --grad --dim batch=32    shapes from annotations
      jaxkit lint model:forward --args "f32[8]" --select key-reuse
      jaxkit lint model:forward --args "f32[8]" --fail-on error --fail-on key-reuse
      jaxkit lint model:forward --args "f32[8]" --report lint.sarif    for code hosts

    Exit codes: 0; 1 if something was found that --fail-on names; 2 for a mistake in the arguments
    and for a function that does not trace.
    """  # noqa: D301  # typer's \b keeps the examples' lines
    from jaxkit.cli.calling import Asked, written

    asked = Asked(target, written(args, more), dim or (), args_from, grad)
    context.obj.append(partial(_lint, asked, select, fail_on or ["warning"], report or ()))


def _lint(
    asked: Asked, select: list[str] | None, fail_on: Sequence[str], save: Sequence[str]
) -> int:
    from jaxkit import lint
    from jaxkit.cli.calling import failed, prepared, traced
    from jaxkit.cli.target import FailureError
    from jaxkit.report import check_writable
    from jaxkit.report.render_text import print_report

    _check_kinds(fail_on)
    for path in save:
        check_writable(path)
    try:
        fun, args, kwargs = prepared(asked)
        found: Report = traced(lambda: lint(fun, select)(*args, **kwargs), asked)
    except FailureError as failure:
        return failed(failure)
    for path in save:
        found.save(path)
    print_report(_relative(found), sys.stdout)
    return exit_code(found, fail_on)


def _relative(found: Report) -> Report:
    """Files below the working directory named from there, as people do."""
    import os
    from dataclasses import replace

    here = os.getcwd() + os.sep
    return replace(
        found,
        findings=[
            each
            if each.where is None
            else replace(each, where=replace(each.where, file=each.where.file.removeprefix(here)))
            for each in found.findings
        ],
    )


def _check_kinds(fail_on: Sequence[str]) -> None:
    import difflib

    from jaxkit.errors import UsageError
    from jaxkit.jaxpr.lints import available
    from jaxkit.report.finding import SEVERITIES

    known = [*available(), *SEVERITIES, "none"]
    for kind in fail_on:
        if kind not in known:
            near = difflib.get_close_matches(kind, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"--fail-on: there is no kind {kind!r}; {hint}")


def exit_code(found: Report, fail_on: Sequence[str]) -> int:
    """1 if there is a finding that `--fail-on` names, else 0.

    Args:
        found: The report.
        fail_on: Kinds and severities; of a severity, what is worse as well.
    """
    from jaxkit.report.finding import SEVERITIES

    worst_first = list(SEVERITIES)
    mildest = max((worst_first.index(kind) for kind in fail_on if kind in SEVERITIES), default=-1)
    for each in found.findings:
        if each.kind in fail_on or worst_first.index(each.severity) <= mildest:
            return 1
    return 0
