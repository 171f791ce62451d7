"""One entry of a signature: an array's type, a static value's meaning. Never imports JAX."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, NamedTuple


@dataclasses.dataclass(frozen=True, slots=True)
class Static:
    """A value that is part of JAX's cache key, without the value itself.

    ``meaning`` is a digest of what the value says (its type and contents), ``identity`` a token
    of the object where JAX compares it by identity. JAX finds two statics equal when both agree;
    equal meanings with different identities are the classic accident.
    """

    type: str
    repr: str
    meaning: str
    identity: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return dataclasses.asdict(self)


class Leaf(NamedTuple):
    """One entry of a signature.

    A named tuple and not a dataclass, because an event may have thousands and is made while the
    user's program waits.

    Attributes:
      path: expression in the function's own argument names, as ``batch['x']``.
      kind: ``array``, ``python`` (a Python number), ``static`` or ``none``.
      type: dtype and shape as ``f32[32,17]``; of a static ``metadata`` where it is held in a
        container's metadata and not as a leaf, else empty.
      weak_type: whether the dtype is weak.
      sharding: the placement, for arrays that are committed to one.
      committed: whether the array is committed to its devices.
      static: what is known of a static value.
    """

    path: str
    kind: str
    type: str = ""
    weak_type: bool = False
    sharding: str | None = None
    committed: bool = False
    static: Static | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        data: dict[str, Any] = self._asdict()
        data["static"] = self.static.to_dict() if self.static else None
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Leaf:
        """The inverse of `to_dict`."""
        static = data.get("static")
        return intern(
            cls(
                str(data["path"]),
                str(data["kind"]),
                str(data.get("type") or ""),
                bool(data.get("weak_type")),
                data.get("sharding"),
                bool(data.get("committed")),
                Static(**static) if static else None,
            )
        )


_MAX_INTERNED = 100_000
_interned: dict[Leaf, Leaf] = {}


def intern(leaf: Leaf) -> Leaf:
    """One object for equal leaves, so that many signatures of one model cost little memory."""
    if len(_interned) > _MAX_INTERNED:
        _interned.clear()
    return _interned.setdefault(leaf, leaf)


_leaf_texts: dict[Leaf, str] = {}


def leaf_json(leaf: Leaf) -> str:
    """A leaf as JSON text, written once a leaf and not once an event."""
    text = _leaf_texts.get(leaf)
    if text is None:
        if len(_leaf_texts) > _MAX_INTERNED:
            _leaf_texts.clear()
        text = _leaf_texts[leaf] = json.dumps(leaf.to_dict())
    return text
