"""What a law is, and what its check works with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import jax
import numpy as np

from jaxkit.testing._compare import difference, show
from jaxkit.testing._subject import Subject, is_array

__all__ = [
    "Bench",
    "BrokenError",
    "Law",
    "NotCheckedError",
    "attempt",
    "broken",
    "called",
    "dynamic",
    "identity",
    "said",
]

LEVELS = ("quick", "standard", "full")


class BrokenError(Exception):
    """A law does not hold; the message says what happened instead.

    Args:
        message: What happened.
        weak: Whether any other breach is enough to explain it.
    """

    def __init__(self, message: str, *, weak: bool = False) -> None:
        super().__init__(message)
        self.weak = weak


class NotCheckedError(Exception):
    """A law could not be checked; the message says why, and the way out."""


def broken(message: str, *, weak: bool = False) -> NoReturn:
    """Says that the law does not hold."""
    raise BrokenError(message, weak=weak)


@contextlib.contextmanager
def attempt(what: str) -> Iterator[None]:
    """An error in here means that the law does not hold."""
    try:
        yield
    except (BrokenError, NotCheckedError):
        raise
    except Exception as error:
        broken(f"{what} raised {said(error)}")


def said(error: BaseException) -> str:
    """An error in one line."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def dynamic(
    wrapped: Callable[..., Any], subject: Subject
) -> tuple[Callable[[list[Any]], Any], Callable[[int], list[Any]]]:
    """A call as a function of the arrays in its arguments, and those arrays by variant."""
    leaves, treedef = jax.tree_util.tree_flatten(subject.inputs())
    places = [i for i, leaf in enumerate(leaves) if is_array(leaf)]

    def call(arrays: list[Any]) -> Any:
        filled = list(leaves)
        for place, array in zip(places, arrays, strict=True):
            filled[place] = array
        args, kwargs = jax.tree_util.tree_unflatten(treedef, filled)
        return wrapped(*args, **kwargs)

    def arrays(variant: int) -> list[Any]:
        new = jax.tree_util.tree_leaves(subject.inputs(variant))
        return [new[place] for place in places]

    return call, arrays


def identity(fun: Callable[..., Any]) -> Callable[..., Any]:
    """The transform that does nothing: what it cannot do, none can."""
    return fun


@dataclass(frozen=True)
class Law:
    """One law of function transforms.

    Args:
        slug: Its name, the `kind` of a finding.
        sentence: The law in one sentence.
        check: Raises BrokenError, or any error of the transform's own, where the law is broken.
        free_by: Tags with which a transform is free of it.
        excused_by: Laws whose breach makes this one fail too.
        devices: How many devices it takes to check it.
    """

    slug: str
    sentence: str
    check: Callable[[Bench], None]
    free_by: frozenset[str] = frozenset()
    excused_by: tuple[str, ...] = ()
    devices: int = 1


@dataclass(frozen=True)
class Bench:
    """A transform under test, what it promises, and what it is tried on.

    Args:
        transform: From function to function.
        tags: What it means to change.
        level: quick, standard or full.
        subjects: What it is tried on.
        own_subjects: Whether the user gave them, so that no other function may be wrapped.
        options: Names of the transform's options, which are no business of the function's.
    """

    transform: Callable[[Any], Any]
    tags: frozenset[str]
    level: str
    subjects: Sequence[Subject]
    own_subjects: bool = False
    options: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """The first subject."""
        return self.subjects[0]

    @property
    def keeps_values(self) -> bool:
        """Whether the wrapped function is to return what the function returns."""
        return not self.tags & {"changes_values", "changes_structure", "changes_signature"}

    @property
    def repeats(self) -> bool:
        """Whether two calls can be compared: state that changes values makes each another."""
        return self.keeps_values or "keeps_state" not in self.tags

    @property
    def keeps_grad(self) -> bool:
        """Whether the wrapped function's derivatives are those of what it computes."""
        return "changes_grad" not in self.tags

    def thorough(self, level: str = "standard") -> bool:
        """Whether checks of this level are asked for."""
        return LEVELS.index(self.level) >= LEVELS.index(level)

    def wrap(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        """The function through the transform."""
        return self.transform(self.adapt(fun))

    def adapt(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        """The function as one of the kind that the transform is for."""
        if self.own_subjects or "of_value_and_grad" not in self.tags:
            return fun
        return with_value(fun)

    def expected(self, subject: Subject, variant: int = 0) -> Any:
        """What the function itself returns."""
        args, kwargs = subject.inputs(variant)
        return self.adapt(subject.fun)(*args, **kwargs)

    def call(self, fun: Callable[..., Any], subject: Subject, variant: int = 0) -> Any:
        """A call with new arguments."""
        args, kwargs = subject.inputs(variant)
        return fun(*args, **kwargs)

    def own_functions(self) -> None:
        """For laws that need functions of particular kinds.

        Raises:
            NotCheckedError: Only the user's subjects may be wrapped.
        """
        if self.own_subjects:
            raise NotCheckedError(
                "it takes functions of particular kinds, and subjects= says what may be wrapped; "
                "leave subjects out to check it"
            )

    def same(self, got: Any, want: Any, what: str, **options: Any) -> None:
        """Two results agree, or the law is broken; of what may not repeat, trees and shapes do."""
        if not self.repeats:
            got, want = (jax.tree_util.tree_map(_blank, each) for each in (got, want))
        found = difference(got, want, **options)
        if found is not None:
            broken(f"{what}: {found}")


def _blank(x: Any) -> Any:
    return np.zeros(np.shape(x), bool) if is_array(x) else type(x).__name__


def with_value(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns (value, gradients), of one that returns what looks like gradients."""
    import functools

    def valued(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        out = fun(*args, **kwargs)
        leaves = [leaf for leaf in jax.tree_util.tree_leaves(out) if hasattr(leaf, "sum")]
        return sum((leaf.sum() for leaf in leaves), 0.0), out

    try:
        return functools.wraps(fun)(valued)
    except AttributeError:
        return valued


def called(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """A call as it would be written."""
    parts = [show(each, 40) for each in args]
    parts += [f"{key}={show(each, 40)}" for key, each in kwargs.items()]
    return f"{name}({', '.join(parts)})"
