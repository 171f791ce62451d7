"""What making a strategy must not do: import JAX with the package, or start a backend."""

from tests.test_lazy_import import imported, run


def test_the_package_imports_neither_jax_nor_hypothesis() -> None:
    loaded = {name.partition(".")[0] for name in imported("import jaxkit.testing")}
    assert not {"jax", "numpy", "hypothesis", "equinox"} & loaded


def test_making_strategies_starts_no_backend() -> None:
    run("""
import jax
from jax._src import xla_bridge
from jaxtyping import Array, Float, PRNGKeyArray
from jaxkit.testing import arguments_for, arrays, from_annotation, keys
def fun(x: Float[Array, "n"], key: PRNGKeyArray): ...
strategies = arguments_for(fun), arrays(Float), keys(), from_annotation(Float[Array, "n+1"])
assert repr(strategies)
assert not xla_bridge.backends_are_initialized()
""")
