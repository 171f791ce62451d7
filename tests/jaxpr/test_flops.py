"""Operations against formulas that were written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxkit._jax.jaxprs import trace
from jaxkit.jaxpr.cost import Cost, cost_of
from jaxkit.jaxpr.flops_matmul import _met_along
from tests.jaxpr.programs import PROGRAMS, f32, i32


def cost(fun: Callable[..., Any], *args: Any, **options: Any) -> Cost:
    return cost_of(trace(fun, args, {}), **options).total


@pytest.mark.parametrize("name", PROGRAMS)
def test_matrix_products_and_convolutions(name: str) -> None:
    fun, args, flops = PROGRAMS[name]()
    assert cost(fun, *args).matmul_flops == flops


N = 8
MATRIX = f32(N, N)


@pytest.mark.parametrize(
    ("fun", "args", "flops"),
    [
        pytest.param(jnp.linalg.cholesky, (f32(3, N, N),), round(3 * N**3 / 3), id="cholesky"),
        pytest.param(jax.scipy.linalg.lu_factor, (MATRIX,), round(2 * N**3 / 3), id="lu"),
        pytest.param(
            jax.scipy.linalg.lu_factor, (f32(9, 6),), 9 * 36 - 6**3 // 3, id="lu of a tall one"
        ),
        pytest.param(jnp.linalg.qr, (MATRIX,), round(4 * N**3 / 3), id="qr"),
        pytest.param(jnp.linalg.eigh, (MATRIX,), 9 * N**3, id="eigh"),
        pytest.param(jnp.linalg.svd, (MATRIX,), 22 * N**3, id="svd"),
        pytest.param(
            lambda a: jnp.linalg.svd(a, compute_uv=False),
            (MATRIX,),
            round(4 * N**3 - 4 * N**3 / 3),
            id="singular values",
        ),
        pytest.param(
            lambda a, b: jax.scipy.linalg.solve_triangular(a, b),
            (MATRIX, f32(N, 3)),
            N**2 * 3,
            id="triangular",
        ),
        # factor 2n^3/3, then two triangular solves for each of 5 columns
        pytest.param(
            jnp.linalg.solve, (MATRIX, f32(N, 5)), round(2 * N**3 / 3) + 2 * 5 * N**2, id="solve"
        ),
        # factor n^3/3, then two triangular solves
        pytest.param(
            lambda a, b: jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(a), b),
            (MATRIX, f32(N, 5)),
            round(N**3 / 3) + 2 * 5 * N**2,
            id="cholesky solve",
        ),
        pytest.param(jnp.fft.fft, (f32(3, 1024),), 3 * 5 * 1024 * 10, id="fft"),
        pytest.param(jnp.fft.rfft, (f32(1024),), 5 * 1024 * 10 // 2, id="rfft"),
        pytest.param(jnp.fft.fft2, (f32(2, 16, 32),), 2 * 5 * 512 * 9, id="fft2"),
    ],
)
def test_decompositions(fun: Callable[..., Any], args: tuple[Any, ...], flops: int) -> None:
    found = cost(fun, *args)
    assert (found.linalg_flops, found.matmul_flops) == (flops, 0)


C64 = jax.ShapeDtypeStruct((10,), jnp.complex64)


@pytest.mark.parametrize(
    ("fun", "args", "elementwise", "transcendentals"),
    [
        (lambda x, y: x + y, (f32(10), f32(10)), 10, 0),
        (lambda x, y: x + y, (C64, C64), 20, 0),
        (lambda x, y: x * y, (C64, C64), 60, 0),
        (lambda x, y: x / y, (C64, C64), 110, 0),
        (jnp.abs, (C64,), 30, 10),
        (lambda x: x**2, (f32(10),), 10, 0),
        (lambda x: x**7, (f32(10),), 40, 0),  # x2 = xx, x4 = x2 x2, x x2 x4: four products
        (lambda x: x**-2, (f32(10),), 20, 0),
        (lambda x: lax.integer_pow(x, 0), (f32(10),), 0, 0),
        (jnp.exp, (f32(10),), 0, 10),
        (lambda x: lax.rsqrt(lax.logistic(lax.erf(x))), (f32(10),), 0, 30),
        (lambda x, y: x**y, (f32(10), f32(10)), 0, 10),
        (lambda x: jnp.where(x > 0, x, 0.0), (f32(10),), 20, 0),
        (jnp.sum, (f32(10),), 9, 0),
        (lambda x: x.sum(0), (f32(10, 3),), 27, 0),
        (jnp.sum, (f32(0),), 0, 0),
        (jnp.prod, (C64,), 54, 0),
        (jnp.argmax, (f32(10),), 9, 0),
        (lambda x: jnp.argmin(x, 1), (f32(10, 4),), 30, 0),
        (jnp.cumsum, (f32(1024),), 1023, 0),
        (lambda x: lax.cummax(x, 1), (f32(5, 4),), 15, 0),
        (lambda x: lax.cumlogsumexp(x), (f32(5),), 12, 8),
        (jnp.sort, (f32(3, 16),), 3 * 16 * 4, 0),
        (lambda x: lax.top_k(x, 3), (f32(16),), 16 * 2, 0),
        (
            lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"),
            (f32(8, 8),),
            16 * 3,
            0,
        ),
        # each of 16 windows: 3 to choose, 1 to add
        (
            lambda x: jax.vjp(
                lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"), x
            )[1](jnp.ones((4, 4))),
            (f32(8, 8),),
            16 * 3 + 16 * 4,
            0,
        ),
        # any combiner: one multiplication and one addition for each but the first
        (
            lambda x: lax.reduce(x, 0.0, lambda a, b: a * b + a, (0,)),
            (f32(10),),
            18,
            0,
        ),
        (
            lambda x, i, u: x.at[i].add(u, mode="drop"),
            (f32(9), jax.ShapeDtypeStruct((4,), jnp.uint32), f32(4)),
            4,
            0,
        ),
        (lambda x: x.T.reshape(-1)[2:5].astype(jnp.int32), (f32(9, 2),), 0, 0),
        (lambda k: jax.random.bits(k, (10,)), (jax.random.key(0),), 1180, 0),
    ],
)
def test_element_by_element(
    fun: Callable[..., Any], args: tuple[Any, ...], elementwise: int, transcendentals: int
) -> None:
    found = cost(fun, *args)
    assert (found.elementwise_flops, found.transcendentals) == (elementwise, transcendentals)


def test_zeros_of_padding_are_told() -> None:
    def conv(x: Any, k: Any) -> Any:
        return lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    found = cost(conv, f32(1, 32, 32, 8), f32(3, 3, 8, 8))
    assert found.matmul_flops == 2 * 32 * 32 * 8 * 9 * 8 == 1_179_648
    # along an axis of 32 and a window of 3, two places of 96 lie outside
    assert found.matmul_flops - found.padding_flops == 2 * 94 * 94 * 8 * 8


def test_zeros_of_a_transposed_convolution_are_told() -> None:
    fun, args, naive = PROGRAMS["transposed_convolution"]()
    found = cost(fun, *args)
    # each of 16 inputs meets the 4 of the window, but for what falls off the ends
    assert found.matmul_flops == naive
    assert found.matmul_flops - found.padding_flops == 2 * 2 * 3 * 5 * (16 * 4 - 2)


@pytest.mark.parametrize("image", [1, 4, 7])
@pytest.mark.parametrize("kernel", [1, 3, 9])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("spread", [1, 2, 3])
@pytest.mark.parametrize("padding", [(0, 0), (2, 1), (-1, 3)])
def test_what_a_window_meets(
    image: int, kernel: int, stride: int, dilation: int, spread: int, padding: tuple[int, int]
) -> None:
    low, high = padding
    whole = (image - 1) * dilation + 1 + low + high
    out = max((whole - (kernel - 1) * spread - 1) // stride + 1, 0)
    met = 0
    for o in range(out):
        for k in range(kernel):
            place = o * stride + k * spread - low
            met += place % dilation == 0 and 0 <= place // dilation < image
    assert _met_along(image, kernel, out, stride, padding, dilation, spread) == met


def test_a_branch() -> None:
    def f(n: Any, x: Any) -> Any:
        return lax.switch(n, [lambda x: x @ x, lambda x: x @ x @ x, lambda x: x], x)

    one = 2 * N**3
    arguments = i32(), MATRIX
    assert cost(f, *arguments).matmul_flops == 2 * one
    assert cost(f, *arguments, branches="min").matmul_flops == 0
    assert cost(f, *arguments, branches="sum").matmul_flops == 3 * one


def test_the_branch_of_another_platform_does_not_count() -> None:
    def f(x: Any) -> Any:
        return lax.platform_dependent(x, tpu=lambda x: x @ x @ x, default=lambda x: x @ x)

    assert cost(f, MATRIX).matmul_flops == 2 * N**3


def test_combiners_are_no_calls() -> None:
    found = cost_of(trace(lambda x: x.at[jnp.array([0, 0])].add(1.0), (f32(5),), {}))
    assert found.total.elementwise_flops < 20
    assert not found.uncounted


def test_a_polynomial_by_horner() -> None:
    found = cost_of(trace(lambda x: jnp.polyval(jnp.ones(4), x), (f32(9),), {}))
    assert not found.uncounted
    # three steps of a product and a sum
    assert found.total.elementwise_flops in (3 * 2 * 9, 4 * 2 * 9)  # 0.10 begins with zero


def test_a_power_by_squaring() -> None:
    for power in (1, 2, 3, 5, 8, 15, 100):
        times = math.floor(math.log2(power)) + bin(power).count("1") - 1
        assert cost(lambda x: lax.integer_pow(x, power), f32(1)).elementwise_flops == times  # noqa: B023
