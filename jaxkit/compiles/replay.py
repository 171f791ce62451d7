"""Replaying recorded signatures under a proposed fix, to say what would have been left.

Replay proves numbers of compilations, not values: padding changes a mean, which is why a padding
fix is never given without its mask. Never imports JAX.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from jaxkit.compiles.diff import split_type
from jaxkit.compiles.leaf import Leaf

Leaves = tuple[Leaf, ...]


@dataclasses.dataclass(frozen=True)
class Replay:
    """What a fix leaves: programs compiled, of how many before.

    Which share of the work would be padding it cannot tell: calls that JAX's cache answers are not
    recorded, so that nobody knows how often each shape is used.
    """

    before: int
    after: int


def power_of_two(size: int) -> int:
    """The smallest power of two that is not below `size`."""
    return 1 << max(size - 1, 0).bit_length()


def pad_axes(shapes: Sequence[Leaves], buckets: Mapping[tuple[str, int], int | None]) -> Replay:
    """How many programs are left when the given axes are padded.

    Args:
      shapes: the signatures that were compiled.
      buckets: by path and axis the size to pad to; None for the next power of two.
    """
    paths = {path for path, _ in buckets}
    programs: set[Leaves] = set()
    for leaves in shapes:
        changed: list[Leaf] = []
        for leaf in leaves:
            if leaf.path not in paths or leaf.kind != "array":
                changed.append(leaf)
                continue
            dtype, sizes = split_type(leaf.type)
            new = [_padded(size, (leaf.path, axis), buckets) for axis, size in enumerate(sizes)]
            changed.append(leaf._replace(type=f"{dtype}[{','.join(new)}]"))
        programs.add(tuple(changed))
    return Replay(len(shapes), len(programs))


def _padded(
    size: str, place: tuple[str, int], buckets: Mapping[tuple[str, int], int | None]
) -> str:
    if place not in buckets or not size.isdigit():
        return size
    return str(buckets[place] or power_of_two(int(size)))


def as_one(shapes: Sequence[Leaves], paths: set[str]) -> Replay:
    """How many programs are left when the entries at `paths` no longer tell them apart."""
    programs = {tuple(leaf for leaf in leaves if leaf.path not in paths) for leaves in shapes}
    return Replay(len(shapes), len(programs))
