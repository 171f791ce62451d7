"""`exceptions`: what the function raises arrives as it is."""

from __future__ import annotations

from typing import Any

import jax

from jaxkit.testing.laws._law import Bench, Law, broken, dynamic

__all__ = ["LAWS"]


class _NeedsArgumentsError(Exception):
    """Cannot be made again from its message."""

    def __init__(self, code: int, *, detail: str) -> None:
        super().__init__(code)
        self.detail = detail


def _exceptions(bench: Bench) -> None:
    errors: list[BaseException] = [
        ValueError("of the function"),
        _NeedsArgumentsError(3, detail="kept"),
        KeyboardInterrupt(),
        TypeError("f() takes 1 positional argument but 2 were given"),
    ]
    if bench.thorough():
        errors += [
            SystemExit(3),
            KeyError("k"),
            AttributeError("a"),
            RuntimeError("r"),
            FloatingPointError("nan"),
            ExceptionGroup("both", [ValueError("v"), OSError("o")]),
        ]
    for error in errors:
        _arrives(bench, error, jit=False)
    if "no_jit" not in bench.tags:
        _arrives(bench, _NeedsArgumentsError(4, detail="traced"), jit=True)


def _arrives(bench: Bench, error: BaseException, *, jit: bool) -> None:
    cause = ArithmeticError("the cause")
    error.__cause__ = cause
    before = error.args, dict(vars(error))

    def failing(*args: Any, **kwargs: Any) -> Any:
        raise error

    subject = bench.subject
    wrapped = bench.wrap(subject.around(failing))
    kind = type(error).__name__
    where = " under jax.jit" if jit else ""
    call, arrays = dynamic(wrapped, subject)
    try:
        jax.eval_shape(call, arrays(0)) if jit else bench.call(wrapped, subject)
    except BaseException as caught:
        _compare(error, caught, kind, where)
    else:
        broken(f"the {kind} of the function was swallowed{where}")
    if error.__cause__ is not cause and not jit:
        broken(f"the {kind} of the function arrived with another __cause__")
    notes = vars(error)
    notes.pop("__notes__", None)
    if (error.args, dict(notes)) != before:
        broken(f"the {kind} of the function arrived with other arguments or attributes")


def _compare(error: BaseException, caught: BaseException, kind: str, where: str) -> None:
    if caught is error:
        return
    if type(caught) is type(error):
        broken(f"another {kind} than the function's own object arrived{where}")
    broken(f"{type(caught).__name__} arrived instead of the function's {kind}{where}")


LAWS = (
    Law(
        "exceptions",
        "an exception of the function arrives as the same object",
        _exceptions,
        excused_by=("lazy",),
    ),
)
