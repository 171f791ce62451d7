"""What the compiler can do with an equation's result: compute it where it is used, or store it."""

from __future__ import annotations

import dataclasses
from enum import IntEnum
from typing import Any

from jaxkit.jaxpr.flops import is_elementwise
from jaxkit.jaxpr.nesting import Nested
from jaxkit.jaxpr.sizes import Unknown, nbytes


class Kind(IntEnum):
    """What the compiler can do with an equation's result."""

    FUSED = 0  # computed where it is used, if that is one place
    CHEAP = 1  # computed wherever it is used
    ALIAS = 2  # the same memory under another shape
    REDUCING = 3  # takes fused operands, and is stored
    IN_PLACE = 4  # written over an operand that is not needed any more
    STORED = 5  # takes stored operands, and is stored
    PRODUCT = 6  # likewise, but reads operands in any order of their axes
    CALL = 7  # runs a program


_FUSED = """select_n clamp convert_element_type transpose rev slice dynamic_slice pad copy
concatenate gather real imag complex reduce_precision integer_pow one_minus_square
random_bits abs split unstack threefry2x32 polynomial to_edtype from_edtype
shift_right_logical""".split()
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(_FUSED, Kind.FUSED),
    **dict.fromkeys("broadcast_in_dim broadcast_to iota empty full".split(), Kind.CHEAP),
    **dict.fromkeys(
        """reshape squeeze stop_gradient name optimization_barrier pvary pbroadcast
        random_wrap random_unwrap sharding_constraint bitcast_convert_type new_ref freeze
        copy_p vary_unreduced_cast""".split(),
        Kind.ALIAS,
    ),
    **dict.fromkeys(
        """reduce_sum reduce_max reduce_min reduce_prod reduce_and reduce_or argmax argmin reduce
        reduce_window reduce_window_max reduce_window_sum reduce_window_min cumsum
        cumprod""".split(),
        Kind.REDUCING,
    ),
    **dict.fromkeys(
        """dynamic_update_slice scatter scatter-add scatter-mul scatter-min scatter-max scatter-sub
        sort swap addupdate psum psum_invariant""".split(),
        Kind.IN_PLACE,
    ),
    "dot_general": Kind.PRODUCT,
}


@dataclasses.dataclass(slots=True)
class Op:
    """An equation, its variables being numbers.

    Attributes:
      kind: what becomes of its result.
      operands: variables that it reads.
      results: variables that it makes.
      eqn: the equation.
      bodies: programs that it runs.
      extra: bytes that these need, beside their inputs.
      within: the calls in whose place it stands, the outermost first.
    """

    kind: Kind
    operands: list[int]
    results: list[int]
    eqn: Any
    bodies: list[tuple[Nested, Flat]]
    extra: int = 0
    within: tuple[Any, ...] = ()


@dataclasses.dataclass(slots=True)
class Flat:
    """A jaxpr with its small calls put in place.

    Attributes:
      jaxpr: itself.
      sizes: bytes of each variable.
      ops: the equations in their order.
      inputs: the variables that are given, constants first.
      outputs: the variables that are returned; None for values written into the program.
      fixed: how many of the inputs are constants.
      extra: bytes beside the inputs at the worst moment, where that is known already.
    """

    jaxpr: Any
    sizes: list[int]
    ops: list[Op]
    inputs: list[int]
    outputs: list[int | None]
    fixed: int
    extra: int | None = None


def product_copies(eqn: Any) -> int:
    """Bytes of the operands of a product that are copied into the order of axes that it needs.

    Axes of the batch first, then rows and columns; one axis each may stand the other way round.
    """
    (left, right), (left_batch, right_batch) = eqn.params["dimension_numbers"]
    sides = (eqn.invars[0].aval, left, left_batch), (eqn.invars[1].aval, right, right_batch)
    return sum(_copied(*side) for side in sides)


def _copied(aval: Any, contracted: tuple[int, ...], batch: tuple[int, ...]) -> int:
    axes = range(len(aval.shape))
    free = [axis for axis in axes if axis not in contracted and axis not in batch]
    ordered = [*batch, *free, *contracted], [*batch, *contracted, *free]
    return 0 if list(axes) in ordered else size_of(aval)


def size_of(aval: Any) -> int:
    """Bytes of a variable; 0 where a dimension is symbolic."""
    try:
        return nbytes(aval)
    except Unknown:
        return 0


def kind_of(eqn: Any) -> Kind:
    """What the compiler can do with the results of an equation that runs no program."""
    name = eqn.primitive.name
    known = _KINDS.get(name)
    if known is None:
        known = Kind.FUSED if is_elementwise(name) else Kind.STORED
    if known is Kind.ALIAS and len(eqn.outvars) > 1:
        return Kind.IN_PLACE
    return known
