"""Rounding to a format is ml_dtypes' and NumPy's conversion, to the bit."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxkit.numerics.emulation.formats import NAMES, Format, format_of, round_to

NARROW = (
    "bfloat16",
    "float16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
)
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e38, -1e38, 1e-45, -1e-45], np.float32)


def converted(x: np.ndarray, dtype: Any) -> np.ndarray:
    """There and back, as NumPy and ml_dtypes do it."""
    with np.errstate(all="ignore"):
        return x.astype(dtype).astype(x.dtype)


def rounded(x: np.ndarray, target: Format) -> np.ndarray:
    return np.asarray(jax.jit(lambda x: round_to(x, target))(x))


def assert_same(got: np.ndarray, want: np.ndarray) -> None:
    assert got.dtype == want.dtype
    bits = np.dtype(f"uint{8 * want.dtype.itemsize}")
    same = (got.view(bits) == want.view(bits)) | (np.isnan(got) & np.isnan(want))
    assert same.all(), (got[~same][:5], want[~same][:5])


def critical(dtype: Any) -> np.ndarray:
    """Every number of a dtype, what lies halfway between two, and the neighbours of all these."""
    bits = np.dtype(dtype).itemsize * 8
    every = np.arange(2**bits, dtype=f"uint{bits}").view(dtype).astype(np.float32)
    every = np.unique(every[np.isfinite(every)])
    halfway = (every[1:].astype(np.float64) + every[:-1]) / 2
    beyond = every[-1] + (every[-1] - every[-2].astype(np.float64)) / 2
    found = np.concatenate([every, halfway, [beyond, -beyond]]).astype(np.float32)
    around = [np.nextafter(found, np.float32(to)) for to in (np.inf, -np.inf)]
    return np.concatenate([found, *around, SPECIAL])


@pytest.mark.parametrize("dtype", NARROW)
def test_the_bits_are_those_of_the_conversion(dtype: str) -> None:
    x = critical(jnp.dtype(dtype))
    assert_same(rounded(x, format_of(jnp.dtype(dtype))), converted(x, jnp.dtype(dtype)))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3", "float8_e5m2", "float16"])
def test_so_many_bits_are_the_format_that_has_them(dtype: str) -> None:
    info = jnp.finfo(dtype)
    target = format_of(exponent_bits=int(info.nexp), mantissa_bits=int(info.nmant))
    x = critical(jnp.dtype(dtype))
    assert_same(rounded(x, target), converted(x, jnp.dtype(dtype)))


_COMPILED = {
    dtype: jax.jit(functools.partial(round_to, target=format_of(jnp.dtype(dtype))))
    for dtype in NARROW
}


@given(st.lists(st.integers(0, 2**32 - 1), min_size=16, max_size=16), st.sampled_from(NARROW))
@settings(max_examples=200)
def test_any_number_is_rounded_as_it_is_converted(bits: list[int], dtype: str) -> None:
    x = np.array(bits, np.uint32).view(np.float32)
    assert_same(np.asarray(_COMPILED[dtype](x)), converted(x, jnp.dtype(dtype)))


@given(
    st.lists(st.integers(0, 2**32 - 1), min_size=16, max_size=16),
    st.sampled_from([0, 1, 4, 10, 22, 23]),
)
@settings(max_examples=50)
def test_a_number_of_mantissa_bits_is_that_many(bits: list[int], mantissa: int) -> None:
    x = np.array(bits, np.uint32).view(np.float32)
    normal = np.isfinite(x) & (np.abs(x) >= np.finfo(np.float32).tiny)
    got = rounded(x, format_of(mantissa_bits=mantissa))
    fraction, exponent = np.frexp(x.astype(np.float64))
    with np.errstate(all="ignore"):
        want = np.ldexp(np.round(np.ldexp(fraction, mantissa + 1)), exponent - mantissa - 1)
        assert_same(got[normal], want.astype(np.float32)[normal])


def test_short_dtypes_keep_their_own_range() -> None:
    every = np.arange(2**16, dtype=np.uint16)
    half = every.view(np.float16)
    assert_same(rounded(half, format_of("f16")), half)
    assert_same(rounded(half, format_of("bf16")), converted(half, jnp.bfloat16))
    brain = every.view(jnp.bfloat16)
    got = rounded(brain, format_of("f16")).astype(np.float32)
    assert_same(got, converted(brain.astype(np.float32), np.float16))
    assert rounded(half, format_of(mantissa_bits=3)).dtype == np.float16


def test_double_precision_is_rounded_once() -> None:
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else _x64():
        x = critical(np.float16).astype(np.float64)
        x = np.concatenate([x, x * (1 + 2.0**-40), x * (1 - 2.0**-40)])
        assert_same(rounded(x, format_of("f16")), converted(x, np.float16))
        assert_same(rounded(x, format_of("f32")), converted(x, np.float32))


def _x64() -> Any:
    from jax.experimental import enable_x64

    return enable_x64()


@pytest.mark.parametrize(
    ("name", "overflow"), [("bf16", np.inf), ("f8_e4m3", np.nan), ("f8_e5m2", np.inf)]
)
def test_what_is_too_large(name: str, overflow: float) -> None:
    x = np.array([3.4e38, -3.4e38, np.inf, np.nan], np.float32)
    largest = format_of(name).largest
    got = rounded(x, format_of(name))
    np.testing.assert_array_equal(np.abs(got), [overflow, overflow, overflow, np.nan])
    saturated = rounded(x, format_of(name, saturate=True))
    np.testing.assert_array_equal(
        saturated, np.array([largest, -1 * (largest or 0), largest, np.nan])
    )


def test_the_parts_of_complex_numbers() -> None:
    x = jnp.array([1.001 + 2.003j, 1e6 + 1j], jnp.complex64)
    got = round_to(x, format_of("f16"))
    assert got.dtype == x.dtype
    want = [converted(np.asarray(part), np.float16) for part in (x.real, x.imag)]
    np.testing.assert_array_equal(got.real, want[0])
    np.testing.assert_array_equal(got.imag, want[1])


def test_the_derivative_is_that_of_the_identity() -> None:
    def f(x: Any) -> Any:
        return round_to(x, format_of("f8_e4m3")) * 3.0

    assert jax.grad(f)(1.03) == 3.0
    assert jax.jvp(f, (1.03,), (2.0,))[1] == 6.0
    assert jax.vmap(jax.grad(f))(jnp.ones(3)).tolist() == [3.0, 3.0, 3.0]


def test_names_and_dtypes() -> None:
    assert format_of("bfloat16") == format_of(jnp.bfloat16) == format_of("bf16")
    assert format_of("f8_e4m3") == format_of(jnp.float8_e4m3fn) != format_of(jnp.float8_e4m3)
    assert format_of("m4") == format_of(mantissa_bits=4)
    assert [format_of(name).name for name in NAMES] == list(NAMES)
    assert format_of("f8_e4m3").bits == 8
    assert str(format_of("f16", saturate=True)) == "f16 (saturating)"


@pytest.mark.parametrize(
    ("dtype", "bits", "message"),
    [
        ("bf16", (None, 3), "got dtype='bf16' and a number of bits: give one of them, the other"),
        (None, (3, None), "exponent_bits=3 needs mantissa_bits: a format is both, as in mantissa"),
        (None, (None, -1), "mantissa_bits must be 0 to 52, got mantissa_bits=-1"),
        (None, (12, 3), "exponent_bits must be 2 to 11, got exponent_bits=12"),
    ],
)
def test_what_is_no_format(dtype: Any, bits: Any, message: str) -> None:
    with pytest.raises(ValueError, match="bits") as caught:
        format_of(dtype, exponent_bits=bits[0], mantissa_bits=bits[1])
    assert str(caught.value).startswith(message)


def test_what_is_near_an_unknown_name() -> None:
    with pytest.raises(ValueError, match="fb16") as caught:
        format_of("fb16")
    assert str(caught.value) == (
        "dtype must be a format of bf16, f16, f8_e4m3, f8_e5m2, f8_e3m4, f8_e4m3fnuz, "
        "f8_e5m2fnuz, f8_e4m3b11fnuz, float8_e4m3, f32, got dtype='fb16'; did you mean 'f16' "
        "or 'bf16'? mantissa_bits=... and exponent_bits=... make others"
    )


def test_what_is_of_another_type() -> None:
    with pytest.raises(TypeError, match="dtype must be a name such as 'bf16', a dtype or"):
        format_of(object())
    with pytest.raises(TypeError, match=r"mantissa_bits must be an int, got .*=1.5 of float"):
        format_of(mantissa_bits=1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="saturate must be True or False, got saturate=1"):
        format_of("f16", saturate=1)  # type: ignore[arg-type]
