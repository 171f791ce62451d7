"""Set-up of the whole suite."""

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# JAX reads this once, when it is imported. It must not be inherited: programs that tests run in a
# process of their own see the devices that a user's program would see.
os.environ["JAX_NUM_CPU_DEVICES"] = "4"
import jax

from tests.part import ALL

del os.environ["JAX_NUM_CPU_DEVICES"]

# Long, or about the corpora themselves: `.ci/run` has them (see tests/part.py).
LONG = ["examples/test_training.py", "numerics/faults/test_truth.py", "testing/test_blind_set.py"]
collect_ignore = [] if ALL else LONG

# A shell that starts the suite in the background has it ignore Ctrl-C, of which there are tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Our own annotations are checked in a pass of its own, JAXKIT_BEARTYPE=1 python -m pytest
# tests/report: beartype refuses wrong types before our messages about them can be tested.
BEARTYPE = os.environ.get("JAXKIT_BEARTYPE") == "1"
if BEARTYPE:
    from beartype.claw import beartype_package

    beartype_package("jaxkit.report")

# The same examples in each run, so that a red suite is red for everybody, at any speed.
settings.register_profile("jaxkit", deadline=None, derandomize=True)
# With the deadline that Hypothesis has where nobody has set another one.
settings.register_profile("users", deadline=200, derandomize=True)
settings.load_profile("jaxkit")


@pytest.fixture(scope="module", autouse=True)
def earlier_modules_are_not_collected_again() -> None:
    """A process of the suite comes to hold millions of objects, which each collection visits."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def settings_of_users() -> Iterator[None]:
    """Hypothesis as those have it who copy an example."""
    settings.load_profile("users")
    yield
    settings.load_profile("jaxkit")


@pytest.fixture
def strict_promotion() -> Iterator[None]:
    """JAX refuses to mix dtypes and ranks silently: for tests of our own numerical code.

    Not for tests that watch compilations: both are part of what JAX caches by.
    """
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if BEARTYPE:
        # beartype looks at a random item of each list, also where Hypothesis is watching.
        config.addinivalue_line("filterwarnings", "ignore:Do not use the `random` module")
        left_out = [item for item in items if item.get_closest_marker("not_under_beartype")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
