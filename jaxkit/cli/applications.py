"""`--apply NAME[:option=value,...]@FUNCTION`: what it says, and whether it can be done."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as typing's, whose import costs 3 ms before every program
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from jaxkit.errors import UsageError

__all__ = ["Application", "check_transforms", "dump", "load", "read_applications"]

_FORM = "NAME[:option=value,...]@FUNCTION, such as check_finite@loss_fn"
# With these nothing can be wrong if no option is given, and JAX need not be imported to know it.
_NEED_NO_OPTIONS = frozenset({"check_finite", "max_compiles", "x64"})


class Application:
    """One transform for one function.

    Args:
        text: As it was given.
        name: The transform's.
        options: The transform's, by name.
        module: The only module that is meant; None for all of the user's.
        path: The function's name, with the names of what it is defined in before it.
    """

    def __init__(
        self,
        text: str,
        name: str,
        options: dict[str, Any],
        module: str | None,
        path: tuple[str, ...],
    ) -> None:
        self.text = text
        self.name = name
        self.options = options
        self.module = module
        self.path = path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Application) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def plain(self) -> tuple[Any, ...]:
        """As values that can be written down; `Application(*plain)` is the same again."""
        return self.text, self.name, self.options, self.module, self.path


def read_applications(texts: Sequence[str]) -> list[Application]:
    """Reads what `--apply` was given.

    Example:
        >>> (found,) = read_applications(["clip_gradients:max_norm=1.0@train:Trainer.grad"])
        >>> found.name, found.options, found.module, found.path
        ('clip_gradients', {'max_norm': 1.0}, 'train', ('Trainer', 'grad'))

    Args:
        texts: One for each `--apply`.

    Raises:
        UsageError: One has another form.
    """
    return [_read(text) for text in texts]


def _read(text: str) -> Application:
    transform, at, function = text.rpartition("@")
    if not at:
        raise _error(f"--apply must be {_FORM}, got {text!r}, which names no function: {text}@...")
    name, colon, options = transform.partition(":")
    if not name.strip() or (colon and not options.strip()):
        raise _error(f"--apply must be {_FORM}, got {text!r}")
    module, colon, qualname = function.rpartition(":")
    path = tuple(part for part in qualname.split(".") if part != "<locals>")
    names = [*path, *(module.split(".") if colon else ())]
    if not all(part.isidentifier() for part in names):
        raise _error(
            f"--apply {text}: the function must be a name such as loss_fn, Model.__call__, "
            f"make_step.step or package.module:loss_fn, got {function!r}"
        )
    return Application(text, name.strip(), _options(options, text), module or None, path)


def _options(text: str, whole: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in _split(text):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise _error(f"--apply {whole}: options are option=value, got {part.strip()!r}")
        if name in found:
            raise _error(f"--apply {whole}: the option {name!r} is given twice")
        found[name] = _value(value.strip())
    return found


def _split(text: str) -> list[str]:
    """The parts between commas that are not inside of brackets or quotes."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        depth += 0 if quote else (char in "([{") - (char in ")]}")
        if char == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part.strip()]


def _value(text: str) -> Any:
    from ast import literal_eval

    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def check_transforms(applications: Sequence[Application]) -> None:
    """Holds that there are such transforms, and that they take such options.

    Raises:
        UsageError: One of them cannot be put on any function; the message says why.
    """
    doubtful = [each for each in applications if each.options or each.name not in _NEED_NO_OPTIONS]
    if not doubtful:
        return
    # In a process of its own, as that imports JAX and we are about to fork.
    from subprocess import PIPE, run

    code = "from jaxkit.cli.applications import _complain; _complain()"
    given = dump([each.plain() for each in doubtful])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = run([sys.executable, "-c", code, given], stdout=PIPE, env=environment)
    if done.returncode:
        raise _error(done.stdout.decode(errors="replace").strip() or "--apply cannot be checked")


def _complain() -> None:
    """The other side of `check_transforms`: says what is wrong, if anything is."""
    for plain in load(sys.argv[1]):
        application = Application(*plain)
        try:
            _wrap_something(application)
        except Exception as error:
            print(f"--apply {application.text}: {error}")
            sys.exit(1)


def _wrap_something(application: Application) -> None:
    from jaxkit.transforms import get

    transform = get(application.name)
    transform(**application.options)(lambda *args, **kwargs: None)


def dump(value: Any) -> str:
    """Plain values as text for an environment variable or an argument."""
    from marshal import dumps

    return dumps(value).hex()


def load(text: str) -> Any:
    """The inverse of `dump`."""
    from marshal import loads

    return loads(bytes.fromhex(text))


def _error(message: str) -> UsageError:
    from jaxkit.errors import UsageError

    return UsageError(message)
