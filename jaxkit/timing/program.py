"""What the compiler leaves of a timed function: work that is dead, or done when it is compiled."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxkit._jax import lowering
from jaxkit._jax.jaxprs import Program, trace
from jaxkit._jax.jitted import is_jitted
from jaxkit.jaxpr.cost import cost_of
from jaxkit.jaxpr.lints.code import Code
from jaxkit.jaxpr.lints.graph import Graph, Node
from jaxkit.jaxpr.sizes import Unknown, nbytes
from jaxkit.report import SourceLine
from jaxkit.timing.arguments import Arguments, compiled_as_whole
from jaxkit.timing.subject import Facts

__all__ = ["Part", "ProgramFacts", "program_of"]

_SHARE = 1 / 3  # of a program's work; less than that changes no conclusion
_HEAVY = 10_000  # operations of products, decompositions and the like
_LIGHT = 1_000_000  # operations of any kind
_EQUATIONS = 20_000
_TOO_FAST = 5.0  # times as fast as this device multiplies matrices


@dataclass(frozen=True)
class Part:
    """Work of a program that a call does not do.

    Attributes:
        flops: Operations.
        share: Of all operations.
        what: The costliest equation.
        where: Its line.
    """

    flops: int
    share: float
    what: str
    where: SourceLine | None


@dataclass(frozen=True)
class ProgramFacts:
    """What is known of a function's program.

    Attributes:
        dead: What no result needs.
        folded: What the compiler has computed already.
        cost: Gives a call's operations, and the bytes of its arguments and results; None where
            they are not known.
    """

    dead: Part | None
    folded: Part | None
    cost: Callable[[], tuple[int, int] | None]


def program_of(fun: Any, given: Arguments, facts: Facts, seconds: float) -> ProgramFacts:
    """Looks at the program of a function that has been called.

    Args:
        fun: The function.
        given: Its arguments.
        facts: What its calls showed: one that remembers or changes things is not traced, as it
            would remember what stands for values in a trace.
        seconds: Of a call.
    """
    nothing = ProgramFacts(None, None, lambda: None)
    whole = compiled_as_whole(fun)
    if not whole and (facts.changed or facts.repeated or facts.remembers or not facts.inner_jit):
        return nothing
    try:
        program = trace(fun, given.args, given.kwargs)
        if len(program.lowered.eqns) > _EQUATIONS:
            return nothing
        parts = [program.written] if whole else list(lowering.inner_programs(program.written))
        dead, folded = _worst(parts, lambda part: _is_gone(part, seconds, fun, given, parts))
    except Exception:  # it cannot be traced as a whole: nothing is known
        return nothing
    kept = program._replace(inputs=())  # the user's arrays are not kept alive

    def cost() -> tuple[int, int] | None:
        avals = [*kept.lowered.in_avals, *kept.lowered.out_avals]
        return cost_of(kept).total.flops, sum(map(_nbytes, avals))

    return ProgramFacts(dead, folded, cost)


def _worst(parts: list[Any], is_gone: Callable[[Part], bool]) -> tuple[Part | None, Part | None]:
    total = 0
    dead: list[tuple[int, Node]] = []
    fixed: list[tuple[int, Node]] = []
    for closed in parts:
        graph = Code(Program(closed, closed, (), None, (), 0)).written_graph
        total += sum(flops for flops, _ in _all(graph))
        dead.extend(_dead(graph))
        fixed.extend(_constant(graph))
    folded = _part(fixed, total - sum(flops for flops, _ in dead))
    if folded is not None and not is_gone(folded):
        folded = None
    return _part(dead, total), folded


def _part(found: list[tuple[int, Node]], total: int) -> Part | None:
    flops = sum(flops for flops, _ in found)
    heavy = sum(flops for flops, node in found if _is_heavy(node))
    if not total or flops / total < _SHARE or (heavy < _HEAVY and flops < _LIGHT):
        return None
    _, worst = max(found, key=lambda each: each[0])
    return Part(flops, min(flops / total, 1.0), worst.name, worst.where)


def _is_heavy(node: Node) -> bool:
    work = node.work
    return work.matmul + work.linalg + work.transcendentals > 0


def _all(graph: Graph) -> Iterator[tuple[int, Node]]:
    for node in graph.nodes:
        if not node.regions:
            yield node.flops * node.region.repeats, node


def _dead(graph: Graph) -> Iterator[tuple[int, Node]]:
    live = graph.live()
    for flops, node in _all(graph):
        if id(node) not in live and not node.derived and not node.again:
            yield flops, node


def _constant(graph: Graph) -> Iterator[tuple[int, Node]]:
    """Live equations that depend on no argument."""
    live = graph.live()
    known: set[int] = set()
    for flops, node in ((node.flops * node.region.repeats, node) for node in graph.nodes):
        fixed = all(each.kind in ("literal", "constant") or id(each) in known for each in node.ins)
        if not fixed or node.eqn.effects:
            continue
        known.update(id(each) for each in node.outs)
        if id(node) in live and not node.regions:
            yield flops, node


def _is_gone(part: Part, seconds: float, fun: Any, given: Arguments, programs: list[Any]) -> bool:
    """Whether the compiled program does not do this work any more.

    Its own figures show it, except where a library that it calls drops the work: then no processor
    could have done it in the time.
    """
    if is_jitted(fun):
        removed = lowering.removed(fun.lower(*given.args, **given.kwargs))
    else:
        stages = (lowering.lowered(closed) for closed in programs)
        removed = max(map(lowering.removed, stages), default=0.0)
    return removed > 0.8 * part.share or part.flops / seconds > _TOO_FAST * _peak()


def _nbytes(aval: Any) -> int:
    try:
        return nbytes(aval)
    except Unknown:
        return 0


@functools.cache
def _peak() -> float:
    """Operations a second of a product of matrices on the default device, roughly."""
    side = 512
    x = jnp.ones((side, side), jnp.float32)
    product = jax.jit(jnp.matmul)
    times: list[float] = []
    for _ in range(8):
        begin = time.perf_counter()
        jax.block_until_ready(product(x, x))
        times.append(time.perf_counter() - begin)
    return 2 * side**3 / min(times)
