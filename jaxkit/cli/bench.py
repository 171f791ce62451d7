"""`jaxkit bench`: how long a function takes, or which of two is faster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxkit.cli.analysing import ARGS, SEED, SOURCE
from jaxkit.cli.inspect import DIM, MORE, REPORT, TARGET

if TYPE_CHECKING:
    from jaxkit.cli.calling import Asked
    from jaxkit.report import Report

__all__ = ["bench"]


def bench(
    context: typer.Context,
    target: TARGET,
    more: MORE = None,
    args: ARGS = None,
    dim: DIM = None,
    args_from: SOURCE = None,
    seed: SEED = 0,
    grad: Annotated[
        bool,
        typer.Option(
            "--grad", help="Time the function with its gradient, by all arguments that are floats."
        ),
    ] = False,
    jit: Annotated[bool, typer.Option("--jit", help="Time jax.jit of it.")] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION",
            help="Compare it with this other function, called in turns with the same arguments.",
            show_default=False,
        ),
    ] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Seconds for everything; left out, 3, or 5 with --against.",
            show_default=False,
        ),
    ] = None,
    items: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="How many things a call handles, for items/s.", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON instead.")
    ] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Exit with code 1 if this is found: a kind such as recompiled, 'warning' (or "
            "worse), 'info' (anything), or 'slower' with --against. May be given several times; "
            "left out, nothing fails.",
            show_default=False,
        ),
    ] = None,
    report: REPORT = None,
) -> None:
    """Time a function, called as it would be, and say what makes the figure doubtful.

    The module is imported and the function is called with the values of --args; compiling is told
    apart. docs/timing.md describes the kinds of findings and how a verdict is reached.

    \b
    Arguments are written as for jaxkit shadow --help.

    \b
    Examples:
      jaxkit bench model:forward --args "f32[32,128]" "f32[128,10]"
      jaxkit bench train.py:loss_fn --grad --jit --args params.npz "f32[32,128]"
      jaxkit bench model:new --against model:old --args "f32[32,128]" --fail-on slower
      jaxkit bench jax.numpy:linalg.svd --args "f32[64,64]" --json

    Exit codes: 0; 1 if something was found that --fail-on names; 2 for a mistake in the arguments
    and for a function that raises.
    """  # noqa: D301  # typer's \b keeps the examples' lines
    from jaxkit.cli.calling import Asked, written

    asked = Asked(target, written(args, more), dim or (), args_from, grad)
    run = _Run(asked, against, seed, jit, max_seconds, items, as_json, fail_on or ())
    context.obj.append(partial(_bench, run, report or ()))


@dataclass(frozen=True)
class _Run:
    """What was asked for."""

    asked: Asked
    against: str | None
    seed: int
    jit: bool
    max_seconds: float | None
    items: float | None
    as_json: bool
    fail_on: Sequence[str]


def _bench(run: _Run, save: Sequence[str]) -> int:
    from jaxkit.cli.calling import failed
    from jaxkit.cli.lint import exit_code
    from jaxkit.cli.target import FailureError
    from jaxkit.report import check_writable
    from jaxkit.report.render_text import print_report

    _check_kinds(run)
    for path in save:
        check_writable(path)
    try:
        found, slower = _compared(run) if run.against else _timed(run)
    except FailureError as failure:
        return failed(failure)
    for path in save:
        found.save(path)
    if run.as_json:
        print(found.to_json())
    else:
        print_report(found, sys.stdout)
    kinds = [kind for kind in run.fail_on if kind != "slower"]
    return 1 if slower and "slower" in run.fail_on else exit_code(found, kinds or ["none"])


def _timed(run: _Run) -> tuple[Report, bool]:
    from jaxkit import benchmark
    from jaxkit.cli.calling import traced

    fun, args, kwargs = _function(run, run.asked)
    made = benchmark(fun, items=run.items, **_limit(run))
    return traced(lambda: made(*args, **kwargs), run.asked, "timing"), False


def _compared(run: _Run) -> tuple[Report, bool]:
    from jaxkit import compare
    from jaxkit.cli.calling import traced

    assert run.against is not None
    fun, args, kwargs = _function(run, run.asked)
    other, _, _ = _function(run, replace(run.asked, target=run.against))
    new, old = _names(run.asked.target, run.against)
    made = compare({old: other, new: fun}, items=run.items, **_limit(run))
    found = traced(lambda: made(*args, **kwargs), run.asked, "timing")
    return found, found[new].verdict == "slower"


def _names(new: str, old: str) -> tuple[str, str]:
    """What to call both: no more than tells them apart."""
    short = new.rpartition(":")[2], old.rpartition(":")[2]
    if short[0] != short[1]:
        return short
    return (new, old) if new != old else (f"{new} (1)", f"{old} (2)")


def _limit(run: _Run) -> dict[str, Any]:
    return {} if run.max_seconds is None else {"max_seconds": run.max_seconds}


def _function(
    run: _Run, asked: Asked
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    from jaxkit.cli.calling import prepared
    from jaxkit.cli.values import Values

    fun, args, kwargs = prepared(asked, Values(run.seed), untouched=not asked.grad)
    if not run.jit:
        return fun, args, kwargs
    import jax

    return jax.jit(fun), args, kwargs


def _check_kinds(run: _Run) -> None:
    import difflib

    from jaxkit.errors import UsageError
    from jaxkit.report.finding import SEVERITIES

    known = [*_KINDS, *SEVERITIES, "slower", "none"]
    for kind in run.fail_on:
        if kind not in known:
            near = difflib.get_close_matches(kind, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"--fail-on: there is no kind {kind!r}; {hint}")
    if "slower" in run.fail_on and not run.against:
        raise UsageError("--fail-on slower needs --against MODULE:FUNCTION")


_KINDS = (
    "recompiled",
    "constant-folded",
    "dead-code",
    "cached-result",
    "unblocked-output",
    "side-effects",
    "host-transfer",
    "no-jax-output",
)
