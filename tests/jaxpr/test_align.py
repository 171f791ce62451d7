"""Sequences matched in order: right on short ones, quick on long ones."""

from __future__ import annotations

import itertools
import random
import time

from hypothesis import given
from hypothesis import strategies as st

from jaxkit.jaxpr.align import align

words = st.lists(st.integers(0, 3), max_size=12)


def longest(a: list[int], b: list[int]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            best = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else best
    return table[-1][-1]


@given(words, words)
def test_pairs_are_equal_and_grow(a: list[int], b: list[int]) -> None:
    pairs = align(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(x[0] < y[0] and x[1] < y[1] for x, y in itertools.pairwise(pairs))
    assert len(pairs) <= longest(a, b)


@given(words, st.integers(0, 12), words)
def test_what_is_put_in_is_all_that_is_new(a: list[int], at: int, added: list[int]) -> None:
    b = [*a[:at], *(each + 10 for each in added), *a[at:]]
    assert len(align(a, b)) == len(align(b, a)) == len(a)


def test_few_edits_are_found_whole() -> None:
    assert align("abcabba", "cbabac") == align("abcabba", "cbabac")
    assert len(align("aabbaabb", "abab")) == 4
    assert align([], [1]) == []


def test_time_is_about_linear() -> None:
    rng = random.Random(0)
    a = [rng.randrange(50) for _ in range(100_000)]
    edited = [99 if rng.random() < 0.005 else each for each in a]
    unlike = [rng.randrange(50) for _ in range(100_000)]
    start = time.perf_counter()
    assert len(align(a, edited)) > 99_000
    align(a, unlike)
    align([0, 1, 2] * 30_000, [0, 1, 3, 2] * 30_000)
    assert time.perf_counter() - start < 60
