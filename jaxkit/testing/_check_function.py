"""`check_function`: does a function mean the same however JAX runs it."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import hypothesis
import jax
import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from jaxkit.report import Block, Finding, Report, SourceLine, Text, Tree
from jaxkit.testing._isolation import TimedOutError, in_a_thread_of_its_own
from jaxkit.testing.checks import ORDER, checks
from jaxkit.testing.checks._case import Case, Check, DisagreementError, UncheckedError, written
from jaxkit.testing.laws._law import said
from jaxkit.testing.variants import VARIANTS

__all__ = ["check_function"]

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]
# Shrinking compiles: what is found in this time after the first failure is what is shown.
_SHRINKING = 5.0
_HEALTH: tuple[Any, ...] = tuple(hypothesis.HealthCheck)
_FOLLOW_FROM_REPEAT = frozenset("jit stale device vmap spmd grad jvp x64".split())


def check_function(
    fun: Callable[..., Any],
    arguments: st.SearchStrategy[Arguments] | Arguments | None = None,
    *,
    variants: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    max_examples: int = 20,
) -> Report:
    """Checks that a function means the same with and without jit, under vmap, grad and the others.

    Results of two ways to run it need not be equal to the bit: they may differ by as much as
    rounding, in the narrowest dtype that the function computes in, can make of them, which is
    found by moving its arguments by a rounding error. Derivatives are held against finite
    differences in float64, which stay silent at kinks.

    Example:
        >>> import jax.numpy as jnp
        >>> def first_positive(x):
        ...     return x if x.sum() > 0 else -x
        >>> report = check_function(first_positive, ((jnp.ones(3),), {}))
        >>> [finding.kind for finding in report.findings][0]
        'jit'

    Args:
        fun: The function: of arrays, or of anything besides them, which stays static.
        arguments: A Hypothesis strategy of `(args, kwargs)`, such as `arguments_for(fun)`, or one
            such pair. Left out: made from the annotations. Arguments for which the function
            itself raises are passed over.
        variants: Names of the ways to run it, of `jaxkit.testing.variants.VARIANTS`; all if left
            out.
        ignore: Kinds that are not to be checked.
        max_examples: How many arguments are drawn for a check; those that compile draw fewer.

    Returns:
        A report with a finding for each kind of disagreement, which holds the smallest arguments
        found. `data["not_checked"]` has a reason for each check that could not be made.

    Raises:
        TypeError: fun cannot be called, or is not annotated and arguments are left out.
        ValueError: An unknown kind or variant.

    References:
        `chex.variants` runs one test in several of these ways; jax.test_util.check_grads draws one
        direction with one step, which in float32 passes wrong gradients and fails right ones.
    """
    begin = time.perf_counter()
    strategy = _strategy(fun, arguments)
    chosen = _known("variants", VARIANTS if variants is None else variants, tuple(VARIANTS))
    left_out = set(_known("ignore", ignore, ORDER))
    if isinstance(max_examples, bool) or not isinstance(max_examples, int) or max_examples < 1:
        raise ValueError(f"max_examples must be 1 or more, got max_examples={max_examples!r}")
    search = _Search(fun, strategy, chosen, max_examples)
    findings: list[Finding] = []
    passed: list[str] = []
    not_checked: dict[str, str] = {}
    for kind, check in checks().items():
        reason = _reason_not_to(check, findings, left_out)
        found = None if reason else search.smallest(check)
        if found is not None and _follows(found, findings):
            reason, found = "jit fails with the same error", None
        reason = reason or search.reasons.get(kind)
        if reason:
            not_checked[kind] = reason
        elif found is not None:
            findings.append(_finding(fun, check, found))
        else:
            passed.append(kind)
    data = {
        "function": _name(fun),
        "passed": passed,
        "not_checked": not_checked,
        "seconds": round(time.perf_counter() - begin, 3),
    }
    return Report("check_function", findings, data, _blocks(fun, findings, data))


class _Failure:
    """Arguments and what went wrong with them."""

    def __init__(self, case: Case, error: DisagreementError) -> None:
        self.args, self.kwargs = case.inputs()
        self.error = error
        leaves = jax.tree_util.tree_leaves((self.args, self.kwargs))
        self.size = (sum(np.size(x) for x in leaves), len(written("", self.args, self.kwargs)))


class _Search:
    """Draws arguments, and keeps the smallest for which a check fails."""

    def __init__(
        self,
        fun: Callable[..., Any],
        strategy: st.SearchStrategy[Arguments],
        variants: tuple[str, ...],
        max_examples: int,
    ) -> None:
        self.fun = fun
        self.strategy = strategy
        self.variants = variants
        self.max_examples = max_examples
        self.reasons: dict[str, str] = {}

    def smallest(self, check: Check) -> _Failure | None:
        """The smallest failure of a check; None if there is none."""
        found: list[_Failure] = []
        tried: list[str | None] = []
        made: dict[str, Any] = {}
        deadline: list[float] = []

        def one(arguments: Arguments) -> None:
            if deadline and time.perf_counter() > deadline[0]:
                return
            args, kwargs = arguments
            case = Case(self.fun, tuple(args), dict(kwargs), self.variants, made)
            try:
                in_a_thread_of_its_own(functools.partial(_attempt, check, case))
                tried.append(None)
            except UncheckedError as error:
                tried.append(str(error))
            except DisagreementError as error:
                tried.append(None)
                found.append(_Failure(case, error))
                deadline[:] = deadline or [time.perf_counter() + _SHRINKING]
                raise

        self._draw(one, min(check.examples, self.max_examples))
        if found:
            return min(found, key=lambda failure: failure.size)
        if tried and None not in tried:
            self.reasons[check.kind] = str(tried[0])
        if not tried:
            self.reasons[check.kind] = "no arguments were drawn"
        return None

    def _draw(self, one: Callable[[Arguments], None], examples: int) -> None:
        settings = hypothesis.settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=_HEALTH,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
            print_blob=False,
        )
        # What it raises is in `found` already; that a stopped search is not deterministic is known.
        with contextlib.suppress(DisagreementError, Flaky):
            settings(hypothesis.given(self.strategy)(one))()


def _attempt(check: Check, case: Case) -> None:
    try:
        _ = case.want
    except Exception as error:
        raise UncheckedError(f"the function itself raises {said(error)}") from error
    try:
        check.run(case)
    except TimedOutError as error:
        raise DisagreementError(str(error)) from error
    except (DisagreementError, UncheckedError):
        raise
    except Exception as error:
        raise UncheckedError(f"the check itself raised {said(error)}") from error


def _strategy(fun: Any, arguments: Any) -> st.SearchStrategy[Arguments]:
    if not callable(fun):
        raise TypeError(f"fun must be a function, got fun={fun!r} of type {type(fun).__name__}")
    if arguments is None:
        from jaxkit.testing.strategies import arguments_for

        return arguments_for(fun)
    if isinstance(arguments, st.SearchStrategy):
        return arguments
    if isinstance(arguments, tuple) and len(arguments) == 2 and isinstance(arguments[1], Mapping):
        return st.just(arguments)
    raise TypeError(
        "arguments must be a strategy of (args, kwargs), or one such pair, got "
        f"arguments={arguments!r} of type {type(arguments).__name__}"
    )


def _known(name: str, given: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise TypeError(f"{name} must be a sequence of names, got {name}={given!r}")
    chosen = tuple(given)
    for each in chosen:
        if each not in known:
            raise ValueError(f"{name} must be of {', '.join(known)}, got {each!r}")
    return chosen


def _reason_not_to(check: Check, findings: Sequence[Finding], left_out: set[str]) -> str | None:
    if check.kind in left_out:
        return "it is in ignore"
    if jax.device_count() < check.devices:
        return (
            f"it takes {check.devices} devices and here is {jax.device_count()}; set "
            "JAX_NUM_CPU_DEVICES=4 in the environment before JAX is imported"
        )
    if check.kind in _FOLLOW_FROM_REPEAT and any(each.kind == "repeat" for each in findings):
        return "two equal calls differ, so nothing can be compared"
    return None


def _follows(failure: _Failure, findings: Sequence[Finding]) -> bool:
    """A function that looks at numbers fails in the same way wherever it is traced."""
    jit = next((each for each in findings if each.kind == "jit"), None)
    kind = str(failure.error).partition("raises ")[2].partition(":")[0]
    return bool(kind) and jit is not None and f"raises {kind}" in jit.message


def _finding(fun: Any, check: Check, failure: _Failure) -> Finding:
    call = written(_name(fun), failure.args, failure.kwargs)
    message = f"{check.sentence}, but of {call}, {failure.error}"
    data = {"function": _name(fun), "law": check.sentence, "arguments": call}
    return Finding(check.kind, failure.error.severity, message, _where(fun), None, data)


def _name(fun: Any) -> str:
    return str(getattr(fun, "__name__", None) or type(fun).__name__)


def _where(fun: Any) -> SourceLine | None:
    import inspect

    code = getattr(inspect.unwrap(fun), "__code__", None)
    if code is None:
        return None
    return SourceLine(os.path.relpath(code.co_filename), code.co_firstlineno, function=_name(fun))


def _blocks(fun: Any, findings: Sequence[Finding], data: Mapping[str, Any]) -> list[Block]:
    worst = [each for each in findings if each.severity != "info"]
    verdict = "it means the same in every way"
    if worst:
        verdict = "it does not always mean the same"
    elif findings:
        verdict = "it means the same, but not all works"
    elif not data["passed"]:
        verdict = "nothing could be checked"
    blocks: list[Block] = [
        Text(
            f"{_name(fun)}: {verdict}; {len(data['passed'])} checks passed, "
            f"{len(data['not_checked'])} not made ({data['seconds']:.1f} s)",
            "bad" if worst else "good",
        )
    ]
    blocks += [Tree(each.kind, [each.message], "bad") for each in findings]
    if data["not_checked"]:
        lines = [f"{kind}: {reason}" for kind, reason in data["not_checked"].items()]
        blocks.append(Tree("not checked", lines, "dim"))
    return blocks
