"""`jaxkit report`: recordings read back."""

from __future__ import annotations

import glob
import os
import sys
from functools import partial
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    context: typer.Context,
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECORDING.jsonl]...",
            help="What jaxkit run or jaxkit.watch(jsonl=...) recorded. Without one, the recordings "
            "that killed runs left behind are listed.",
            show_default=False,
        ),
    ] = None,
    save: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="PATH",
            help="Also write the report: .txt to read, .json for programs, .trace.json a timeline. "
            "May be given several times.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the summary of a recording, on any machine: JAX need not be installed.

    A recording that was cut, because its program was killed, is read as far as it goes.

    \b
    Examples:
      jaxkit run --report run.jsonl train.py
      jaxkit report run.jsonl                     as that run printed at its end
      jaxkit report run.jsonl --report run.json   as a document
      jaxkit report monday.jsonl tuesday.jsonl    one summary after the other
      jaxkit report                               what killed runs left behind
    """  # noqa: D301  # typer's \b keeps the examples' lines
    context.obj.append(partial(_report, recordings or [], save or []))


def _report(recordings: list[str], save: list[str]) -> int:
    from jaxkit.errors import UsageError
    from jaxkit.report import check_writable

    if not recordings:
        if save:
            raise UsageError("--report needs a recording to report on: name a .jsonl file")
        return _list_left_behind()
    if save and len(recordings) > 1:
        raise UsageError(
            f"--report takes one recording, got {len(recordings)}: call it for each of them"
        )
    for path in save:
        check_writable(path)
    return max(_show(path, save) for path in recordings)


def _show(path: str, save: list[str]) -> int:
    from jaxkit.cli.ending import summarise
    from jaxkit.compiles.recording import read_events
    from jaxkit.errors import UsageError
    from jaxkit.report import escape
    from jaxkit.report.render_text import print_report

    try:
        recording = read_events(path)
    except OSError as error:
        raise UsageError(f"cannot read the recording {path!r}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    for problem in recording.problems:
        print(f"jaxkit: {path}: {problem}", file=sys.stderr)
    if not recording.ended:
        for what in recording.unfinished:
            print(f"jaxkit: {path}: {escape(what)}", file=sys.stderr)
        print(
            f"jaxkit: {path}: the recording has no end: its program was killed or is still running",
            file=sys.stderr,
        )
    made = summarise(recording, wall_seconds=recording.wall_seconds)
    for target in save:
        made.save(target)
    print_report(made, sys.stdout)
    return 0


def _list_left_behind() -> int:
    from jaxkit.cli.launch import PREFIX, temporary_folders

    found = sorted(
        path
        for folder in dict.fromkeys(temporary_folders())
        for path in glob.glob(os.path.join(glob.escape(folder), f"{PREFIX}*.jsonl"))
    )
    if not found:
        print("jaxkit: no recording was left behind; name one: jaxkit report run.jsonl")
        return 0
    print("jaxkit: recordings left behind, or of programs that are still running:")
    for path in found:
        print(f"  jaxkit report {path}")
    return 0
