"""The jaxprs of a program, each summed up once: what it does itself, and what it calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jaxkit._jax.jaxprs import name_stack
from jaxkit._jax.source import Frame, Sources
from jaxkit.jaxpr._walk import fold
from jaxkit.jaxpr.bytes import bytes_of
from jaxkit.jaxpr.flops import applications, work_of
from jaxkit.jaxpr.nesting import Nested, is_opaque
from jaxkit.jaxpr.platforms import branch_of_platform, manual_devices
from jaxkit.jaxpr.sizes import Unknown
from jaxkit.jaxpr.trips import Trips
from jaxkit.report import SourceLine

# As the attributes of `Cost`; the last but one counts equations, the last unknown loops.
Vector = Sequence[int]
ZERO: tuple[int, ...] = (0,) * 8
_LOOPS = ("loop_body", "loop_cond", "kernel")
_KNOWN_CALLS = frozenset(
    """jit pjit custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr custom_jvp_call_jaxpr
    eval_jaxpr closed_call core_call call remat2 checkpoint compute_on run_state run_scoped
    xla_metadata_call composite custom_vmap_call custom_partitioning linear_call shard_map
    custom_linear_solve jaxpr_call stage core_map remat_opt""".split()
)


@dataclasses.dataclass(frozen=True, slots=True)
class Uncounted:
    """Something that the figures leave out, or count once only.

    Attributes:
      primitive: the primitive's name.
      where: the user's line.
      reason: why.
      times: how often it runs.
    """

    primitive: str
    where: SourceLine | None
    reason: str
    times: int = 1

    def __str__(self) -> str:
        """``while at train.py:41 in solve: how often ...``."""
        place = f" at {self.where}" if self.where else ""
        often = f" ({self.times} times)" if self.times > 1 else ""
        return f"{self.primitive}{place}{often}: {self.reason}"


class Place(NamedTuple):
    """Where an equation stands, as far as its own jaxpr knows."""

    user: SourceLine | None
    library: SourceLine | None
    scope: str


@dataclasses.dataclass(slots=True)
class Call:
    """A jaxpr that an equation of another runs.

    Attributes:
      block: the jaxpr.
      place: where the equation stands.
      primitive: its primitive.
      name: the jaxpr's name in a path.
      role: what the equation does with it.
      times: how often it runs each time; of a loop that the user says nothing of, once.
      devices: on how many devices at once.
      loop: whether the number of turns is not known from the program.
      extra: runs beside the turns of that loop.
    """

    block: Block
    place: Place
    primitive: str
    name: str
    role: str
    times: int
    devices: int
    loop: bool
    extra: int


@dataclasses.dataclass(slots=True)
class Block:
    """A jaxpr, summed up.

    Attributes:
      jaxpr: the jaxpr.
      own: what its equations do themselves, by place and primitive.
      calls: what they call.
      missing: what could not be counted: (place, primitive, reason).
      total: of one run of it, with what it calls.
    """

    jaxpr: Any
    own: dict[tuple[Place, str], list[int]]
    calls: list[Call]
    missing: list[tuple[Place, str, str]]
    total: tuple[int, ...]


class Own(NamedTuple):
    """One equation: itself, with all that it holds, what it calls, what is missing."""

    vector: tuple[int, ...]
    whole: tuple[int, ...]
    calls: list[tuple[Nested, Block, int, int]]
    missing: list[str]


def blocks_of(jaxpr: Any, trips: Trips, branches: str) -> tuple[dict[int, Block], Block]:
    """Every jaxpr of a program, by its id, those that are called before those that call them.

    Args:
      jaxpr: the program.
      trips: of loops of unknown length.
      branches: as for `cost_of`.

    Returns:
      the blocks, and that of the program.
    """
    places, blocks = Places(), dict[int, Block]()

    def equation(eqn: Any, inside: list[Any]) -> Any:
        return eqn, inside

    def body(held: Any, values: list[Any]) -> Any:
        def place(eqn: Any) -> Place:
            return places.of(eqn, held)

        owns = [
            (eqn, own_vector(eqn, inside, trips, branches, place=place)) for eqn, inside in values
        ]
        blocks[id(held)] = block = _block(held, owns, places)
        return block

    start: Any = fold(jaxpr, equation, body)
    return blocks, start


class Places:
    """Places of equations, each line made once."""

    def __init__(self) -> None:
        self._sources = Sources()
        self._lines: dict[tuple[str, int, str], SourceLine] = {}
        self._places: dict[Any, tuple[SourceLine | None, SourceLine | None]] = {}
        self._scopes: dict[Any, str] = {}

    def of(self, eqn: Any, jaxpr: Any) -> Place:
        """The place of an equation in a jaxpr.

        Args:
          eqn: the equation.
          jaxpr: the jaxpr that it stands in, without its constants.
        """
        found = self._sources.of(eqn, jaxpr)
        known = self._places.get(found)
        if known is None:
            known = self._places[found] = self._line(found[0]), self._line(found[1])
        return Place(*known, name_stack(eqn))

    def _line(self, frame: Frame | None) -> SourceLine | None:
        if frame is None:
            return None
        key = frame.file, frame.line, frame.function
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = SourceLine(frame.file, frame.line, None, frame.function)
        return line


def _block(jaxpr: Any, values: list[tuple[Any, Own]], places: Places) -> Block:
    block = Block(jaxpr, {}, [], [], ZERO)
    total = list(ZERO)
    for eqn, own in values:
        place, name = places.of(eqn, jaxpr), eqn.primitive.name
        add(block.own.setdefault((place, name), list(ZERO)), own.vector)
        add(total, own.whole)
        for each, inner, times, devices in own.calls:
            call = Call(inner, place, name, each.name, each.role, times, devices, False, each.extra)
            call.loop = each.count is None and each.role in _LOOPS
            block.calls.append(call)
        block.missing.extend((place, name, reason) for reason in own.missing)
    block.total = tuple(total)
    return block


def add(to: list[int], vector: Vector, times: int = 1) -> None:
    """Adds a vector in place, so often."""
    for i, n in enumerate(vector):
        if n:
            to[i] += n * times


def own_vector(
    eqn: Any,
    inside: list[tuple[Nested, Block]],
    trips: Trips,
    branches: str,
    *,
    place: Callable[[Any], Place],
) -> Own:
    """What one equation costs, itself and with what it holds.

    Args:
      eqn: the equation.
      inside: the jaxprs that it holds.
      trips: of loops of unknown length.
      branches: as for `cost_of`.
      place: finds where an equation stands.
    """
    combiners = [block for each, block in inside if each.role == "combiner"]
    bodies = [pair for pair in inside if pair[0].role != "combiner"]
    if not bodies:
        vector, missing = _leaf(eqn, combiners)
        return Own(vector, vector, [], missing)
    calls: list[tuple[Nested, Block, int, int]] = []
    missing: list[str] = []
    vector = [*ZERO]
    vector[6] = 0 if eqn.primitive.name in _KNOWN_CALLS else 1
    for each, block in _taken(eqn, bodies, branches):
        times = each.count
        if times is None:
            line, _, scope = place(eqn)
            turns = trips.turns(line, scope, ()) if each.role in _LOOPS else 1
            times = (1 if turns is None else turns) + each.extra
        calls.append((each, block, times, manual_devices(eqn, each.devices)))
    whole = [*vector]
    for _, block, times, devices in calls:
        add(whole, block.total, times * devices)
    if eqn.primitive.name not in _KNOWN_CALLS and bodies[0][0].role == "call":
        missing.append("how often it runs the programs that it holds is not known: once is counted")
    return Own(tuple(vector), tuple(whole), calls, missing)


def _leaf(eqn: Any, combiners: list[Block]) -> tuple[tuple[int, ...], list[str]]:
    """The vector of an equation that calls nothing, and what is missing in it."""
    try:
        moved = bytes_of(eqn)
        if is_opaque(eqn):
            return (0, 0, 0, 0, 0, moved, 1, 0), ["it runs code that JAX does not show"]
        work = work_of(eqn)
        if work is not None:
            return (*work, moved, 1, 0), []
        if combiners:
            vector = [0, 0, 0, 0, 0, moved, 1, 0]
            add(vector, combiners[0].total[:5], applications(eqn))
            return tuple(vector), []
    except Unknown as unknown:
        return (0, 0, 0, 0, 0, 0, 1, 0), [str(unknown)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        reason = f"its parameters are of another form than jaxkit knows ({type(error).__name__})"
        return (0, 0, 0, 0, 0, 0, 1, 0), [reason]
    return (0, 0, 0, 0, 0, moved, 1, 0), ["jaxkit has no rule for this primitive"]


def _taken(
    eqn: Any, bodies: list[tuple[Nested, Block]], branches: str
) -> list[tuple[Nested, Block]]:
    """Without the branches that do not count."""
    if bodies[0][0].role != "branch" or branches == "sum":
        return bodies
    chosen = branch_of_platform(eqn)
    if chosen is not None:
        return [bodies[chosen]]
    pick = max if branches == "max" else min
    return [pick(bodies, key=lambda pair: (sum(pair[1].total[:4]), pair[1].total[5]))]
