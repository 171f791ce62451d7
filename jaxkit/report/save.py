"""Files that are either the old ones or the new ones, never half of both."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Generator, Iterable
from os import PathLike

from jaxkit.errors import ReportPathError
from jaxkit.report.renderers import find_suffix, render
from jaxkit.report.report import Report

__all__ = ["check_writable", "save", "write_atomically"]


def save(report: Report, path: str | PathLike[str]) -> None:
    """Writes a report to a file, in the form that its name asks for.

    Args:
        report: The report.
        path: The file. It is drawn first and then replaced in one step: a failure leaves what was
            there.

    Raises:
        ReportPathError: The ending is unknown, or the file cannot be written.
    """
    drawn = render(report, find_suffix(path))
    if isinstance(drawn, str):
        # Not every string is valid Unicode (names of files); a report is written all the same.
        drawn = drawn.encode("utf-8", errors="backslashreplace")
    write_atomically(path, drawn)


def check_writable(path: str | PathLike[str], *, also: Iterable[str] = ()) -> None:
    """Finds out before a long run whether a report could be saved afterwards.

    Nothing is left behind, and what is there stays as it is.

    Args:
        path: Where the report would be saved.
        also: Suffixes that the caller takes care of, such as `.jsonl`.

    Raises:
        ReportPathError: It could not be saved; the message says why, and what to do.
    """
    find_suffix(path, also=also)
    with _explained(path):
        target = os.path.realpath(path)
        if _is_special(target):
            return
        if os.path.exists(target) and not os.access(target, os.W_OK):
            raise ReportPathError(
                os.fspath(path), "the file is there and read-only: choose another"
            )
        # Trying tells what permissions alone do not: read-only and full disks, access lists.
        temporary, descriptor = _open_beside(target)
        os.close(descriptor)
        os.unlink(temporary)


def write_atomically(path: str | PathLike[str], content: bytes) -> None:
    """Replaces a file's content in one step.

    The new file keeps the old one's permissions, and a symbolic link goes on pointing where it did.
    Pipes and devices, which cannot be replaced, are written to.

    Args:
        path: The file, which need not exist; its folder must.
        content: All of it.

    Raises:
        ReportPathError: It could not be written. What was there stays.
    """
    with _explained(path):
        target = os.path.realpath(path)
        if _is_special(target):
            with open(target, "wb") as file:
                file.write(content)
            return
        _replace(target, content)


def _replace(target: str, content: bytes) -> None:
    temporary, descriptor = _open_beside(target)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _open_beside(target: str) -> tuple[str, int]:
    """A new file in the same folder (so that replacing is one step), with usual permissions."""
    folder, _ = os.path.split(target)
    # Short and not made of the target's name, which may be as long as the file system allows.
    temporary = os.path.join(folder, f".jaxkit-{os.urandom(6).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    return temporary, os.open(temporary, flags, 0o666)


def _is_special(target: str) -> bool:
    """Whether it is a pipe, a device or the like.

    Raises:
        OSError: It is a folder, or its name cannot be one of a file.
    """
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError
    return not stat.S_ISREG(mode)


@contextlib.contextmanager
def _explained(path: str | PathLike[str]) -> Generator[None]:
    """Turns what the operating system says into a ReportPathError with the way out."""
    try:
        yield
    except ReportPathError:
        raise
    except (OSError, ValueError) as error:
        raise ReportPathError(os.fspath(path), _reason(os.fspath(path), error)) from error


def _reason(path: str, error: OSError | ValueError) -> str:
    folder = os.path.dirname(os.path.abspath(path)) if "\0" not in path else ""
    if isinstance(error, IsADirectoryError):
        return "it is a folder: name a file in it"
    if isinstance(error, FileNotFoundError):
        return f"the folder {folder!r} does not exist: make it first"
    if isinstance(error, NotADirectoryError):
        return f"{folder!r} is not a folder, or is inside a file: choose another"
    if isinstance(error, PermissionError):
        return f"the folder {folder!r} does not let you make files: choose another"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"the system says: {said}"
