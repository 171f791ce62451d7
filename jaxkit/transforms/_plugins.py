"""Transforms of installed packages: the entry-point group `jaxkit.transforms`."""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from jaxkit.errors import PluginError
from jaxkit.transforms._transform import Transform

__all__ = ["GROUP", "Plugin", "installed"]

GROUP = "jaxkit.transforms"


@dataclass(frozen=True)
class Plugin:
    """One entry point."""

    name: str
    origin: str
    entry: Any

    def load(self) -> Transform:
        """Imports it.

        Raises:
            PluginError: It cannot be used.
        """
        label = f"{GROUP}: {self.entry.name} = {self.entry.value}"
        try:
            found = self.entry.load()
        except Exception as error:
            reason = f"cannot be loaded: {type(error).__name__}: {error}"
            raise PluginError(label, reason) from error
        if not isinstance(found, Transform):
            raise PluginError(label, f"must be a Transform, got {type(found).__name__}")
        return found


def installed(*, reserved: Container[str]) -> dict[str, Plugin]:
    """The plug-ins by name."""
    if os.environ.get("JAXKIT_NO_PLUGINS", "0") not in ("", "0"):
        return {}
    from importlib.metadata import entry_points  # slow to import, and not always needed

    return {
        entry.name: Plugin(entry.name, entry.dist.name if entry.dist else "", entry)
        for entry in entry_points(group=GROUP)
        if entry.name not in reserved
    }
