"""`jaxkit nan-origin`: which line of a function makes the first NaN or infinity."""

from __future__ import annotations

from functools import partial

import typer

from jaxkit.cli.analysing import ARGS, FAIL_ON, GRAD, SEED, SOURCE, Run, analyse
from jaxkit.cli.inspect import DIM, MORE, REPORT, TARGET
from jaxkit.cli.kinds import NONFINITE

__all__ = ["nan_origin"]


def nan_origin(
    context: typer.Context,
    target: TARGET,
    more: MORE = None,
    args: ARGS = None,
    dim: DIM = None,
    args_from: SOURCE = None,
    seed: SEED = 0,
    grad: GRAD = False,
    fail_on: FAIL_ON = None,
    report: REPORT = None,
) -> None:
    """Run a function and say which line makes the first NaN or infinity, and of what.

    The module is imported and the function is run with the values of --args, which
    jaxkit shadow --help describes; docs/numerics.md describes the kinds of findings.

    \b
    Examples:
      jaxkit nan-origin train.py:loss_fn --grad --args "f32[128,10]" "f32[32,128]"
      jaxkit nan-origin train.py:loss_fn --grad --args-from bad_batch
      jaxkit nan-origin jax.numpy:log --args "f32([1, 0, 2])" --report log.html

    Exit codes: 0; 1 if something was found that --fail-on names; 2 for a mistake in the arguments
    and for a function that raises.
    """  # noqa: D301  # typer's \b keeps the examples' lines
    from jaxkit.cli.calling import Asked, written

    asked = Asked(target, written(args, more), dim or (), args_from, grad)
    run = Run(asked, seed, fail_on or ["warning"], report or (), NONFINITE)
    context.obj.append(partial(_nan_origin, run))


def _nan_origin(run: Run) -> int:
    from jaxkit import nan_origin

    return analyse(run, nan_origin)
