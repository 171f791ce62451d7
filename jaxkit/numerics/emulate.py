"""`jaxkit.emulate`: a function as it would be in a narrower format."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxkit._jax.jaxprs import name_of, place_of
from jaxkit.jaxpr import Equation, Rule, interpret
from jaxkit.numerics.emulation.formats import Format, format_of, round_to, straight_through
from jaxkit.numerics.emulation.selection import Item, Selection, items_of
from jaxkit.numerics.emulation.staged import staged
from jaxkit.numerics.emulation.sums import SUMS
from jaxkit.transforms import transform

__all__ = ["emulate"]

# These give the numbers that they are given, or bits that are numbers already.
_MOVES = frozenset(
    """broadcast_in_dim broadcast_to reshape transpose squeeze expand_dims rev slice dynamic_slice
    dynamic_update_slice concatenate pad gather scatter copy copy_p bitcast_convert_type tile split
    unstack stack select_n stop_gradient real imag complex device_put name pvary pbroadcast
    preduced vary_unreduced_cast optimization_barrier sharding_constraint reshard layout_constraint
    all_gather all_gather_invariant all_gather_reduced all_to_all ppermute ragged_all_to_all
    iota empty empty2 random_bits random_wrap random_unwrap get swap""".split()
)
_ACCUMULATE = ("wide", "narrow")


def _check(**options: Any) -> None:
    _Emulation.of(**options)


@transform(tags=("changes_values", "changes_grad", "calls_many", "may_raise"), validate=_check)
def emulate(
    fun: Callable[..., Any],
    *,
    dtype: Any = None,
    mantissa_bits: int | None = None,
    exponent_bits: int | None = None,
    where: Any = None,
    keep: Any = None,
    saturate: bool = False,
    operands: bool = False,
    accumulate: str = "wide",
) -> Callable[..., Any]:
    """Rounds what a function computes to a narrower format, equation by equation.

    Each equation is evaluated in its own dtype, and its floating-point results are rounded to
    nearest, ties to even, to the format; dtypes stay. What only moves numbers (a reshape, a gather,
    a select) is left as it is, as are arguments and constants, unless `operands` says otherwise.

    What is too large becomes infinite in `bf16` (above 3.39e38), `f16` (65504), `f8_e5m2` (57344),
    `f8_e3m4` (15.5), `float8_e4m3` (240) and formats of so many bits, and NaN in `f8_e4m3`
    (ml_dtypes' `float8_e4m3fn`: 448), `f8_e4m3fnuz` (240), `f8_e5m2fnuz` (57344) and
    `f8_e4m3b11fnuz` (30), which have no infinity, the last three no -0 either. `saturate` makes it
    the largest finite number in all of them. Subnormal numbers are as each format has them.

    The function is traced and compiled as by `jax.jit`, once for arguments of one kind; what it
    reads besides its arguments is read then. Loops, branches, calls and `jax.checkpoint` are
    entered. The derivative of rounding is that of the
    identity (straight-through): `jax.grad(emulate(f))` is an exact backward pass through the
    rounded values, `emulate(jax.grad(f))` rounds the backward pass as well. Functions with
    derivatives of their own keep them. Kernels and callbacks are one equation each.

    Example:
        >>> import jax.numpy as jnp, jaxkit
        >>> def mean_of_squares(x):
        ...     return jnp.mean(x * x)
        >>> x = jnp.full(8, 300.0)
        >>> mean_of_squares(x).item(), jaxkit.emulate(mean_of_squares, dtype="f16")(x).item()
        (90000.0, inf)
        >>> jaxkit.emulate(mean_of_squares, mantissa_bits=2)(x).item()
        81920.0

    Args:
        fun: A function of any pytrees.
        dtype: The format: one of these, a dtype, or (exponent bits, mantissa bits), also as
            `"e5m10"`; `bf16` where nothing is said.
        mantissa_bits: Instead: how many bits follow the leading one. The range stays.
        exponent_bits: With `mantissa_bits`, those of the exponent, as IEEE 754 has them.
        where: Which equations. A text is a named scope (`"encoder/attention"`: all in it, `*`
            allowed), a function of yours, a line (`"train.py:41"`, `"train.py:41-60"`), a
            primitive or a dtype (`"dot_general"`, `"float32"`), whichever there is; to say which
            is meant, `"scope:..."`, `"function:..."`, `"line:..."`, `"primitive:..."`,
            `"dtype:..."`. A number is a line. A function is given each `jaxkit.jaxpr.Equation` and
            says yes or no. Of a list any one. None is all.
        keep: Which of these not, in the same forms.
        saturate: Whether what is too large becomes the largest finite number, infinities too.
        operands: Whether the operands of each equation are rounded as well, arguments and
            constants among them: a program all of whose arrays are in that format.
        accumulate: `"wide"` rounds a sum once it is done, as matrix units do. `"narrow"` rounds
            each partial sum of `dot_general`, `reduce_sum` and `cumsum`, one term after the other,
            which takes as many steps.

    Returns:
        The function with rounded results, of the dtypes that `fun` has.

    Raises:
        TypeError: An option of another type.
        ValueError: An unknown format; when called, something in `where` or `keep` that matches no
            equation, with what is near.

    References:
        P. Micikevicius et al., FP8 formats for deep learning, 2022,
        https://arxiv.org/abs/2209.05433 (E4M3 without infinities, E5M2).
        N. J. Higham, S. Pranesh, Simulating low precision floating-point arithmetic, SIAM J. Sci.
        Comput. 41(5), 2019: every result computed wide, then rounded.
    """
    emulation = _Emulation.of(
        dtype=dtype,
        mantissa_bits=mantissa_bits,
        exponent_bits=exponent_bits,
        where=where,
        keep=keep,
        saturate=saturate,
        operands=operands,
        accumulate=accumulate,
    )
    return staged(fun, emulation)


@dataclasses.dataclass(frozen=True)
class _Emulation:
    """What to round, and how; called with a function, gives the rounded one."""

    target: Format
    where: tuple[Item, ...] | None
    keep: tuple[Item, ...] | None
    operands: bool
    narrow: bool

    @classmethod
    def of(
        cls, *, where: Any, keep: Any, operands: Any, accumulate: Any, **of_format: Any
    ) -> _Emulation:
        if all(of_format[name] is None for name in ("dtype", "mantissa_bits", "exponent_bits")):
            of_format["dtype"] = "bf16"
        if not isinstance(operands, bool):
            raise TypeError(f"operands must be True or False, got operands={operands!r}")
        if accumulate not in _ACCUMULATE:
            raise ValueError(f"accumulate must be 'wide' or 'narrow', got {accumulate=}")
        return cls(
            format_of(**of_format),
            items_of("where", where),
            items_of("keep", keep),
            operands,
            accumulate == "narrow",
        )

    def __call__(self, fun: Any) -> Callable[..., Any]:
        def emulated(*args: Any, **kwargs: Any) -> Any:
            rule = Rounding(self)
            out = interpret(fun, rule)(*args, **kwargs)
            rule.check(name_of(fun))
            return out

        return emulated


def is_float(value: Any) -> bool:
    """Whether an array or a variable's type is of floating-point or complex numbers."""
    return bool(jnp.issubdtype(value.dtype, jnp.inexact))


def computes(at: Equation) -> bool:
    """Whether the results of an equation are other numbers than its operands."""
    if at.primitive == "convert_element_type":
        return at.eqn.invars[0].aval.dtype != at.eqn.outvars[0].aval.dtype
    return at.primitive not in _MOVES


class Rounding(Rule):
    """Rounds the results of the equations that are chosen.

    Args:
        emulation: What to round, and how.
    """

    def __init__(self, emulation: _Emulation) -> None:
        self._how = emulation
        where, keep = emulation.where, emulation.keep
        self._where = None if where is None else Selection("where", where)
        self._keep = None if keep is None else Selection("keep", keep)

    def equation(self, at: Equation, boxes: Sequence[Any]) -> Sequence[Any]:
        if not any(is_float(var.aval) for var in at.eqn.outvars) or not self._chosen(at):
            return at.run(boxes)
        with place_of(at.eqn):
            boxes = [self._round(box) for box in boxes] if self._how.operands else boxes
        outs = at.run(boxes)
        with place_of(at.eqn):
            if self._how.narrow and at.primitive in SUMS and is_float(outs[0]):
                fixed = [lax.stop_gradient(box) for box in boxes]
                narrow = SUMS[at.primitive](at.params, fixed, self._round)
                return [straight_through(outs[0], narrow)]
            return [self._round(out) for out in outs]

    def check(self, name: str) -> None:
        """Raises if something that was to be found was not; `name` is the function's."""
        for selection in (self._where, self._keep):
            if selection is not None:
                selection.check(name)

    def _chosen(self, at: Equation) -> bool:
        does = computes(at)
        chosen = does if self._where is None else self._where.has(at, computes=does)
        if self._keep is not None and self._keep.has(at, computes=does):
            return False
        return chosen

    def _round(self, value: Any) -> Any:
        return round_to(value, self._how.target) if is_float(value) else value
