"""What `jaxkit run` is asked to do, and the quick way to read that."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Request", "read_quickly"]


class Request:
    """One `jaxkit run`. No dataclass: importing those costs 10 ms before every program.

    Args:
        program: The script, folder or zip file; the module's name if `module`.
        arguments: The program's own.
        module: Whether it is run as `python -m` does.
        reports: Where reports go.
        max_compiles: How often one function may compile.
        fail_on: The kinds of finding, or `warning`, that make the exit code 1.
        quiet: Whether the summary is left out.
        apply: Which transforms are put on which functions.
    """

    def __init__(
        self,
        program: str,
        arguments: Sequence[str] = (),
        *,
        module: bool = False,
        reports: Sequence[str] = (),
        max_compiles: int | None = None,
        fail_on: Sequence[str] = (),
        quiet: bool = False,
        apply: Sequence[str] = (),
    ) -> None:
        self.program = program
        self.arguments = list(arguments)
        self.module = module
        self.reports = list(reports)
        self.max_compiles = max_compiles
        self.fail_on = list(fail_on)
        self.quiet = quiet
        self.apply = list(apply)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Request({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    @property
    def decides_exit_code(self) -> bool:
        """Whether the exit code can be another than the program's."""
        return self.max_compiles is not None or bool(self.fail_on) or bool(self.apply)

    @property
    def wants_anything(self) -> bool:
        """Whether it makes any difference that the program is watched."""
        return self.decides_exit_code or bool(self.reports) or not self.quiet


def read_quickly(given: list[str]) -> Request | None:
    """Reads the arguments of `jaxkit run` in the plain forms that nearly all command lines have.

    Example:
        >>> read_quickly(["--report", "out.json", "train.py", "--epochs", "3"]).arguments
        ['--epochs', '3']

    Args:
        given: What stands after `run`.

    Returns:
        What is asked, the same as typer reads; None if that is for typer to say: help, anything
        unknown, anything missing.
    """
    request = Request("")
    at = 0
    while at < len(given) and (given[at].startswith("-") and given[at] != "-"):
        name, joined, value = given[at].partition("=")
        at += 1
        if name in _FLAGS and not joined:
            setattr(request, _FLAGS[name], True)
            continue
        if not joined and at < len(given) and name in _WITH_VALUE:
            value, at = given[at], at + 1
        elif not joined or name not in _WITH_VALUE or not name.startswith("--"):
            return None
        if not _set(request, name, value):
            return None
    if at == len(given):
        return None
    request.program, request.arguments = given[at], given[at + 1 :]
    return request


_FLAGS = {"-m": "module", "--quiet": "quiet", "-q": "quiet"}
_WITH_VALUE = ("--report", "--max-compiles", "--fail-on", "--apply")


def _set(request: Request, name: str, value: str) -> bool:
    if name == "--report":
        request.reports.append(value)
    elif name == "--fail-on":
        request.fail_on.append(value)
    elif name == "--apply":
        request.apply.append(value)
    elif value.isascii() and value.isdecimal():
        request.max_compiles = int(value)
    else:
        return False
    return True
