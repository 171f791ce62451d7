"""`check_transform`: does a function transform keep the laws that make transforms compose."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from jaxkit.report import Block, Finding, Report, SourceLine, Text, Tree
from jaxkit.testing._subject import Subject, default_subjects
from jaxkit.testing.laws import laws
from jaxkit.testing.laws._law import LEVELS, Bench
from jaxkit.testing.laws._run import Outcome, check_laws
from jaxkit.transforms import TAGS

__all__ = ["check_transform"]

Level = Literal["quick", "standard", "full"]


def check_transform(
    transform: Callable[[Any], Any],
    *,
    tags: Iterable[str] = (),
    expected_failures: Mapping[str, str] | None = None,
    level: Level = "standard",
    subjects: Sequence[Subject] | None = None,
) -> Report:
    """Checks that a transform keeps the laws by which transforms compose.

    A law is checked by itself, in a thread of its own, with new arguments for each call; JAX's
    configuration and the environment are put back after it. What a transform that does nothing
    cannot do either is not held against it, and of two breaches with one cause one is reported.

    Example:
        >>> import functools
        >>> def without_names(fun):
        ...     @functools.wraps(fun)
        ...     def wrapped(*args):
        ...         return fun(*args)
        ...     return wrapped
        >>> report = check_transform(without_names, level="quick")
        >>> [finding.kind for finding in report.findings]
        ['args']

    Args:
        transform: A `jaxkit.Transform` with its options bound, or any function from function to
            function.
        tags: What it means to change, of `jaxkit.transforms.TAGS`, besides its own `.tags`.
        expected_failures: A reason by the law's slug for each law that is known to be broken. One
            that holds after all is a finding.
        level: `quick` takes a few seconds; `standard` tries more; `full` also draws arguments.
        subjects: Functions with arguments to try it on, for a transform that cannot be put on any
            function; those of the kit return a tree like their first argument.

    Returns:
        A report with a finding for each broken law, whose `kind` is its slug. `data["passed"]` are
        the laws that hold, `data["not_checked"]` the others with the reason for each: shard_map
        and sharding take two devices.

    Raises:
        TypeError: The transform cannot be called.
        ValueError: An unknown tag, law or level; no subjects.

    References:
        The manner is that of scikit-learn's `check_estimator`; jax-ml/jax#8419, #21650 and #24398
        are what composition costs where it is not checked.
    """
    begin = time.perf_counter()
    expected = check_expected(expected_failures)
    bench = make_bench(transform, tags=tags, level=level, subjects=subjects)
    outcomes = check_laws(bench)
    seconds = time.perf_counter() - begin
    findings = [
        finding
        for outcome in outcomes
        if (finding := finding_of(outcome, transform, expected)) is not None
    ]
    data = {
        "transform": name_of(transform),
        "tags": sorted(bench.tags),
        "level": level,
        "seconds": round(seconds, 3),
        "checked": [each.law.slug for each in outcomes if each.state != "not-checked"],
        "passed": [each.law.slug for each in outcomes if each.state == "passed"],
        "not_checked": {e.law.slug: e.message for e in outcomes if e.state == "not-checked"},
        "expected_failures": {
            e.law.slug: e.message
            for e in outcomes
            if e.state == "broken" and e.law.slug in expected
        },
        "law_seconds": {each.law.slug: round(each.seconds, 3) for each in outcomes},
    }
    return Report("check_transform", findings, data, _blocks(transform, findings, data))


def make_bench(
    transform: Any,
    *,
    tags: Iterable[str] = (),
    level: str = "standard",
    subjects: Sequence[Subject] | None = None,
) -> Bench:
    """What the laws are checked with; the arguments are those of `check_transform`."""
    if not callable(transform):
        raise TypeError(
            f"transform must be a function from function to function, got transform={transform!r}"
        )
    if isinstance(tags, str):
        raise TypeError(f"tags must be a sequence of tags, got tags={tags!r}; write ({tags!r},)")
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, got level={level!r}")
    if subjects is not None and not subjects:
        raise ValueError("subjects must be None or one subject at least, got an empty sequence")
    every = frozenset(tags).union(*(getattr(each, "tags", ()) for each in _links(transform)))
    unknown = sorted(every - set(TAGS))
    if unknown:
        raise ValueError(
            f"tags must be of {', '.join(sorted(TAGS))}, got the unknown tag {unknown[0]!r}"
        )
    chosen = default_subjects(level) if subjects is None else tuple(subjects)
    options = [name for each in _links(transform) if _ours(each) for name in _options(each)]
    return Bench(transform, every, level, chosen, subjects is not None, tuple(options))


def _links(transform: Any) -> tuple[Any, ...]:
    """The transforms of a chain; any other is one by itself."""
    links = getattr(transform, "links", None)
    return links if isinstance(links, tuple) else (transform,)


def _options(transform: Any) -> list[str]:
    return list(inspect.signature(transform.factory).parameters)[1:]


def check_expected(expected_failures: Mapping[str, str] | None) -> dict[str, str]:
    """The mapping, whose keys must be laws."""
    expected = dict(expected_failures or {})
    for slug in expected:
        if slug not in laws():
            raise ValueError(
                f"expected_failures must name laws, got {slug!r}; the laws are {', '.join(laws())}"
            )
    return expected


def finding_of(outcome: Outcome, transform: Any, expected: Mapping[str, str]) -> Finding | None:
    """What an outcome is to the user; None if it is as it should be."""
    law, name = outcome.law, name_of(transform)
    where = _where(transform)
    if outcome.state == "broken" and law.slug not in expected:
        fix = None
        if law.free_by:
            fix = f"if that is meant, give the tag {' or '.join(sorted(law.free_by))}"
        message = f"{name} breaks the law that {law.sentence}: {outcome.message}"
        return Finding(law.slug, "error", message, where, fix, {"law": law.sentence})
    if outcome.state == "passed" and law.slug in expected:
        message = (
            f"{name} keeps the law that {law.sentence}, although expected_failures says that it "
            f"does not ({expected[law.slug]})"
        )
        return Finding(law.slug, "error", message, where, "take it out of expected_failures")
    return None


def name_of(transform: Any) -> str:
    """What the transform is called, with its options."""
    if _ours(transform):
        return str(transform)
    name = getattr(transform, "__name__", None) or getattr(transform, "name", None)
    return str(name) if isinstance(name, str) else repr(transform)


def _ours(transform: Any) -> bool:
    return callable(getattr(transform, "factory", None)) and hasattr(transform, "options")


def _where(transform: Any) -> SourceLine | None:
    code = getattr(inspect.unwrap(getattr(transform, "factory", transform)), "__code__", None)
    if code is None:
        return None
    return SourceLine(os.path.relpath(code.co_filename), code.co_firstlineno, function="")


def _blocks(transform: Any, findings: Sequence[Finding], data: Mapping[str, Any]) -> list[Block]:
    count = len(findings)
    verdict = "no law broken" if not count else f"{count} {'law' if count == 1 else 'laws'} broken"
    blocks: list[Block] = [
        Text(
            f"{name_of(transform)}: {verdict}, {len(data['passed'])} kept, "
            f"{len(data['not_checked'])} not checked ({data['level']}, {data['seconds']:.1f} s)",
            "bad" if count else "good",
        )
    ]
    for finding in findings:
        below = [finding.message] + ([f"fix: {finding.fix}"] if finding.fix else [])
        blocks.append(Tree(finding.kind, below, "bad"))
    if data["not_checked"]:
        lines = [f"{slug}: {reason}" for slug, reason in data["not_checked"].items()]
        blocks.append(Tree("not checked", lines, "dim"))
    return blocks
