"""`parametrize_with_checks`: one pytest test for each transform and law."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxkit.testing._check_transform import (
    Level,
    check_expected,
    finding_of,
    make_bench,
    name_of,
)
from jaxkit.testing._subject import Subject
from jaxkit.testing.laws import laws
from jaxkit.testing.laws._law import Bench, Law
from jaxkit.testing.laws._run import check_with_causes

if TYPE_CHECKING:
    import pytest

__all__ = ["parametrize_with_checks"]


def parametrize_with_checks(
    transforms: Iterable[Callable[[Any], Any]],
    *,
    tags: Iterable[str] = (),
    expected_failures: Mapping[str, str] | None = None,
    level: Level = "quick",
    subjects: Sequence[Subject] | None = None,
) -> pytest.MarkDecorator:
    """One pytest test for each transform and law, of a test function with the argument `check`.

    A law that is expected to be broken is an expected failure of pytest's, and one that holds
    although it is expected to be broken fails. What cannot be checked here (too few devices, a tag
    of the transform) is skipped with the reason.

    Example:
        >>> from jaxkit.testing import parametrize_with_checks
        >>> @parametrize_with_checks([lambda fun: fun])
        ... def test_laws(check):
        ...     check()

    Args:
        transforms: Transforms, or functions from function to function.
        tags: What all of them mean to change, besides their own tags.
        expected_failures: A reason for each law that is known to be broken, by its slug.
        level: As of `check_transform`.
        subjects: As of `check_transform`.

    Returns:
        A decorator of a test function, whose tests have ids such as `clip_gradients-retrace`.

    Raises:
        TypeError: No transforms, or something else among them.
        ValueError: An unknown tag, law or level.

    References:
        scikit-learn's `parametrize_with_checks`, which does the same for estimators.
    """
    import pytest

    chosen = list(transforms)
    if not chosen:
        raise TypeError("transforms must be a sequence of transforms, got an empty one")
    expected = check_expected(expected_failures)
    cases = []
    for name, transform in zip(_names(chosen), chosen, strict=True):
        bench = make_bench(transform, tags=tags, level=level, subjects=subjects)
        cases += [
            pytest.param(Check(law, bench, transform, expected), id=f"{name}-{slug}")
            for slug, law in laws().items()
        ]
    return pytest.mark.parametrize("check", cases)


class Check:
    """One law of one transform: call it to check it.

    Args:
        law: The law.
        bench: The transform with what it is tried on.
        transform: The transform as the user gave it.
        expected: Laws that are expected to be broken, with the reasons.
    """

    def __init__(self, law: Law, bench: Bench, transform: Any, expected: Mapping[str, str]) -> None:
        self.law = law
        self.bench = bench
        self.transform = transform
        self.expected = expected

    def __call__(self) -> None:
        """Passes, fails, skips or expects to fail, in pytest's words."""
        import pytest

        outcome = check_with_causes(self.law, self.bench)
        if outcome.state == "not-checked":
            # As with one device: a law that could not be checked is neither kept nor broken.
            pytest.skip(outcome.message)
        finding = finding_of(outcome, self.transform, self.expected)
        if finding is not None:
            fix = f"\nfix: {finding.fix}" if finding.fix else ""
            pytest.fail(f"{finding.kind}: {finding.message}{fix}", pytrace=False)
        if outcome.state == "broken":
            pytest.xfail(f"{self.expected[self.law.slug]}: {outcome.message}")

    def __repr__(self) -> str:
        return f"<the law {self.law.slug!r} for {name_of(self.transform)}>"


def _names(transforms: Sequence[Any]) -> list[str]:
    """A short name for each, numbered where two have the same."""
    short = [name_of(each).partition("(")[0].strip("<>") or "transform" for each in transforms]
    full = [name_of(each) if short.count(s) > 1 else s for s, each in zip(short, transforms)]  # noqa: B905
    seen: dict[str, int] = {}
    names = []
    for name in full:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if full.count(name) == 1 else f"{name}#{seen[name]}")
    return names
