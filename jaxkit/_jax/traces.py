"""Tracebacks of equations, and how much of one belongs to the jaxpr that the equation stands in.

Read on JAX 0.10.2 and 0.12.0.1: an equation's ``source_info.traceback`` holds code objects and
instruction offsets, outermost last in ``raw_frames``. JAX traces a jitted function once and keeps
the jaxpr for the process; a traceback ends where that tracing begins, so that it says nothing of
the caller. But while JAX evaluates, differentiates or lowers an equation, it gives all that is made
meanwhile the traceback of that equation (``source_info_util.user_context``). A helper that happens
to be traced then for the first time keeps it, in each of its equations, for all who call it later.

So a traceback belongs to a jaxpr if the function that the jaxpr is of (``debug_info``) is in it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from types import CodeType
from typing import Any, Generic, NamedTuple, TypeVar, cast

from jaxkit._jax.stack import origin

T = TypeVar("T")


class Function(NamedTuple):
    """A function that was traced: its name, its file and the first line of its definition."""

    name: str
    file: str
    line: int


class Step(NamedTuple):
    """A call that was under way: its code, the instruction, and who wrote it."""

    code: CodeType
    offset: int
    who: str


_SOURCE = re.compile(r"(?P<name>.*) at (?P<file>.*):(?P<line>\d+)$")
_NOT_MARKS = ("jax", "stdlib")


def function_of(jaxpr: Any) -> Function | None:
    """The function that a jaxpr was traced from; None where that is not known."""
    info = getattr(getattr(jaxpr, "debug_info", None), "func_src_info", None)
    found = _SOURCE.match(info) if isinstance(info, str) else None
    if found is None:
        return None
    return Function(found["name"], found["file"], int(found["line"]))


def who_wrote(filename: str) -> str:
    """As `origin`, and ``tracing`` for where jaxkit itself has a function traced."""
    who = origin(filename)
    if who == "library" and "-packages/numpy/" in filename.replace("\\", "/"):
        return "jax"  # which calls it, as in np.ravel of an array of JAX's
    return "tracing" if who == "jaxkit" and filename.endswith("jaxprs.py") else who


@dataclasses.dataclass(slots=True, eq=False)
class _Trace(Generic[T]):
    """A traceback.

    Attributes:
      steps: what was under way, the innermost first.
      marked: whether any of it is not JAX's.
      has_user: whether any of it is the user's.
      read: what was made of the first so many of them.
    """

    steps: tuple[Step, ...]
    marked: bool
    has_user: bool
    read: dict[int, T]

    def within(self, function: Function) -> int:
        """How many steps there are up to the outermost call of a function; 0 if there is none."""
        for i in range(len(self.steps) - 1, -1, -1):
            code = self.steps[i].code
            if code.co_firstlineno == function.line and code.co_filename == function.file:
                return i + 1 if code.co_name != "<module>" else 0
        return 0


@dataclasses.dataclass(slots=True, eq=False)
class _Body(Generic[T]):
    """A jaxpr.

    Attributes:
      jaxpr: itself, so that its id is not given to another.
      function: what it was traced from.
      who: who wrote that; empty where it is not known.
      known: by traceback, what was made of it for this jaxpr.
      guests: the tracebacks without its function that it has by right; None: not looked yet.
    """

    jaxpr: Any
    function: Function | None
    who: str
    known: dict[Any, T]
    guests: frozenset[Any] | None = None


class Traces(Generic[T]):
    """What a function makes of the tracebacks of equations, each read once.

    Args:
      read: makes something of the steps that belong to an equation, the innermost first.
      nothing: for an equation of which nothing is known.
    """

    def __init__(self, read: Callable[[tuple[Step, ...]], T], nothing: T) -> None:
        self._read, self._nothing = read, nothing
        self._bodies: dict[int, _Body[T]] = {}
        self._traces: dict[Any, _Trace[T]] = {}
        self._who: dict[str, str] = {}

    def of(self, eqn: Any, jaxpr: Any) -> T:
        """What is made of the traceback of an equation.

        Args:
          eqn: the equation.
          jaxpr: the jaxpr that it stands in, without its constants.
        """
        traceback = getattr(eqn.source_info, "traceback", None)
        if traceback is None:
            return self._nothing
        body = self._bodies.get(id(jaxpr))
        if body is None:
            body = self._bodies[id(jaxpr)] = self._body(jaxpr)
        try:
            known = body.known.get(traceback)
            if known is None:
                known = body.known[traceback] = self._made(traceback, body)
            return known
        except Exception:  # another form of traceback: nothing is known, nothing is wrong
            return self._nothing

    def _body(self, jaxpr: Any) -> _Body[T]:
        function = function_of(jaxpr)
        return _Body(jaxpr, function, self._wrote(function.file) if function else "", {})

    def _wrote(self, file: str) -> str:
        who = self._who.get(file)
        if who is None:
            who = self._who[file] = who_wrote(file)
        return who

    def _trace(self, traceback: Any) -> _Trace[T]:
        known = self._traces.get(traceback)
        if known is None:
            codes, offsets = traceback.raw_frames()
            steps: list[Step] = []
            for code, offset in zip(codes, offsets, strict=True):
                who = self._wrote(code.co_filename)
                if who == "tracing":  # what called us is not part of the program
                    break
                steps.append(Step(code, offset, who))
            marked = any(step.who not in _NOT_MARKS for step in steps)
            has_user = any(step.who == "user" for step in steps)
            known = self._traces[traceback] = _Trace(tuple(steps), marked, has_user, {})
        return known

    def _made(self, traceback: Any, body: _Body[T]) -> T:
        trace = self._trace(traceback)
        count = self._belonging(traceback, trace, body)
        if count not in trace.read:
            trace.read[count] = self._read(trace.steps[:count]) if count else self._nothing
        return trace.read[count]

    def _belonging(self, traceback: Any, trace: _Trace[T], body: _Body[T]) -> int:
        """How many steps of a traceback, from the innermost, belong to a jaxpr."""
        whole = len(trace.steps)
        if not trace.marked or body.function is None or body.who not in ("jax", "library", "user"):
            return whole
        inside = trace.within(body.function)
        if body.who == "jax" or (inside and body.who == "library"):
            return inside  # what is around it is the caller's, whoever that was
        if inside or not trace.has_user:
            return whole
        if body.guests is None:
            body.guests = self._guests(body.jaxpr, body.function)
        return whole if traceback in body.guests else 0

    def _guests(self, jaxpr: Any, function: Function) -> frozenset[Any]:
        """The tracebacks that a jaxpr has by right, although its function is not in them.

        A decorator does something around the function that it wraps. The derivative of a loop
        hoists parts of its body. And where another jaxpr is evaluated, as by what `jax.linearize`
        gives, its equations keep their tracebacks, which differ: all that was traced while JAX was
        at one equation has the traceback of that one.
        """
        wrappers: set[CodeType] = set()
        strangers: dict[Any, _Trace[T]] = {}
        for eqn in jaxpr.eqns:
            traceback = getattr(eqn.source_info, "traceback", None)
            if traceback is None or not (trace := self._trace(traceback)).has_user:
                continue
            inside = trace.within(function)
            if inside:
                wrappers |= {step.code for step in trace.steps[inside:] if step.who == "user"}
            else:
                strangers[traceback] = trace
        if len(strangers) > 1:
            return frozenset(strangers)
        bodies = _functions_in(jaxpr) if strangers else frozenset()
        return frozenset(
            traceback
            for traceback, trace in strangers.items()
            if any(step.code in wrappers for step in trace.steps)
            or any(trace.within(each) for each in bodies)
        )


def _functions_in(jaxpr: Any) -> frozenset[Function]:
    """Those of all jaxprs that the equations of a jaxpr hold, however deep."""
    seen: dict[int, Any] = {}
    found: set[Function] = set()
    stack: list[Any] = [each for eqn in jaxpr.eqns for each in eqn.params.values()]
    while stack:
        value = stack.pop()
        if isinstance(value, (tuple, list)):
            stack.extend(cast("list[Any]", value))
            continue
        value = getattr(value, "jaxpr", value)  # without its constants
        if not hasattr(value, "eqns") or id(value) in seen:
            continue
        seen[id(value)] = value
        function = function_of(value)
        if function is not None:
            found.add(function)
        stack.extend(each for eqn in value.eqns for each in eqn.params.values())
    return frozenset(found)
