"""Number formats, and rounding an array to one of them without changing its dtype.

Rounding is to nearest, ties to even, on the bits of the array: XLA may drop a conversion to a
narrow dtype and back (``xla_allow_excess_precision``), but no arithmetic of integers, and what is
smaller than the smallest normal number is rounded as the format has it, wherever the processor
would flush it to zero.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import re
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxkit._jax.x64 import with_x64

__all__ = ["NAMES", "Format", "format_of", "holds", "round_to", "straight_through"]

Overflow = Literal["inf", "nan"]


@dataclasses.dataclass(frozen=True)
class Format:
    """A floating-point format.

    Example:
        >>> half = format_of("f16")
        >>> half.exponent_bits, half.mantissa_bits, half.largest
        (5, 10, 65504.0)
        >>> format_of("f8_e4m3").overflow  # it has no infinity
        'nan'

    Args:
        name: What it is called.
        mantissa_bits: Those that are stored, without the leading one.
        exponent_bits: None for the range of whatever is rounded.
        bias: What is subtracted from the stored exponent.
        largest: The largest finite number; None for that of whatever is rounded.
        overflow: What becomes of larger numbers, and of infinities.
        signed_zero: Whether there is a -0.
        saturate: Whether larger numbers and infinities become the largest finite number instead.
    """

    name: str
    mantissa_bits: int
    exponent_bits: int | None = None
    bias: int | None = None
    largest: float | None = None
    overflow: Overflow = "inf"
    signed_zero: bool = True
    saturate: bool = False

    @property
    def bits(self) -> int | None:
        """Bits of a number; None where the exponent's are those of whatever is rounded."""
        return None if self.exponent_bits is None else 1 + self.exponent_bits + self.mantissa_bits

    def __str__(self) -> str:
        return f"{self.name} (saturating)" if self.saturate else self.name


def _of_dtype(name: str, dtype: str, *, finite_only: bool = False, signed_zero: bool = True) -> Any:
    info = jnp.finfo(dtype)
    bits = int(info.nexp)
    bias = 1 - int(info.minexp)
    overflow: Overflow = "nan" if finite_only else "inf"
    return Format(name, int(info.nmant), bits, bias, float(info.max), overflow, signed_zero)


_FORMATS: dict[str, Format] = {
    "bf16": _of_dtype("bf16", "bfloat16"),
    "f16": _of_dtype("f16", "float16"),
    "f8_e4m3": _of_dtype("f8_e4m3", "float8_e4m3fn", finite_only=True),
    "f8_e5m2": _of_dtype("f8_e5m2", "float8_e5m2"),
    "f8_e3m4": _of_dtype("f8_e3m4", "float8_e3m4"),
    "f8_e4m3fnuz": _of_dtype("f8_e4m3fnuz", "float8_e4m3fnuz", finite_only=True, signed_zero=False),
    "f8_e5m2fnuz": _of_dtype("f8_e5m2fnuz", "float8_e5m2fnuz", finite_only=True, signed_zero=False),
    "f8_e4m3b11fnuz": _of_dtype(
        "f8_e4m3b11fnuz", "float8_e4m3b11fnuz", finite_only=True, signed_zero=False
    ),
    "float8_e4m3": _of_dtype("float8_e4m3", "float8_e4m3"),
    "f32": _of_dtype("f32", "float32"),
}
_ALIASES = {
    "bfloat16": "bf16",
    "float16": "f16",
    "half": "f16",
    "float32": "f32",
    "f8_e4m3fn": "f8_e4m3",
    **{
        f"float{name[1:]}": name
        for name in _FORMATS
        if name.startswith("f8_") and "4m3" not in name
    },
    "float8_e4m3fn": "f8_e4m3",
    "float8_e4m3fnuz": "f8_e4m3fnuz",
    "float8_e4m3b11fnuz": "f8_e4m3b11fnuz",
}
NAMES = tuple(_FORMATS)
_BITS = re.compile(r"(?:e(\d+))?m(\d+)")


def format_of(
    dtype: Any = None,
    *,
    mantissa_bits: int | None = None,
    exponent_bits: int | None = None,
    saturate: bool = False,
) -> Format:
    """The format of a name, of a dtype, or of so many bits.

    Example:
        >>> format_of(mantissa_bits=3, exponent_bits=4).largest
        240.0
        >>> format_of((5, 10)) == format_of("e5m10")
        True

    Args:
        dtype: One of `NAMES`, a dtype of that format, (exponent bits, mantissa bits), or the same
            as `"e5m10"`; `"m10"` leaves the range.
            `f8_e4m3` is the one that processors have, which ends at 448 and has no infinity;
            `float8_e4m3` is ml_dtypes' of that name, which ends at 240 and has one.
        mantissa_bits: Instead: those of a format like IEEE's, without the leading one.
        exponent_bits: Those of the exponent, 2 to 11; by default the range stays that of the
            array.
        saturate: Whether what is too large becomes the largest finite number.

    Raises:
        TypeError: An argument of another type.
        ValueError: There is no such format.
    """
    if isinstance(dtype, (tuple, list)) and len(dtype) == 2:
        if mantissa_bits is not None or exponent_bits is not None:
            raise ValueError(_both(dtype))
        exponent_bits, mantissa_bits = dtype
        dtype = None
    of_bits = _BITS.fullmatch(dtype) if isinstance(dtype, str) else None
    if of_bits is not None and mantissa_bits is None and exponent_bits is None:
        exponent, mantissa = of_bits.groups()
        exponent_bits, mantissa_bits = int(exponent) if exponent else None, int(mantissa)
        dtype = None
    if mantissa_bits is None and exponent_bits is not None:
        raise ValueError(
            f"exponent_bits={exponent_bits!r} needs mantissa_bits: a format is both, "
            "as in mantissa_bits=7, exponent_bits=8"
        )
    if mantissa_bits is None:
        found = _named(dtype)
    elif dtype is not None:
        raise ValueError(_both(dtype))
    else:
        found = _of_bits(mantissa_bits, exponent_bits)
    if not isinstance(saturate, bool):
        raise TypeError(f"saturate must be True or False, got saturate={saturate!r}")
    return dataclasses.replace(found, saturate=saturate)


def _both(dtype: Any) -> str:
    return f"got dtype={dtype!r} and a number of bits: give one of them, the other says the same"


def _named(dtype: Any) -> Format:
    name = dtype if isinstance(dtype, str) else _name_of(dtype)
    found = _FORMATS.get(_ALIASES.get(name, name))
    if found is None:
        near = difflib.get_close_matches(name, [*_FORMATS, *_ALIASES], n=2)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise ValueError(
            f"dtype must be a format of {', '.join(NAMES)}, got dtype={dtype!r}; {hint}"
            "mantissa_bits=... and exponent_bits=... make others"
        )
    return found


def _name_of(dtype: Any) -> str:
    try:
        return jnp.dtype(dtype).name if dtype is not None else "None"
    except TypeError:
        raise TypeError(
            "dtype must be a name such as 'bf16', a dtype or (exponent bits, mantissa bits), "
            f"got dtype={dtype!r} of type {type(dtype).__name__}"
        ) from None


def _of_bits(mantissa: Any, exponent: Any) -> Format:
    _check_bits("mantissa_bits", mantissa, 0, 52)
    if exponent is None:
        return Format(f"m{mantissa}", mantissa)
    _check_bits("exponent_bits", exponent, 2, 11)
    bias = 2 ** (exponent - 1) - 1
    largest = float((2 - 2.0**-mantissa) * 2.0**bias)
    return Format(f"e{exponent}m{mantissa}", mantissa, exponent, bias, largest)


def _check_bits(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {name}={value!r} of {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, got {name}={value!r}")


def round_to(value: Any, target: Format) -> Any:
    """Rounds an array to a format; its dtype stays.

    Exact for each value that the dtype of the array can hold: where the format reaches further
    than the dtype, what overflows the dtype becomes infinite.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.array([1.00390625, 70000.0, 1e-8, 3.2e-8])
        >>> round_to(x, format_of("f16")).tolist()
        [1.00390625, inf, 0.0, 5.960464477539063e-08]
        >>> round_to(x, format_of("f8_e4m3", saturate=True)).tolist()[:2]
        [1.0, 448.0]

    Args:
        value: A JAX array of any shape and floating-point or complex dtype; of a complex one
            both parts are rounded. NaN stays NaN.
        target: The format.

    Returns:
        An array of the same shape and dtype. Its derivative is that of the identity.
    """
    dtype = value.dtype
    if jnp.issubdtype(dtype, jnp.complexfloating):
        parts = round_to(lax.real(value), target), round_to(lax.imag(value), target)
        return lax.complex(*parts)
    if holds(target, dtype):
        return value
    return straight_through(value, _rounded(lax.stop_gradient(value), target))


def holds(target: Format, dtype: Any) -> bool:
    """Whether rounding changes nothing, as the format has every number of the dtype.

    Args:
        target: The format.
        dtype: A floating-point or complex dtype.
    """
    info = jnp.finfo(dtype)
    if target.mantissa_bits < info.nmant or (target.saturate and target.overflow == "inf"):
        return False
    if target.bias is None or target.largest is None:
        return True
    reaches = target.largest >= float(info.max) and 1 - target.bias <= info.minexp
    return reaches and target.overflow == "inf" and target.signed_zero


@jax.custom_jvp
def straight_through(value: Any, rounded: Any) -> Any:
    """Rounded, with the derivative of what was rounded."""
    return rounded


@straight_through.defjvp
def _straight_through_jvp(primals: Any, tangents: Any) -> Any:
    return primals[1], tangents[0]


def _rounded(value: Any, target: Format) -> Any:
    dtype = value.dtype
    info = jnp.finfo(dtype)
    if target.bias is None or target.largest is None:  # the range of what is rounded
        bias, largest = 1 - int(info.minexp), float(info.max)
    else:
        bias, largest = target.bias, target.largest
    wide = value if info.bits >= 32 else lax.convert_element_type(value, jnp.float32)
    # A program may have double precision where it is off by now, as that of `jaxkit.x64` does.
    with with_x64() if info.bits == 64 else contextlib.nullcontext():
        bits = _round_bits(wide, target, bias, largest)
        return lax.convert_element_type(lax.bitcast_convert_type(bits, wide.dtype), dtype)


def _round_bits(value: Any, target: Format, bias: int, largest: float) -> Any:
    """The bits of the rounded numbers, of an array of f32 or f64."""
    info = jnp.finfo(value.dtype)
    mantissa, own_bias = int(info.nmant), 1 - int(info.minexp)
    unsigned = np.dtype(f"uint{info.bits}")
    integer = unsigned.type
    infinite = integer(((1 << (info.bits - 1)) - 1) ^ ((1 << mantissa) - 1))
    one, none = integer(1), integer(0)

    bits = lax.bitcast_convert_type(value, unsigned)
    sign = bits & integer(1 << (info.bits - 1))
    size = bits ^ sign
    # The number is significand * 2**(exponent - own_bias - mantissa), its exponent at least 1.
    stored = size >> integer(mantissa)
    exponent = jnp.maximum(stored, one)
    leading = jnp.where(stored > none, integer(1 << mantissa), none)
    significand = (size & integer((1 << mantissa) - 1)) | leading
    # How many of its last bits the format does not have: more where it has subnormals only.
    lowest = integer(max(own_bias + 1 - bias, 1))
    missing = jnp.maximum(exponent, lowest) - exponent
    missing = missing + integer(max(mantissa - target.mantissa_bits, 0))
    missing = jnp.minimum(missing, integer(mantissa + 2))
    odd = (significand >> missing) & one
    up = jnp.where(missing > none, ((one << missing) >> one) - one + odd, none)
    kept = ((significand + up) >> missing) << missing
    found = jnp.where(kept > none, ((exponent - one) << integer(mantissa)) + kept, none)
    limit = np.asarray(min(largest, float(info.max)), value.dtype).view(unsigned)[()]
    beyond = infinite if target.overflow == "inf" else infinite | integer(1 << (mantissa - 1))
    found = jnp.where(found > limit, limit if target.saturate else beyond, found)
    if not target.signed_zero:
        sign = jnp.where(found == none, none, sign)
    return jnp.where(size > infinite, bits, found | sign)
