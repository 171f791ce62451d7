"""`jaxkit shadow`: which line of a function loses the digits, for people and for CI."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from jaxkit.cli.analysing import ARGS, FAIL_ON, GRAD, SEED, SOURCE, Run, analyse
from jaxkit.cli.inspect import DIM, MORE, REPORT, TARGET
from jaxkit.cli.kinds import PRECISION

__all__ = ["shadow"]


def shadow(
    context: typer.Context,
    target: TARGET,
    more: MORE = None,
    args: ARGS = None,
    dim: DIM = None,
    args_from: SOURCE = None,
    seed: SEED = 0,
    grad: GRAD = False,
    rtol: Annotated[
        float | None,
        typer.Option(
            "--rtol",
            metavar="X",
            min=0,
            help="The relative error that an output may have; left out, two thirds of the digits "
            "of its dtype must be right: 2.4e-5 for f32.",
            show_default=False,
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="PART",
            help="Look at a part of the function only: a named scope, a function, a line as "
            "train.py:41 or train.py:41-60. Again for more parts.",
            show_default=False,
        ),
    ] = None,
    fail_on: FAIL_ON = None,
    report: REPORT = None,
) -> None:
    """Run a function beside itself in double precision, and say which line loses the digits.

    The module is imported and the function is run with the values of --args. docs/numerics.md
    describes the kinds of findings.

    \b
    Arguments (besides those of jaxkit inspect --help):
      f32[32,128]  i32[8]  key               random values: normal, 0 or 1, a key
      f32([1e4, 1.5])  bf16(0.1)  key(3)     these values
      uniform(f32[8], 0, 1)                  others: normal(f32[8], MEAN, DEVIATION),
      loguniform(f32[8], 1e-8, 1)              uniform(i32[8], 0, 10)
      batch.npz  batch.npz:x  weights.npy    arrays of a file; without a name all of them, as a dict
      0.5  3  "'mean'"  None                 Python values; those without a point stay as they are

    \b
    Examples:
      jaxkit shadow model:forward --args "f32[32,128]" "f32[128,10]"
      jaxkit shadow train.py:loss_fn --grad --args params.npz "f32[32,128]"
      jaxkit shadow train.py:loss_fn --args-from example_arguments --rtol 1e-3
      jaxkit shadow jax.numpy:var --args "normal(f32[64], 1e4, 1)" --report var.html
      jaxkit shadow model:forward --args "f32[8]" --fail-on error

    Exit codes: 0; 1 if something was found that --fail-on names; 2 for a mistake in the arguments
    and for a function that raises.
    """  # noqa: D301  # typer's \b keeps the examples' lines
    from jaxkit.cli.calling import Asked, written

    asked = Asked(target, written(args, more), dim or (), args_from, grad)
    run = Run(asked, seed, fail_on or ["warning"], report or (), PRECISION)
    context.obj.append(partial(_shadow, run, rtol, where or None))


def _shadow(run: Run, rtol: float | None, where: list[str] | None) -> int:
    from jaxkit import shadow

    return analyse(run, lambda fun: shadow(fun, rtol=rtol, where=where))
