"""What a program costs: in total, by primitive, by source line, by named scope.

Each jaxpr is looked at once (`fold`), however often it is called. How often it runs, from which
line and in which scope, then goes from the callers to the called (`attribution`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from jaxkit._jax.jaxprs import Program
from jaxkit.jaxpr.blocks import ZERO, Block, Place, Places, Uncounted, add, blocks_of, own_vector
from jaxkit.jaxpr.nesting import Nested, nested
from jaxkit.jaxpr.trips import Key, Trips
from jaxkit.report import SourceLine

Branches = Literal["max", "min", "sum"]


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What a part of a program computes and moves.

    Costs are added with ``+`` and multiplied by how often something runs with ``*``.

    Example:
      >>> (Cost(matmul_flops=6) * 2 + Cost(transcendentals=1)).flops
      13

    Attributes:
      matmul_flops: operations of matrix products and convolutions.
      linalg_flops: of decompositions, triangular solves and Fourier transforms.
      elementwise_flops: of everything else but transcendental functions, integers included.
      transcendentals: evaluations of exp, log, tanh, sqrt and the like.
      padding_flops: of the matmul ones, those that multiply zeros that padding or dilation of a
        convolution put there.
      bytes: operands and results of each equation, as if none were fused.
      equations: how many equations run.
      unknown_loops: loops whose number of turns only the values tell, counted as one turn.
    """

    matmul_flops: int = 0
    linalg_flops: int = 0
    elementwise_flops: int = 0
    transcendentals: int = 0
    padding_flops: int = 0
    bytes: int = 0
    equations: int = 0
    unknown_loops: int = 0

    @property
    def flops(self) -> int:
        """All operations, a transcendental function being one."""
        return self.matmul_flops + self.linalg_flops + self.elementwise_flops + self.transcendentals

    @property
    def intensity(self) -> float:
        """Operations a byte; 0 where none is moved."""
        return self.flops / self.bytes if self.bytes else 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*map(int.__add__, self.vector, other.vector))

    def __mul__(self, times: int) -> Cost:
        return Cost(*(n * times for n in self.vector))

    @property
    def vector(self) -> tuple[int, ...]:
        """The attributes in their order."""
        return (
            self.matmul_flops,
            self.linalg_flops,
            self.elementwise_flops,
            self.transcendentals,
            self.padding_flops,
            self.bytes,
            self.equations,
            self.unknown_loops,
        )

    def to_dict(self) -> dict[str, int]:
        """JSON values: the attributes, and `flops`."""
        return {"flops": self.flops, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True, slots=True)
class BodyCost:
    """A nested jaxpr where it is first held.

    Attributes:
      path: names of what it is nested in, itself the last.
      role: what the equation that holds it does with it.
      jaxpr: the jaxpr.
      cost: of one run of it.
      times: how often it runs each time that the equation does, on all devices.
    """

    path: tuple[str, ...]
    role: str
    jaxpr: Any
    cost: Cost
    times: int


class Costs:
    """The costs of a program.

    Attributes:
      total: of the whole program, on all devices.
      per_device: of what one device does; the same where there is one.
      by_line: of each line of the user's source; None where it is not known. They add up to
        `total`, and so do the next two.
      by_scope: of each named scope, what stands in an inner one not included. Without the marks
        of JAX's transformations; what a gradient adds has ``(backward)`` at its end.
      by_primitive: of each primitive.
      primitives: how often each primitive runs on a device; calls are dissolved, loops and
        branches count beside what they hold.
      uncounted: what is not, or not wholly, in these figures, and why.
    """

    def __init__(
        self,
        blocks: dict[int, Block],
        trips: Trips,
        branches: Branches,
    ) -> None:
        from jaxkit.jaxpr.attribution import attribute

        self._blocks, self._trips, self._branches = blocks, trips, branches
        self._places = Places()
        found = attribute(blocks, trips, branches)
        self.total = Cost(*found.total)
        self.per_device = Cost(*found.per_device)
        self.by_line: dict[SourceLine | None, Cost] = _costs(_one_a_line(found.by_line))
        self.by_scope: dict[str, Cost] = _costs(found.by_scope)
        self.by_primitive: dict[str, Cost] = _costs(found.by_primitive)
        self.primitives: Counter[str] = found.primitives
        self.uncounted: list[Uncounted] = found.uncounted

    def of_jaxpr(self, jaxpr: Any) -> Cost:
        """The cost of one run of a jaxpr of the program, that of what it calls included.

        Args:
          jaxpr: one of the program's own jaxprs, without its constants.
        """
        return Cost(*self._blocks[id(jaxpr)].total)

    def of_equation(self, eqn: Any) -> Cost:
        """The cost of one run of an equation of the program, what it holds included.

        Args:
          eqn: one of the program's own equations.
        """
        held = [(each, self._blocks[id(each.jaxpr)]) for each in nested(eqn)]
        own = own_vector(eqn, held, self._trips, self._branches, place=self._place)
        return Cost(*own.whole)

    def held_by(self, eqn: Any) -> list[tuple[Nested, int]]:
        """What an equation of the program runs, each with how often, on all devices.

        Branches that do not count are among them.

        Args:
          eqn: one of the program's own equations.
        """
        held = [(each, self._blocks[id(each.jaxpr)]) for each in nested(eqn)]
        every = own_vector(eqn, held, self._trips, "sum", place=self._place).calls
        return [(each, times * devices) for each, _, times, devices in every]

    def _place(self, eqn: Any) -> Place:
        return self._places.of(eqn, self._homes[id(eqn)])

    @functools.cached_property
    def _homes(self) -> dict[int, Any]:
        """By the id of an equation that holds others, the jaxpr that it stands in."""
        every = (block.jaxpr for block in self._blocks.values())
        return {id(eqn): jaxpr for jaxpr in every for eqn in jaxpr.eqns if nested(eqn)}


def _one_a_line(
    found: dict[SourceLine | None, list[int]],
) -> dict[SourceLine | None, list[int]]:
    """A line in which several functions stand, as a lambda in a call, is one: the outermost's."""
    lines: dict[tuple[str, int], SourceLine] = {}
    for line in found:
        if line is not None:
            known = lines.setdefault((line.file, line.line), line)
            if len(line.function) < len(known.function):
                lines[line.file, line.line] = line
    merged: dict[SourceLine | None, list[int]] = {}
    for line, vector in found.items():
        key = line and lines[line.file, line.line]
        add(merged.setdefault(key, [*ZERO]), vector)
    return merged


def _costs(found: dict[Any, list[int]]) -> dict[Any, Cost]:
    ranked = sorted(found.items(), key=lambda item: (sum(item[1][:4]), item[1][5]), reverse=True)
    return {key: Cost(*vector) for key, vector in ranked}


def cost_of(
    program: Program | Any,
    trip_counts: int | Mapping[Key, int] | None = None,
    *,
    branches: Branches = "max",
) -> Costs:
    """What a program costs.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> layers = lambda x: jax.lax.fori_loop(0, 5, lambda _, y: jnp.tanh(y @ y), x)
      >>> cost_of(jax.make_jaxpr(layers)(jnp.ones((8, 8)))).total.matmul_flops  # 5 x 2 x 8 x 8 x 8
      5120

    Args:
      program: of `jaxkit._jax.jaxprs.trace`, or a jaxpr.
      trip_counts: turns of loops that only the values tell, as `jaxkit.inspect` takes them.
      branches: which branch of a `cond` counts: the one with most operations, the one with
        fewest, or all of them.

    Raises:
      TypeError: it is no jaxpr, or `trip_counts` is of another form.
      ValueError: `trip_counts` has a key for which there is no such loop.
    """
    jaxpr = program.lowered if isinstance(program, Program) else program
    trips = Trips(trip_counts)
    blocks, _ = blocks_of(jaxpr, trips, branches)
    costs = Costs(blocks, trips, branches)
    trips.check_used()
    return costs


def site_costs(jaxpr: Any, trip_counts: int | Mapping[Key, int] | None = None) -> list[BodyCost]:
    """Each jaxpr that is nested in another, once, with its cost a run and how often it runs.

    Args:
      jaxpr: a jaxpr, closed or not.
      trip_counts: as for `cost_of`.
    """
    trips = Trips(trip_counts)
    _, start = blocks_of(jaxpr, trips, "max")
    found: list[BodyCost] = []
    seen: set[int] = set()
    stack: list[tuple[Block, tuple[str, ...]]] = [(start, ())]
    while stack:
        block, path = stack.pop()
        for call in block.calls:
            if id(call.block) in seen:
                continue
            seen.add(id(call.block))
            inner = (*path, call.name)
            times = call.times * call.devices
            cost = Cost(*call.block.total)
            found.append(BodyCost(inner, call.role, call.block.jaxpr, cost, times))
            stack.append((call.block, inner))
    return found
