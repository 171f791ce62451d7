"""The analysis of a function for arguments of one form, whose compiled programs are kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxkit._jax import jaxprs
from jaxkit._jax.dead_code import only_for
from jaxkit._jax.values import kind_of
from jaxkit._jax.x64 import with_x64
from jaxkit.jaxpr.nesting import nested
from jaxkit.numerics.emulation.selection import Item, Selection
from jaxkit.numerics.nonfinite.find import Origin
from jaxkit.numerics.precision.ancestry import Ancestry
from jaxkit.numerics.precision.attribution import attribution_program, collect
from jaxkit.numerics.precision.callbacks import Tape, has_effects
from jaxkit.numerics.precision.capture import Values, capture_program, hits_of, values_of
from jaxkit.numerics.precision.decisions import decision_program, is_elementwise
from jaxkit.numerics.precision.memory import bytes_of, refuse_too_much, retain_freed
from jaxkit.numerics.precision.outputs import (
    Leaf,
    Name,
    Table,
    compare_outputs,
    compare_program,
    first_program,
    noise_program,
    reconsider,
)
from jaxkit.numerics.precision.packing import Packing
from jaxkit.numerics.precision.patterns import Uses, uses_of
from jaxkit.numerics.precision.plan import Frame, Tap, loops_of, plan_of
from jaxkit.numerics.precision.suspects import Statistics, Suspect, pick, summarize
from jaxkit.numerics.precision.tolerance import coarsest, eps_of, floor_of, rtol_of
from jaxkit.numerics.precision.wide import is_float
from jaxkit.report import Finding

__all__ = ["Analysis", "Attributed", "Compared", "Diverged", "UndifferentiatedError"]

# Decisions that are replaced by those of the shadow, one by one, and the error that may be left.
_TRIED, _REPAIRED = 8, 0.5


class UndifferentiatedError(Exception):
    """JAX cannot differentiate a program, so that its error cannot be attributed.

    Args:
        reason: What JAX raised.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Attributed:
    """Where the error of one output comes from.

    Args:
        leaf: The output.
        plan: What was measured.
        uses: What is computed from each value of the program.
        ancestry: What goes into what.
        statistics: Of each equation.
        closure: The sum of all contributions: 1 where the program is near to linear.
        explained: Of the output's error, what is left when the shadow takes the program's branches.
        suspects: The equations that were looked at closely.
        values: Their numbers.
    """

    leaf: Leaf
    plan: Frame
    uses: Uses
    ancestry: Ancestry
    statistics: Sequence[Statistics]
    closure: float
    explained: float
    suspects: Sequence[Suspect]
    values: Sequence[Values]


@dataclasses.dataclass(frozen=True)
class Compared:
    """What step 0 gives.

    Args:
        leaves: How far each output is off.
        trips: How often each `while` turned.
        outs: The floating-point outputs.
        wides: The same in double precision.
        fine: What `glance` says where each output is fine; then there is nothing else.
    """

    leaves: Sequence[Leaf]
    trips: Sequence[int]
    outs: Sequence[Any]
    wides: Sequence[Any]
    fine: Table | None = None


@dataclasses.dataclass(frozen=True)
class Diverged:
    """A decision that another output depends on.

    Args:
        decision: The equation.
        elements: How many of its results are others in double precision.
        left: Of the output's error, what is left if it is decided as in double precision.
        operands: Of the first of these results; none where it is not made of one element of each.
        shadows: What the operands are in double precision.
    """

    decision: Tap
    elements: int
    left: float
    operands: tuple[float, ...]
    shadows: tuple[float, ...]


class Analysis:
    """The programs of one function for arguments of one form.

    Args:
        program: The function's.
        name: The function's.
        rtol: As `shadow` takes it.
        where: Which equations errors are attributed to; to all where it is None.
    """

    def __init__(
        self,
        program: jaxprs.Program,
        name: str,
        rtol: float | None,
        where: tuple[Item, ...] | None = None,
    ) -> None:
        self.name = name
        self._where = where
        self.is_partial = where is not None
        self.program = program._replace(inputs=())
        self.closed = program.written
        self.dtypes = [var.aval.dtype for var in jaxprs.open_jaxpr(self.closed).invars]
        self.loops = loops_of(self.closed)
        self._cones: dict[int, Any] = {}
        self.rtol = rtol
        paths = jax.tree_util.tree_flatten_with_path(program.results)[0]
        outvars = jaxprs.open_jaxpr(self.closed).outvars
        self.leaves: list[Name] = []
        self.doubles: list[str] = []  # outputs that have nothing beyond them to be compared with
        for index, ((path, _), var) in enumerate(zip(paths, outvars, strict=True)):
            if is_float(var.aval):
                dtype = coarsest(self.cone(index), var.aval.dtype)
                allowed = rtol_of(dtype) if rtol is None else rtol
                name = "output" + jax.tree_util.keystr(path)
                if eps_of(dtype) <= eps_of(np.float64):
                    self.doubles.append(name)
                self.leaves.append((index, name, allowed, floor_of(var.aval.dtype, allowed)))
        self._packing = Packing([outvars[index].aval for index, *_ in self.leaves])
        self._sources: dict[int, frozenset[int]] = {}
        self._first: Any = None
        self._retained = False
        self._comparing: dict[int, Any] = {}
        self.tape = Tape()
        self.repeatable = not has_effects(self.closed)
        self._origin: Origin | None = None
        self._noise: Any = None
        self._attributions: dict[Any, Any] = {}
        self._captures: dict[Any, Any] = {}
        self._decisions: dict[Any, Any] = {}

    def inputs(self, given: Sequence[Any]) -> list[Any]:
        """The arrays that enter the programs, in the dtypes of the trace."""
        arrays = all(kind_of(kind) == "jax" for kind in set(map(type, given)))
        if arrays and [value.dtype for value in given] == self.dtypes:
            return list(given)
        pairs = zip(given, self.dtypes, strict=True)
        return [jnp.asarray(value, dtype) for value, dtype in pairs]

    def cone(self, index: int) -> Any:
        """The program without what an output does not depend on."""
        if index not in self._cones:
            outs = jaxprs.open_jaxpr(self.closed).outvars
            self._cones[index] = only_for(self.closed, [i == index for i in range(len(outs))])
        return self._cones[index]

    def sources_of(self, index: int) -> frozenset[int]:
        """The places in the source that an output depends on, by identity."""
        if index in self._sources:
            return self._sources[index]
        found, stack = set[int](), [self.cone(index)]
        while stack:
            for eqn in jaxprs.open_jaxpr(stack.pop()).eqns:
                found.add(id(eqn.source_info))
                stack += [each.closed for each in nested(eqn) if each.role != "combiner"]
        self._sources[index] = frozenset(found)
        return self._sources[index]

    def begin(self, inputs: Sequence[Any]) -> Callable[[], Compared]:
        """Starts step 0: how far each output is off, and how often each `while` turned.

        Returns:
            What waits for it. Whatever is done before that call is done while the program runs.
        """
        with with_x64():
            if self._first is None:
                limits = [(rtol, tiny) for *_, rtol, tiny in self.leaves]
                parts = self.closed, self.loops, limits, self.tape, self._packing
                self._first = jax.jit(first_program(*parts))
            self.tape.clear()
            table, trips, outs, wides = self._first(inputs)
        if not self._retained:
            self._retained = True
            retain_freed(2 * sum(each.nbytes for each in (*outs, *wides)))

        def finish() -> Compared:
            told = np.asarray(table).tolist()  # `table.tolist()` takes twice as long
            if all(fine for fine, *_ in told):
                return Compared((), (), (), (), told)
            pair = self._packing.unpack(outs), self._packing.unpack(wides)
            leaves = compare_outputs(told, self.leaves, *pair, self._closely)
            return Compared(leaves, np.asarray(trips).tolist(), *pair)

        return finish

    def _closely(self, place: int, out: Any, wide: Any) -> np.ndarray:
        """All statistics of an output."""
        if place not in self._comparing:
            self._comparing[place] = compare_program(*self.leaves[place][2:])
        with with_x64():
            return self._comparing[place](out, wide)

    def reconsider(self, leaf: Leaf, inputs: Sequence[Any], compared: Compared) -> Leaf:
        """Whether an output that seems to be zero is."""
        with with_x64():
            if self._noise is None:
                self._noise = jax.jit(noise_program(self.closed, self.loops, self.tape))
            noise = self._noise(inputs, np.asarray(compared.trips, np.int32))
        place = [index for index, *_ in self.leaves].index(leaf.index)
        out, wide = compared.outs[place], compared.wides[place]
        return reconsider(leaf, out, wide, noise[place])

    def nonfinite(self, inputs: Sequence[Any]) -> list[Finding]:
        """Where a NaN or an infinity in the outputs comes from."""
        if self._origin is None:
            self._origin = Origin(self.program)
        return self._origin.of(inputs)[1]

    def attribute(self, leaf: Leaf, inputs: Sequence[Any], trips: Sequence[int]) -> Attributed:
        """Says where the error of an output comes from."""
        with with_x64():
            lengths = tuple(_rounded(n) for n in trips)
            key = (leaf.index, lengths)
            given = inputs, int(leaf.verdict == "tail")
            try:
                if key not in self._attributions:
                    self._attributions[key] = self._attribution(leaf, lengths, inputs)
                closed, plan, uses, ancestry, program, careful = self._attributions[key]
                found, norms = program(*given)
            # A primitive may lack a rule: JAX says so in both ways. What it was is told.
            except (TypeError, NotImplementedError) as error:
                raise UndifferentiatedError(error) from error
            if not all(np.isfinite(np.asarray(each)).all() for each in jax.tree.leaves(found)):
                found, norms = careful(*given)  # compiled when first called, which is rare
            statistics = summarize(collect(plan, found))
            norms = np.asarray(norms)
            suspects = pick(statistics, leaf.rtol, ancestry)
            values = self._capture(key, closed, plan, suspects, inputs)
        closure = sum(each.contribution for each in statistics)
        error = norms[0] / norms[1] if norms[1] else float(norms[0] > 0)
        if leaf.verdict == "tail":
            error = norms[2]
        error = float(error)
        known = plan, uses, ancestry, statistics
        return Attributed(leaf, *known, closure, error, suspects, values)

    def diverge(self, leaf: Leaf, inputs: Sequence[Any], compared: Compared) -> Diverged | None:
        """The decision that the error of an output comes from, if there is one."""
        place = [index for index, *_ in self.leaves].index(leaf.index)
        out, right = (np.asarray(x[place]) for x in (compared.outs, compared.wides))
        whole = _distance(out, right)
        with with_x64():
            lengths = tuple(_rounded(n) for n in compared.trips)
            key = (leaf.index, lengths)
            if key not in self._decisions:
                closed, plan = self._plan(leaf, lengths)
                self._decisions[key] = plan, jax.jit(decision_program(closed, plan))
            plan, program = self._decisions[key]
            decisions = sorted(plan.all_decisions(), key=lambda each: each.index)
            nothing = np.zeros(len(decisions), bool)
            differ, operands = map(np.asarray, program(inputs, nothing)[:2])
            best: Diverged | None = None
            for number in np.flatnonzero(differ)[:_TRIED]:
                only = nothing.copy()
                only[number] = True
                [other] = program(inputs, only)[2]
                left = _distance(np.asarray(other), right) / whole
                if left < _REPAIRED and (best is None or left < best.left / 2):
                    decision = decisions[number]
                    count = len(decision.eqn.invars) if is_elementwise(decision.eqn) else 0
                    here, there = (tuple(row[:count]) for row in operands[number].tolist())
                    best = Diverged(decision, int(differ[number]), left, here, there)
        return best

    def _plan(self, leaf: Leaf, lengths: tuple[int, ...]) -> Any:
        closed = self.cone(leaf.index)
        # Without dead code loops are other equations, at the same lines.
        return closed, plan_of(closed, _matched(self.loops, loops_of(closed), lengths))

    def _attribution(self, leaf: Leaf, lengths: tuple[int, ...], inputs: Sequence[Any]) -> Any:
        closed, plan = self._plan(leaf, lengths)
        floor = floor_of(jaxprs.open_jaxpr(closed).outvars[0].aval.dtype, leaf.rtol)
        only = None if self._where is None else Selection("where", self._where)
        program = jax.jit(attribution_program(closed, plan, floor, only=only))
        careful = jax.jit(attribution_program(closed, plan, floor, careful=True, only=only))
        if only is not None:
            program.trace(inputs, 0)  # which tells what there is to look at
            only.check(self.name)
        refuse_too_much(plan, leaf.name)
        retain_freed(bytes_of(plan))
        taps = list(plan.all_taps())
        return closed, plan, uses_of(taps), Ancestry(taps), program, careful

    def _capture(
        self, key: Any, closed: Any, plan: Frame, suspects: Sequence[Suspect], inputs: Any
    ) -> list[Values]:
        if not suspects:
            return []
        taps = [suspect.tap for suspect in suspects]
        key = (*key, tuple(tap.index for tap in taps))
        if key not in self._captures:
            self._captures[key] = jax.jit(capture_program(closed, plan, taps))
        hits = hits_of(plan, {suspect.tap: suspect.turn for suspect in suspects})
        return values_of(self._captures[key](inputs, hits))


def _distance(out: np.ndarray, right: np.ndarray) -> float:
    kind = np.complex128 if np.iscomplexobj(right) else np.float64
    found = np.sqrt(np.sum(np.abs(out.astype(kind) - right) ** 2))
    return float(found) if np.isfinite(found) else float("inf")


def _rounded(turns: int) -> int:
    """A few lengths for all numbers of turns, so that one more turn is no other program."""
    length = 1
    while length < turns:
        length = max(length + 1, length * 5 // 4)
    return length


def _matched(before: Sequence[Any], after: Sequence[Any], lengths: Sequence[int]) -> dict[int, int]:
    """The turns of the loops that are left, which stand at the lines where they stood."""
    by_source: dict[int, int] = {}
    for eqn, length in zip(before, lengths, strict=True):
        source = id(eqn.source_info)
        by_source[source] = max(by_source.get(source, 0), length)
    longest = max(lengths, default=1)
    return {id(eqn): by_source.get(id(eqn.source_info), longest) for eqn in after}
