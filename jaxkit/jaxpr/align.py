"""Two sequences matched in order, in about linear time also where they are long.

References:
  Patience diff (Bram Cohen): what occurs once in both anchors the rest. Between anchors, Eugene
  Myers, An O(ND) difference algorithm and its variations, 1986, within a limit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

Pairs = list[tuple[int, int]]

_WORK = 2_000_000
_EDITS = 400
_NEAR = 200
_WINDOWS = (1, 3, 8)


def align(first: Sequence[Hashable], second: Sequence[Hashable]) -> Pairs:
    """Positions of equal elements, growing in both.

    Example:
      >>> align("abcd", "xbd")
      [(1, 1), (3, 2)]

    Args:
      first: one sequence.
      second: the other.

    Returns:
      pairs of positions. As many as there can be where the sequences are short or differ little;
      fewer where they are long and have nothing in common that occurs but once.
    """
    numbers: dict[Hashable, int] = {}
    a = [numbers.setdefault(each, len(numbers)) for each in first]
    b = [numbers.setdefault(each, len(numbers)) for each in second]
    found: Pairs = []
    work = _WORK
    stack = [(0, len(a), 0, len(b))]
    while stack:
        a0, a1, b0, b1 = stack.pop()
        while a0 < a1 and b0 < b1 and a[a0] == b[b0]:
            found.append((a0, b0))
            a0, b0 = a0 + 1, b0 + 1
        while a0 < a1 and b0 < b1 and a[a1 - 1] == b[b1 - 1]:
            a1, b1 = a1 - 1, b1 - 1
            found.append((a1, b1))
        if a0 == a1 or b0 == b1:
            continue
        anchors = _anchors(a, b, a0, a1, b0, b1)
        if not anchors:
            # Steps are shared out: what is left goes to those that come first.
            limit = min(int(work**0.5), _EDITS)
            pairs = _fewest_edits(a[a0:a1], b[b0:b1], limit)
            work -= (a1 - a0 + b1 - b0 - 2 * len(pairs or ())) ** 2 if pairs else limit**2
            work = max(work, 0)
            pairs = _greedy(a[a0:a1], b[b0:b1]) if pairs is None else pairs
            found.extend((i + a0, j + b0) for i, j in pairs)
            continue
        found.extend(anchors)
        for (x, y), (to_x, to_y) in zip(
            [(a0 - 1, b0 - 1), *anchors], [*anchors, (a1, b1)], strict=True
        ):
            if x + 1 < to_x and y + 1 < to_y:
                stack.append((x + 1, to_x, y + 1, to_y))
    return sorted(found)


def _anchors(a: list[int], b: list[int], a0: int, a1: int, b0: int, b1: int) -> Pairs:
    """What occurs once in both, alone or with what follows, as far as the order is the same."""
    for width in _WINDOWS:
        once_a = _once(a, a0, a1, width)
        once_b = _once(b, b0, b1, width)
        pairs = [(i, once_b[key]) for key, i in once_a.items() if key in once_b]
        if pairs:
            return _longest(pairs)
    return []


def _once(of: list[int], start: int, end: int, width: int) -> dict[Hashable, int]:
    if width == 1:
        keys: Sequence[Hashable] = of[start:end]
    else:
        keys = [tuple(of[i : i + width]) for i in range(start, end - width + 1)]
    counts = Counter(keys)
    return {key: start + i for i, key in enumerate(keys) if counts[key] == 1}


def _longest(pairs: Pairs) -> Pairs:
    """The longest part that grows in both, of pairs that grow in the first."""
    ends: list[int] = []
    at: list[int] = []
    before: list[int] = []
    for n, (_, j) in enumerate(pairs):
        place = bisect_left(ends, j)
        before.append(at[place - 1] if place else -1)
        if place == len(ends):
            ends.append(j)
            at.append(n)
        else:
            ends[place], at[place] = j, n
    found: Pairs = []
    n = at[-1] if at else -1
    while n >= 0:
        found.append(pairs[n])
        n = before[n]
    return found[::-1]


def _fewest_edits(a: list[int], b: list[int], limit: int) -> Pairs | None:
    """Myers' algorithm; None where more than `limit` insertions and removals are needed."""
    n, m = len(a), len(b)
    reached: dict[int, int] = {1: 0}
    history: list[dict[int, int]] = []
    for edits in range(min(n + m, limit) + 1):
        history.append(dict(reached))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reached[k - 1] < reached[k + 1])
            x = reached[k + 1] if down else reached[k - 1] + 1
            y = x - k
            while x < n and y < m and a[x] == b[y]:
                x, y = x + 1, y + 1
            reached[k] = x
            if x >= n and y >= m:
                return _traced(history, n, m)
    return None


def _traced(history: list[dict[int, int]], x: int, y: int) -> Pairs:
    found: Pairs = []
    for edits in range(len(history) - 1, -1, -1):
        reached = history[edits]
        k = x - y
        down = k == -edits or (k != edits and reached[k - 1] < reached[k + 1])
        before = k + 1 if down else k - 1
        to_x = reached[before] if edits else 0
        to_y = to_x - before if edits else 0
        while x > to_x and y > to_y:
            x, y = x - 1, y - 1
            found.append((x, y))
        x, y = to_x, to_y
    return found[::-1]


def _greedy(a: list[int], b: list[int]) -> Pairs:
    """Each with the next equal one that is not far ahead."""
    places: dict[int, list[int]] = {}
    for j, each in enumerate(b):
        places.setdefault(each, []).append(j)
    found: Pairs = []
    at = 0
    for i, each in enumerate(a):
        known = places.get(each, [])
        place = bisect_left(known, at)
        if place < len(known) and known[place] - at <= _NEAR:
            found.append((i, known[place]))
            at = known[place] + 1
    return found
