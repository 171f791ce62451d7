"""Programs of which JAX lacks a derivative: attributed all the same, or said not to be."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir

import jaxkit

X = jnp.array([1e-4, 2e-4, 3e-4])


def versine(x: Any) -> Any:
    return 1 - jnp.cos(x)


LINE = versine.__code__.co_firstlineno + 1

# JAX (0.10.2 and 0.12.0.1) raises where only the padding value of a pad is differentiated.
PADDED = {
    "zeros": lambda x: jnp.pad(x, (0, 2)),
    "a value": lambda x: jnp.pad(x, 1, constant_values=1e-4),
    "an argument": lambda x: jnp.pad(x, 1, constant_values=x[0]),
    "of many axes": lambda x: jnp.pad(jnp.stack([x, x]), ((1, 1), (0, 2))),
    "edge": lambda x: jnp.pad(x, 1, mode="edge"),
    "fft": lambda x: jnp.fft.irfft(jnp.fft.rfft(x, 16), 16)[:3],
}


@pytest.mark.parametrize("name", PADDED)
def test_padding(name: str) -> None:
    [finding, *_] = jaxkit.shadow(lambda x: versine(PADDED[name](x)))(X).findings
    assert (finding.kind, finding.where.line) == ("cancellation", LINE)


def test_infinite_padding_is_no_nan() -> None:
    def largest(x: Any) -> Any:
        return jnp.max(jnp.pad(versine(x), 1, constant_values=-jnp.inf))

    [finding, *_] = jaxkit.shadow(largest)(X).findings
    assert (finding.kind, finding.where.line) == ("cancellation", LINE)


def doubled() -> Any:
    """A primitive that is differentiated forward and not backward."""
    primitive = Primitive("doubled")
    primitive.def_impl(lambda x: 2 * x)
    primitive.def_abstract_eval(lambda x: x)
    mlir.register_lowering(primitive, mlir.lower_fun(lambda x: 2 * x, multiple_results=False))
    ad.primitive_jvps[primitive] = lambda primals, tangents: (
        primitive.bind(*primals),
        primitive.bind(*(ad.instantiate_zeros(each) for each in tangents)),
    )
    return primitive


def test_a_program_without_a_backward_pass_is_compared_and_no_more() -> None:
    primitive = doubled()
    shadowed = jaxkit.shadow(lambda x: primitive.bind(versine(x)))
    for _ in range(2):
        [finding] = shadowed(X).findings
        assert finding.severity == "warning"
        assert finding.where is None
        assert finding.data["output_error"] > 0.01
        assert "differentiating the program raises" in finding.message
        assert "doubled" in finding.message
    assert jaxkit.shadow(lambda x: primitive.bind(x))(X).ok


def test_the_users_own_error_arrives_as_it_is() -> None:
    def raises(x: Any) -> Any:
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        jaxkit.shadow(raises)(X)
