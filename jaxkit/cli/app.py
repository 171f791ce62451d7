"""The typer application: which subcommands there are, and how their arguments are read.

Subcommands only read: each leaves behind what is to be done, and that is done when typer is
through. A program that runs inside of it would have its Ctrl-C and its exit codes caught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import typer
from typer.main import get_command

from jaxkit import __version__
from jaxkit.cli.bench import bench
from jaxkit.cli.doctor import doctor
from jaxkit.cli.inspect import inspect
from jaxkit.cli.lint import lint
from jaxkit.cli.nan_origin import nan_origin
from jaxkit.cli.report import report
from jaxkit.cli.run import run
from jaxkit.cli.shadow import shadow
from jaxkit.cli.transforms import transforms

__all__ = ["Task", "app", "read"]

Task = Callable[[], int]

app = typer.Typer(
    name="jaxkit",
    help=(
        "Why did it compile again, what did that cost, and how do I stop it?\n\n"
        "Start with: jaxkit run train.py"
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# What stands after the program is the program's, whatever it looks like.
app.command("run", context_settings={"allow_interspersed_args": False})(run)
app.command("report")(report)
app.command("inspect")(inspect)
app.command("lint")(lint)
app.command("shadow")(shadow)
app.command("nan-origin")(nan_origin)
app.command("bench")(bench)
app.command("doctor")(doctor)
app.command("transforms")(transforms)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"jaxkit {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[  # what it does, it does when it is read
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version."),
    ] = False,
) -> None:
    pass


def read(given: Sequence[str]) -> Task:
    """Reads a command line.

    Args:
        given: What stands after the command's name.

    Returns:
        What is to be done. Help, and what is wrong with the arguments, have been printed: then all
        that is left to do is to return the exit code.
    """
    chosen: list[Task] = []
    try:
        get_command(app).main(args=list(given), prog_name="jaxkit", obj=chosen)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        return chosen[0] if chosen else partial(int, code)
    return chosen[0] if chosen else partial(int, 0)
