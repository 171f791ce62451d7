"""What jaxkit raises. No imports here, so that every other file may use it.

```
JaxkitError                      catch this one for anything that jaxkit raises on purpose
├── FindingsError                an analysis found what the caller asked to be stopped by: `.report`
│   ├── RecompilationError       a function compiled more often than it was allowed to
│   └── NonFiniteError           a NaN or an infinity was made
├── ReportPathError              (a ValueError too) a report cannot be written there:
├── ReportFormatError            (a ValueError too) a document is not a report: `.place` `.reason`
├── PluginError                  an installed plug-in cannot be used: `.plugin`
├── MissingExtraError            (an ImportError too) a package of an extra of ours is missing
└── UsageError                   (a ValueError too) an option or argument that makes no sense
```

Arguments of the wrong type or value raise plain `TypeError` and `ValueError`, as in the standard
library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxkit.report import Report

__all__ = [
    "FindingsError",
    "JaxkitError",
    "MissingExtraError",
    "NonFiniteError",
    "PluginError",
    "RecompilationError",
    "ReportFormatError",
    "ReportPathError",
    "UsageError",
]


class JaxkitError(Exception):
    """The base of everything that jaxkit raises on purpose."""


class FindingsError(JaxkitError):
    """An analysis found what the caller asked to be stopped by.

    Args:
        report: The whole report, also available as the attribute `report`.
        message: What `str` gives.
    """

    def __init__(self, report: Report, message: str) -> None:
        # Both are in `args`: that is what makes the exception survive a trip between processes.
        super().__init__(report, message)
        self.report = report

    def __str__(self) -> str:
        return str(self.args[1])


class RecompilationError(FindingsError):
    """A function compiled more often than it was allowed to; the message explains the last time."""


class NonFiniteError(FindingsError):
    """A NaN or an infinity was made; the report says by which operation, from what."""


class ReportPathError(JaxkitError, ValueError):
    """A report cannot be written to this path.

    Args:
        path: The path as the caller gave it.
        reason: What is wrong with it, and the way out.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot write a report to {self.path!r}: {self.reason}"


class ReportFormatError(JaxkitError, ValueError):
    """A document does not have the form of a report.

    Args:
        place: Where in the document, such as `findings[0].severity`; empty for the whole.
        reason: What is wrong there.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"not a report: {self.place or 'the document'} {self.reason}"


class PluginError(JaxkitError):
    """An installed plug-in cannot be used.

    Args:
        plugin: The entry point, such as `jaxkit.renderers: .md = package.module:function`.
        reason: What is wrong with it.
    """

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(plugin, reason)
        self.plugin = plugin
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"plug-in {self.plugin!r} {self.reason}; set JAXKIT_NO_PLUGINS=1 to go without plug-ins"
        )


class MissingExtraError(JaxkitError, ImportError):
    """A package is missing that only one of our extras installs.

    Args:
        package: The package that is missing.
        extra: The extra that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"this needs the package {self.package!r}: "
            f'install it with python -m pip install "jaxkit-debug[{self.extra}]"'
        )


class UsageError(JaxkitError, ValueError):
    """An option or an argument that makes no sense; the command line ends with exit code 2."""
