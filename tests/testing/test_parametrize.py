"""One test for each transform and law, as pytest shows it."""

from pathlib import Path

import pytest

from jaxkit.testing import parametrize_with_checks
from jaxkit.testing.laws import laws

pytest_plugins = ["pytester"]

MODULE = """
import functools
import jax
from jaxkit.testing import parametrize_with_checks

def positional(fun):
    @functools.wraps(fun)
    def wrapped(*args):
        return fun(*args)
    return wrapped

def same(fun):
    return fun

@parametrize_with_checks([same, positional, same], expected_failures={EXPECTED})
def test_laws(check):
    check()
"""


def run(pytester: pytest.Pytester, expected: str, *options: str) -> pytest.RunResult:
    path = Path(pytester.path) / "test_laws.py"
    path.write_text(MODULE.replace("{EXPECTED}", expected))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rxfs", *options)


def test_a_test_for_each_law(pytester: pytest.Pytester) -> None:
    ran = run(pytester, "None", "--collect-only", "-q")
    for slug in laws():
        ran.stdout.fnmatch_lines([f"*test_laws[[]positional-{slug}[]]"])
        ran.stdout.fnmatch_lines([f"*test_laws[[]same#2-{slug}[]]"])


def test_a_broken_law_fails_with_its_sentence(pytester: pytest.Pytester) -> None:
    ran = run(pytester, "None", "-k", "args or lazy")
    ran.assert_outcomes(passed=5, failed=1)
    ran.stdout.fnmatch_lines(
        ["args: positional breaks the law that every argument reaches the function*"]
    )


def test_expected_failures(pytester: pytest.Pytester) -> None:
    ran = run(pytester, "{'args': 'known', 'lazy': 'never'}", "-k", "positional and (args or lazy)")
    ran.assert_outcomes(xfailed=1, failed=1)
    ran.stdout.fnmatch_lines(
        ["lazy: positional keeps the law that nothing runs when a function is wrapped, although *"]
    )


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError) as caught:
        parametrize_with_checks([])
    assert str(caught.value) == "transforms must be a sequence of transforms, got an empty one"
    with pytest.raises(ValueError) as refused:
        parametrize_with_checks([abs], expected_failures={"speed": "slow"})
    assert str(refused.value).startswith("expected_failures must name laws, got 'speed'; the laws")
