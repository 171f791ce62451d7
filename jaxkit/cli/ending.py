"""What follows a program's end: the reports, the summary, the exit code."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jaxkit.cli.launch import Job
    from jaxkit.cli.request import Request
    from jaxkit.compiles.recording import Recording
    from jaxkit.report import Report

__all__ = ["finish", "summarise"]


def finish(job: Job, *, ended: bool | None, code: int | None = None) -> int:
    """Writes what was asked for and says what is to be said.

    Args:
        job: The run.
        ended: Whether the program ended by itself, rather than at once; None: the recording says.
        code: Its exit code, or minus the signal that killed it; None if that is not known.

    Returns:
        The exit code that the report asks for, 0 if none.
    """
    try:
        return _finish(job, ended=ended, code=code)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        _say(
            f"jaxkit: no summary could be made ({reason}); what was recorded is in {job.spool}: "
            f"jaxkit report {job.spool}"
        )
        return 0


def _finish(job: Job, *, ended: bool | None, code: int | None) -> int:
    wall_seconds = time.time() - job.start
    used_jax, eventful = _glance(job.spool)
    asked = job.request
    if not eventful and not asked.reports:
        # The most frequent end of a program that is not slow: nothing is imported for it.
        if used_jax and not asked.quiet:
            _say("jaxkit: nothing was compiled")
        _clean_up(job)
        return 0
    if not used_jax and not job.temporary:
        _write_empty(job, wall_seconds)
    recording = _read(job.spool)
    if ended is None:
        ended = recording.ended or not used_jax
    report = summarise(recording, wall_seconds=wall_seconds)
    failed = _save(report, job)
    if not asked.quiet:
        _tell_the_end(ended=ended, code=code, unfinished=recording.unfinished)
        if used_jax:
            _print(report)
    _tell_undefined(recording)
    verdict = 0 if code else _judge(report, asked) or _judge_applied(recording)
    if failed:
        _say(f"jaxkit: what was recorded is in {job.spool}: jaxkit report {job.spool}")
    else:
        _clean_up(job)
    return verdict


def summarise(recording: Recording, *, wall_seconds: float | None) -> Report:
    """The report of a recording.

    Args:
        recording: What was read back.
        wall_seconds: How long the program took; None if that is not known.
    """
    from jaxkit.compiles.found import with_findings
    from jaxkit.compiles.summary import build_report

    notes = dict(recording.meta.get("notes") or {})
    report = build_report(recording.events, wall_seconds=wall_seconds, notes=notes)
    if recording.meta.get("spans"):
        report = _with_spans(report, recording.meta["spans"])
    return with_findings(report, recording.findings) if recording.findings else report


def _with_spans(report: Report, spans: Mapping[str, Any]) -> Report:
    """What the program measured itself, below what was compiled."""
    from dataclasses import replace

    from jaxkit.timing.span_report import from_recording

    try:
        blocks = from_recording(spans)
    except (KeyError, TypeError, ValueError):  # written by another version
        return report
    return replace(report, blocks=[*report.blocks, *blocks])


def _glance(spool: str) -> tuple[bool, bool]:
    """Whether JAX was imported, and whether anything is to be said about that."""
    try:
        with open(spool, "rb") as file:
            head = file.read(1 << 16)
    except OSError:
        return False, False
    marks = (b"jaxkit.compile/1", b'"compiling": {', b'"notes": {"', b'"undefined": [')
    marks += (b'"finding": {', b'"spans": {"wall_seconds"')
    return b'"versions"' in head, any(mark in head for mark in marks)


def _write_empty(job: Job, wall_seconds: float) -> None:
    """A recording that was asked for is one, even if there was nothing to record."""
    import json

    line = {"schema": "jaxkit.run/1", "start": job.start, "end": job.start + wall_seconds}
    with open(job.spool, "w", encoding="utf-8") as file:
        file.write(json.dumps({**line, "wall_seconds": wall_seconds, "notes": {}}) + "\n")


def _read(spool: str) -> Recording:
    from jaxkit.compiles.recording import parse_lines

    with open(spool, encoding="utf-8", errors="replace") as stream:
        return parse_lines(stream)


def _save(report: Report, job: Job) -> bool:
    """Writes the reports; whether one of them could not be written."""
    failed = False
    for path in job.request.reports:
        try:
            if not path.lower().endswith(".jsonl"):
                report.save(path)
            elif path != job.spool:
                from shutil import copyfile

                copyfile(job.spool, path)
        except (OSError, ValueError) as error:
            failed = True
            _say(f"jaxkit: {error}")
    return failed


def _tell_the_end(*, ended: bool, code: int | None, unfinished: tuple[str, ...]) -> None:
    if ended:
        return
    from jaxkit.report import escape

    how = "was killed, or left by os._exit"
    if code is not None:
        how = f"was killed by signal {-code}" if code < 0 else "left by os._exit"
    for what in unfinished:
        _say(f"jaxkit: {escape(what)}")
    _say(f"jaxkit: the program {how}; recorded until then:")


def _judge(report: Report, asked: Request) -> int:
    limit = asked.max_compiles
    over = [
        function
        for function in report.data["functions"]
        if limit is not None
        and function["compiles"] > limit
        and (function["via"] != "eager" or function["traced"])
    ]
    for function in over:
        where = f"{function['file']}:{function['line']}"
        _explain(
            asked,
            f"exit code 3: {function['name']} ({where}) was compiled {function['compiles']} times, "
            f"--max-compiles allows {limit}",
        )
    if over:
        return 3
    kinds = {finding.kind for finding in report.findings}
    if not report.ok:
        kinds.add("warning")
    if any(finding.severity == "error" for finding in report.findings):
        kinds.add("error")
    named = [kind for kind in dict.fromkeys(asked.fail_on) if kind in kinds]
    if named:
        _explain(asked, f"exit code 1: --fail-on {', '.join(named)}")
    return 1 if named else 0


def _tell_undefined(recording: Recording) -> None:
    for plain, files in recording.meta.get("undefined") or ():
        from jaxkit.cli.applications import Application
        from jaxkit.cli.scan import explain_missing, read_definitions
        from jaxkit.report import escape

        found = read_definitions(files)
        _say(f"jaxkit: {escape(explain_missing(Application(*plain), found))}")


def _judge_applied(recording: Recording) -> int:
    if recording.meta.get("undefined"):
        return 2
    return 1 if recording.meta.get("unraised") else 0


def _explain(asked: Request, text: str) -> None:
    if not asked.quiet:
        from jaxkit.report import escape

        _say(f"jaxkit: {escape(text)}")


def _print(report: Report) -> None:
    from jaxkit.report.render_text import print_report

    if sys.stderr is None:
        return
    try:
        print_report(report, sys.stderr)
    except OSError:  # nobody reads it any more
        return


def _say(line: str) -> None:
    try:
        if sys.stderr is not None:
            print(line, file=sys.stderr, flush=True)
    except OSError:
        return


def _clean_up(job: Job) -> None:
    if job.temporary:
        try:
            os.unlink(job.spool)
        except OSError:
            return
