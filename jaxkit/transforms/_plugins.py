"""Transforms of installed packages: the entry-point group `jaxkit.transforms`.

An entry's name is the transform's own, its value `package.module:attribute`. Plug-ins add, they
cannot replace; a broken one is known by its name and its error, and the others go on working.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from jaxkit.errors import PluginError
from jaxkit.report.plugins import entries, label, load
from jaxkit.transforms._transform import Transform

__all__ = ["GROUP", "Plugin", "installed"]

GROUP = "jaxkit.transforms"


@dataclass(frozen=True)
class Plugin:
    """A transform that some distribution has announced.

    Args:
        name: The entry point's.
        origin: The distribution; several with commas between them, if they clash.
        entry: The entry point.
        clash: What is wrong before anything is loaded; None if nothing is.
    """

    name: str
    origin: str
    entry: Any
    clash: str | None = None

    def load(self) -> Transform:
        """Imports the transform.

        Raises:
            PluginError: It cannot be used.
        """
        named = label(GROUP, self.entry)
        if self.clash is not None:
            raise PluginError(named, self.clash)
        found = load(GROUP, self.entry)
        if not isinstance(found, Transform):
            raise PluginError(
                named,
                f"must be a Transform, as @jaxkit.transform makes it, got {type(found).__name__}",
            )
        if found.name != self.name:
            raise PluginError(
                named,
                f"must have the name of its transform, which is {found.name!r}: "
                f"rename the entry point, or give @jaxkit.transform(name={self.name!r})",
            )
        return found


def installed(*, reserved: Container[str]) -> dict[str, Plugin]:
    """The plug-ins, none of them loaded.

    Args:
        reserved: The names of ours.

    Returns:
        Each under its name; under `name (distribution)` where the name is one of ours.
    """
    found: dict[str, Plugin] = {}
    for entry in entries(GROUP):
        new = Plugin(entry.name, _origin(entry), entry)
        if new.name in reserved:
            clash = f"has the name of jaxkit's own transform {new.name!r}: it needs another one"
            found[f"{new.name} ({new.origin})"] = Plugin(new.name, new.origin, entry, clash)
        elif new.name not in found:
            found[new.name] = new
        elif (old := found[new.name]).entry.value != entry.value or old.origin != new.origin:
            origins = f"{old.origin}, {new.origin}"
            clash = f"is not the only one of its name: {origins} all have it; uninstall all but one"
            found[new.name] = Plugin(new.name, origins, old.entry, clash)
    return found


def _origin(entry: Any) -> str:
    return entry.dist.name if entry.dist is not None else entry.value.partition(":")[0]
