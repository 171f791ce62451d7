"""Arithmetic of decompositions, triangular solves and Fourier transforms (counts in `flops`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jaxkit.jaxpr.sizes import elements, is_complex, product


def _matrix(formula: Callable[[int, int], float]) -> Callable[[Any], int]:
    """A rule of the rows and columns of a matrix, for each in the batch."""

    def rule(eqn: Any) -> int:
        aval = eqn.invars[0].aval
        rows, columns = (product([n]) for n in aval.shape[-2:])
        batch = product(aval.shape[:-2])
        return round(batch * formula(rows, columns) * (4 if is_complex(aval) else 1))

    return rule


def _lu(rows: int, columns: int) -> float:
    m, n = max(rows, columns), min(rows, columns)
    return m * n**2 - n**3 / 3


def _qr(rows: int, columns: int) -> float:
    m, n = max(rows, columns), min(rows, columns)
    return 2 * m * n**2 - 2 * n**3 / 3


def _with_vectors(
    names: tuple[str, ...], without: Callable[[int, int], float], all_: Callable[[int, int], float]
) -> Callable[[Any], int]:
    def rule(eqn: Any) -> int:
        wanted = any(eqn.params.get(name, False) for name in names)
        asked = wanted or not any(name in eqn.params for name in names)
        return _matrix(all_ if asked else without)(eqn)

    return rule


def _singular_values(rows: int, columns: int) -> float:
    m, n = max(rows, columns), min(rows, columns)
    return 4 * m * n**2 - 4 * n**3 / 3


def _singular_vectors(rows: int, columns: int) -> float:
    m, n = max(rows, columns), min(rows, columns)
    return 14 * m * n**2 + 8 * n**3


def _triangular_solve(eqn: Any) -> int:
    """n^2 for each right-hand side: n (n - 1) / 2 products and as many sums, n divisions."""
    matrix, sides = eqn.invars[0].aval, eqn.invars[1].aval
    n = product(matrix.shape[-1:])
    return elements(sides) * n * (4 if is_complex(sides) else 1)


def _tridiagonal_solve(eqn: Any) -> int:
    """Thomas: the factors 3 (n - 1), each right-hand side 5 n - 4."""
    diagonal, sides = eqn.invars[1].aval, eqn.invars[3].aval
    n, batch = product(diagonal.shape[-1:]), product(diagonal.shape[:-1])
    count = elements(sides) // max(n, 1)
    return 0 if not n else batch * 3 * (n - 1) + count * (5 * n - 4)


def _householder_product(eqn: Any) -> int:
    """Q of k reflectors: 4 m n k - 2 (m + n) k^2 + 4 k^3 / 3."""
    aval, taus = eqn.invars[0].aval, eqn.invars[1].aval
    (m, n), k = aval.shape[-2:], product(taus.shape[-1:])
    batch = product(aval.shape[:-2])
    whole = 4 * m * n * k - 2 * (m + n) * k**2 + 4 * k**3 / 3
    return round(batch * whole * (4 if is_complex(aval) else 1))


def _fft(eqn: Any) -> int:
    lengths = eqn.params["fft_lengths"]
    n = product(lengths)
    kind = eqn.params["fft_type"]
    real = "RFFT" in getattr(kind, "name", str(kind)).upper()
    aval = eqn.invars[0].aval
    batch = product(aval.shape[: len(aval.shape) - len(lengths)])
    return round(batch * (2.5 if real else 5) * n * math.log2(n)) if n else 0


LINALG: dict[str, Callable[[Any], int]] = {
    "cholesky": _matrix(lambda n, _: n**3 / 3),
    "cholesky_update": _matrix(lambda n, _: 4 * n**2),
    "lu": _matrix(_lu),
    "qr": _matrix(_qr),
    "geqrf": _matrix(_qr),
    "geqp3": _matrix(_qr),
    "householder_product": _householder_product,
    "eigh": _matrix(lambda n, _: 9 * n**3),
    "eig": _with_vectors(
        ("compute_left_eigenvectors", "compute_right_eigenvectors"),
        lambda n, _: 10 * n**3,
        lambda n, _: 25 * n**3,
    ),
    "svd": _with_vectors(("compute_uv",), _singular_values, _singular_vectors),
    "schur": _with_vectors(
        ("compute_schur_vectors",), lambda n, _: 10 * n**3, lambda n, _: 25 * n**3
    ),
    "hessenberg": _matrix(lambda n, _: 10 * n**3 / 3),
    "tridiagonal": _matrix(lambda n, _: 4 * n**3 / 3),
    "triangular_solve": _triangular_solve,
    "tridiagonal_solve": _tridiagonal_solve,
    "fft": _fft,
}
