"""What each primitive does with special values."""

from __future__ import annotations

__all__ = [
    "COMPARISONS",
    "CUMULATIVE",
    "DECISIVE",
    "ELEMENTWISE",
    "INF_MAKES_ZERO",
    "LOGICAL",
    "MOVES",
    "NEVER_MAKE",
    "REDUCTIONS",
    "STEERED",
    "UNDERFLOWING",
    "ZERO_MAKES_BAD",
]

# Copy elements from one place to another: codes go the same way, by the same primitive.
MOVES = frozenset(
    """
    all_gather all_to_all broadcast_in_dim concatenate copy copy_p dynamic_slice
    dynamic_update_slice expand_dims name optimization_barrier pad pbroadcast pcast ppermute pvary
    reshape rev select_n sharding_constraint slice split squeeze stop_gradient tile transpose
    """.split()
)

# One element of the result for one of each operand.
ELEMENTWISE = frozenset(
    """
    abs acos acosh add add_any asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp
    complex conj convert_element_type cos cosh custom_lin digamma div erf erf_inv erfc exp exp2
    expm1 floor igamma igamma_grad_a igammac imag integer_pow lgamma log log1p logistic max min mul
    neg nextafter one_minus_square polygamma pow random_gamma_grad real reduce_precision
    regularized_incomplete_beta rem round rsqrt sign sin sinh sqrt square sub tan tanh zeta
    """.split()
)

COMPARISONS = frozenset("eq ne lt le gt ge".split())

# The same, with a result that is no inexact array.
LOGICAL = COMPARISONS | frozenset(
    """
    and clz is_finite not or population_count shift_left shift_right_arithmetic
    shift_right_logical xor
    """.split()
)

# Of truth values: the one that decides alone, whatever the other operands are.
DECISIVE = {"and": False, "reduce_and": False, "or": True, "reduce_or": True}

# The operands that say from where an element is taken, or where it is put.
STEERED = {
    "dynamic_slice": slice(1, None),
    "dynamic_update_slice": slice(2, None),
    "gather": slice(1, None),
    "scatter": slice(1, 2),
    "select_n": slice(0, 1),
}

REDUCTIONS = frozenset({"reduce_max", "reduce_min", "reduce_prod", "reduce_sum"})
CUMULATIVE = frozenset({"cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"})

# A zero operand (a denominator, not a numerator) can be why the result is not finite.
ZERO_MAKES_BAD = frozenset(
    """
    acosh atanh digamma div erf_inv integer_pow lgamma log mul polygamma pow rem rsqrt
    triangular_solve zeta
    """.split()
)

# An infinite operand can be why the result is zero.
INF_MAKES_ZERO = frozenset("div erfc exp exp2 integer_pow logistic mul pow rsqrt igammac".split())

# The result can be zero though no operand is, because it is too small.
UNDERFLOWING = frozenset(
    """
    convert_element_type cumprod div dot_general erfc exp exp2 integer_pow logistic mul pow
    reduce_precision reduce_prod square
    """.split()
)

# Whatever these return that is not finite, they were given.
NEVER_MAKE = frozenset(
    """
    abs bitcast_convert_type clamp conj copy cummax cummin imag max min neg nextafter real
    reduce_max reduce_min reduce_window_max reduce_window_min select_and_scatter sign sort top_k
    random_bits rng_uniform rng_bit_generator
    """.split()
)
