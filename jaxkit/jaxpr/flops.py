"""How much arithmetic an equation does: one rule a primitive, in one table.

What is counted, of arrays with shapes that are known:

- ``dot_general``: 2 M N K for each batch, 8 M N K where numbers are complex.
- ``conv_general_dilated``: 2 x output x kernel window x input channels of a group, times four where
  numbers are complex. That multiplies the zeros of padding and of dilation as well: `padding` says
  how much of it does.
- element by element: one for each element of the result, two for a complex addition, six for a
  multiplication, eleven for a division; a power with a whole exponent is that many multiplications
  as repeated squaring takes. Integers and comparisons count as floating-point numbers do. Copies,
  conversions, reshapes, slices and the like count nothing.
- transcendental functions (exp, log, tanh, sin, erf, pow, sqrt, ...) apart: one an element.
- reductions, argmax and cumulative sums: one less than the elements of a line; windows likewise.
  Another combiner costs what its own equations cost.
- sorting n elements: n ceil(log2 n) comparisons; the largest k: n ceil(log2(k + 1)).
- scatter-add and its like: one for each update. Across devices: one for each element of a sum.
- FFT: 5 N log2 N, half of that where one side is real.
- decompositions, as Golub and Van Loan count them: Cholesky n^3/3, LU 2n^3/3 (m n^2 - n^3/3 of
  m x n), QR 2mn^2 - 2n^3/3 (the reflectors), Hessenberg 10n^3/3, tridiagonal 4n^3/3, symmetric
  eigenvalues 4n^3/3 and 9n^3 with vectors, others 10n^3 and 25n^3, singular values 4mn^2 - 4n^3/3
  and 14mn^2 + 8n^3 with vectors; a triangular solve n^2 for each right-hand side. Four times that
  where numbers are complex.
- random bits: what Threefry does, 117 integer operations for a block of two words.

References:
  G. H. Golub, C. F. Van Loan, Matrix Computations, 4th edition, 2013. J. Salmon et al., Parallel
  random numbers: as easy as 1, 2, 3, 2011 (Threefry: 20 rounds of 5 operations, 5 keys of 3, 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxkit.jaxpr.flops_linalg import LINALG
from jaxkit.jaxpr.flops_matmul import MATMUL
from jaxkit.jaxpr.sizes import Unknown, elements, is_complex, length_of


class Work(NamedTuple):
    """What one equation computes, in operations.

    Attributes:
      matmul: of matrix products and convolutions.
      linalg: of decompositions, triangular solves and Fourier transforms.
      elementwise: of everything else but transcendental functions.
      transcendentals: evaluations of them.
      padding: of the matmul ones, those that multiply zeros which padding and dilation put there.
    """

    matmul: int = 0
    linalg: int = 0
    elementwise: int = 0
    transcendentals: int = 0
    padding: int = 0


Rule = Callable[[Any], Work]
NOTHING = Work()
_HASH = 117  # operations of Threefry for two words

# What a complex operation takes, where that is not what a real one does.
_COMPLEX = {
    "add": 2,
    "add_any": 2,
    "sub": 2,
    "neg": 2,
    "mul": 6,
    "square": 6,
    "div": 11,
    "eq": 3,
    "ne": 3,
    "reduce_sum": 2,
    "reduce_prod": 6,
    "cumsum": 2,
    "cumprod": 6,
    "reduce_window_sum": 2,
    "scatter-add": 2,
    "scatter-sub": 2,
    "scatter-mul": 6,
    "psum": 2,
    "psum_invariant": 2,
    "addupdate": 2,
    "select_and_scatter_add": 2,
}

_ELEMENTWISE = frozenset(
    """add add_any sub neg mul square div reciprocal rem max min abs sign floor ceil round is_finite
    nextafter and or xor not shift_left shift_right_logical shift_right_arithmetic population_count
    clz mulhi eq ne lt le gt ge eq_to lt_to le_to select_n clamp conj""".split()
)
_TRANSCENDENTAL = frozenset(
    """exp exp2 expm1 log log1p log2 sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh
    atanh sqrt rsqrt cbrt pow logistic erf erfc erf_inv lgamma digamma polygamma zeta igamma igammac
    igamma_grad_a regularized_incomplete_beta bessel_i0e bessel_i1e""".split()
)
_FREE = frozenset(
    """broadcast_in_dim broadcast_to reshape transpose squeeze rev slice dynamic_slice
    dynamic_update_slice concatenate pad gather scatter iota iota_2x32_shape copy
    convert_element_type bitcast_convert_type reduce_precision to_edtype from_edtype stop_gradient
    real imag complex device_put tile split unstack empty empty2 name
    pvary pbroadcast preduced vary_unreduced_cast reduced_vary_cast axis_index platform_index
    optimization_barrier create_token after_all random_wrap random_unwrap random_seed random_clone
    sharding_constraint reshard layout_constraint relayout dimension_size dim_as_value
    shape_assertion inspect_sharding get_global all_gather all_gather_invariant all_gather_reduced
    all_gather_start all_gather_done all_to_all all_to_all_start all_to_all_done ppermute
    ppermute_start ppermute_done ragged_all_to_all psend precv psum_done reduce_scatter_done
    lu_pivots_to_permutation new_ref empty_ref get swap freeze free_ref program_id num_programs
    multiple_of masked_load masked_swap debug_print semaphore_read semaphore_signal semaphore_wait
    delay unreachable
    reduced_vary_cast_p vary_unreduced_cast_p pin unpin stack tie zeros_like dce_sink check box_get
    box_set new_box with_memory_space_constraint xla_metadata_value""".split()
)


def _elements_each(eqn: Any) -> Work:
    return Work(elementwise=elements(eqn.outvars[0].aval) * _each(eqn))


def _each(eqn: Any) -> int:
    """Operations an element takes: more where it is complex."""
    every = _COMPLEX.get(eqn.primitive.name, 1)
    return every if every == 1 or is_complex(eqn.invars[0].aval) else 1


def _transcendental(eqn: Any) -> Work:
    return Work(transcendentals=elements(eqn.outvars[0].aval))


def _free(eqn: Any) -> Work:
    return NOTHING


def _abs(eqn: Any) -> Work:
    n = elements(eqn.outvars[0].aval)
    if is_complex(eqn.invars[0].aval):  # two squares, a sum and a root
        return Work(elementwise=3 * n, transcendentals=n)
    return Work(elementwise=n)


def _integer_pow(eqn: Any) -> Work:
    power = abs(eqn.params["y"])
    times = power.bit_length() - 1 + power.bit_count() - 1 if power else 0
    aval = eqn.outvars[0].aval
    whole = is_complex(aval)
    each = times * (6 if whole else 1)
    if eqn.params["y"] < 0:
        each += 11 if whole else 1
    return Work(elementwise=elements(aval) * each)


def _one_minus_square(eqn: Any) -> Work:
    aval = eqn.outvars[0].aval
    return Work(elementwise=elements(aval) * (8 if is_complex(aval) else 2))


def _polynomial(eqn: Any) -> Work:
    """Horner: a product and a sum for each coefficient but the first."""
    aval = eqn.outvars[0].aval
    steps = max(len(eqn.invars) - 2, 0)
    return Work(elementwise=elements(aval) * steps * (8 if is_complex(aval) else 2))


def _reduction(eqn: Any) -> Work:
    """Each line of n elements takes n - 1; what is empty takes none."""
    given = elements(eqn.invars[0].aval)
    return Work(elementwise=max(given - elements(eqn.outvars[0].aval), 0) * _each(eqn))


def _cumulative(eqn: Any) -> Work:
    aval = eqn.invars[0].aval
    lines = elements(aval) // max(length_of(aval, eqn.params["axis"]), 1)
    return Work(elementwise=(elements(aval) - lines) * _each(eqn))


def _cumlogsumexp(eqn: Any) -> Work:
    """Each step the larger one, a difference and a sum; exp and log1p."""
    steps = _cumulative(eqn).elementwise
    return Work(elementwise=3 * steps, transcendentals=2 * steps)


def _window(eqn: Any) -> Work:
    turns = max(math.prod(eqn.params["window_dimensions"]) - 1, 0)
    return Work(elementwise=elements(eqn.outvars[0].aval) * turns * _each(eqn))


def _select_and_scatter_add(eqn: Any) -> Work:
    """For each window its largest element is found, and one is added to it."""
    turns = max(math.prod(eqn.params["window_dimensions"]) - 1, 0)
    return Work(elementwise=elements(eqn.invars[0].aval) * (turns + _each(eqn)))


def _select_and_gather_add(eqn: Any) -> Work:
    turns = max(math.prod(eqn.params["window_dimensions"]) - 1, 0)
    return Work(elementwise=elements(eqn.outvars[0].aval) * turns)


def _scatter(eqn: Any) -> Work:
    return Work(elementwise=elements(eqn.invars[2].aval) * _each(eqn))


def _sort(eqn: Any) -> Work:
    aval = eqn.invars[0].aval
    length = length_of(aval, eqn.params["dimension"])
    return Work(elementwise=elements(aval) * max(length - 1, 0).bit_length())


def _top_k(eqn: Any) -> Work:
    return Work(elementwise=elements(eqn.invars[0].aval) * int(eqn.params["k"]).bit_length())


def _all_devices(eqn: Any) -> Work:
    n = sum(elements(var.aval) for var in eqn.outvars)
    return Work(elementwise=n * _each(eqn))


def _reduce_scatter(eqn: Any) -> Work:
    return Work(elementwise=_reduction(eqn).elementwise)


def _addupdate(eqn: Any) -> Work:
    return Work(elementwise=elements(eqn.invars[1].aval) * _each(eqn))


def _random_bits(eqn: Any) -> Work:
    """One block for each element, whose two words become one; a byte costs as much as a word."""
    _check_threefry(eqn.invars[0].aval)
    return Work(elementwise=elements(eqn.outvars[0].aval) * (_HASH + 1))


def _random_keys(eqn: Any) -> Work:
    _check_threefry(eqn.invars[0].aval)
    return Work(elementwise=elements(eqn.outvars[0].aval) * _HASH)


def _threefry(eqn: Any) -> Work:
    return Work(elementwise=elements(eqn.outvars[0].aval) * _HASH)


def _check_threefry(aval: Any) -> None:
    kind = str(aval.dtype)
    if kind != "key<fry>":
        raise Unknown(f"the random generator of {kind} is the compiler's own")


def _unknown(reason: str) -> Rule:
    def raises(eqn: Any) -> Work:
        raise Unknown(reason)

    return raises


_OTHERS: dict[str, Rule] = {
    "abs": _abs,
    "integer_pow": _integer_pow,
    "one_minus_square": _one_minus_square,
    "polynomial": _polynomial,
    **dict.fromkeys(
        "reduce_sum reduce_prod reduce_max reduce_min reduce_and reduce_or reduce_xor "
        "argmax argmin".split(),
        _reduction,
    ),
    **dict.fromkeys("cumsum cumprod cummax cummin".split(), _cumulative),
    "cumlogsumexp": _cumlogsumexp,
    **dict.fromkeys("reduce_window_sum reduce_window_max reduce_window_min".split(), _window),
    "select_and_scatter_add": _select_and_scatter_add,
    "select_and_gather_add": _select_and_gather_add,
    **dict.fromkeys(
        "scatter-add scatter-sub scatter-mul scatter-min scatter-max".split(),
        _scatter,
    ),
    "sort": _sort,
    "top_k": _top_k,
    "approx_top_k": _top_k,
    **dict.fromkeys(
        "psum psum_invariant psum_start psum_invariant_start unreduced_psum pmax pmin "
        "unreduced_pmax unreduced_pmin".split(),
        _all_devices,
    ),
    "reduce_scatter": _reduce_scatter,
    "unreduced_reduce_scatter": _reduce_scatter,
    "addupdate": _addupdate,
    "accum_grad_in_ref": _addupdate,
    "random_bits": _random_bits,
    "random_split": _random_keys,
    "random_fold_in": _random_keys,
    "threefry2x32": _threefry,
    "random_gamma": _unknown("it draws until a value is accepted, which the values tell"),
    "rng_bit_generator": _unknown("the random generator is the compiler's own"),
    "rng_uniform": _unknown("the random generator is the compiler's own"),
}


def _matmul(rule: Callable[[Any], tuple[int, int]]) -> Rule:
    def work(eqn: Any) -> Work:
        flops, padding = rule(eqn)
        return Work(matmul=flops, padding=padding)

    return work


def _linalg(rule: Callable[[Any], int]) -> Rule:
    return lambda eqn: Work(linalg=rule(eqn))


RULES: dict[str, Rule] = {
    **dict.fromkeys(_FREE, _free),
    **dict.fromkeys(_ELEMENTWISE, _elements_each),
    **dict.fromkeys(_TRANSCENDENTAL, _transcendental),
    **{name: _matmul(rule) for name, rule in MATMUL.items()},
    **{name: _linalg(rule) for name, rule in LINALG.items()},
    **_OTHERS,
}


def is_elementwise(name: str) -> bool:
    """Whether each element of a primitive's result is made of one element of each operand."""
    return name in _ELEMENTWISE or name in _TRANSCENDENTAL


def applications(eqn: Any) -> int:
    """How often an equation that holds a combiner applies it to two elements."""
    name = eqn.primitive.name
    if name.startswith("scatter"):
        return elements(eqn.invars[2].aval)
    if name == "reduce_window":
        return elements(eqn.outvars[0].aval) * max(
            math.prod(eqn.params["window_dimensions"]) - 1, 0
        )
    return max(elements(eqn.invars[0].aval) - elements(eqn.outvars[0].aval), 0)


def work_of(eqn: Any) -> Work | None:
    """What an equation computes itself, programs that it holds not counted.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> [eqn] = jax.make_jaxpr(jnp.matmul)(jnp.ones((2, 3)), jnp.ones((3, 5))).eqns
      >>> work_of(eqn).matmul
      60

    Args:
      eqn: an equation of a jaxpr.

    Returns:
      its work; None where there is no rule for its primitive.

    Raises:
      Unknown: only the values of arrays or a symbolic dimension tell.
    """
    rule = RULES.get(eqn.primitive.name)
    return None if rule is None else rule(eqn)
