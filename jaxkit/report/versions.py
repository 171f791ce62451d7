"""Which versions a report tells about, found without importing any of them."""

from __future__ import annotations

import platform
from importlib import metadata

from jaxkit import __version__

__all__ = ["installed_versions"]


def installed_versions() -> dict[str, str]:
    """The versions of jaxkit, Python, and of JAX's two halves where they are installed.

    Example:
        >>> sorted(installed_versions())[:2]
        ['jax', 'jaxkit']

    Returns:
        A version for each name.
    """
    versions = {"jaxkit": __version__, "python": platform.python_version()}
    for name in ("jax", "jaxlib"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
