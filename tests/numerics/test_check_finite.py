"""The first output that is not finite, under whatever stands around the function."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxkit
from jaxkit._jax.effects import settle
from jaxkit._jax.x64 import with_x64
from jaxkit.transforms._enclosing import ENCLOSING

HERE = Path(__file__).name
ONES = jnp.ones(3)
ROWS = jnp.ones((4, 3)).at[2, 1].set(jnp.nan)


def product(w: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.sum(w * x)


def mesh() -> jax.sharding.Mesh:
    return jax.make_mesh((2,), ("d",), devices=jax.devices()[:2], axis_types=(AxisType.Auto,))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """JAX logs what a callback raises, and keeps it for the next barrier."""
    logger = logging.getLogger("jax._src.debugging")
    before, logger.disabled = logger.disabled, True
    yield
    settle()
    logger.disabled = before


def caught(call: Callable[[], Any]) -> str:
    """The message of the error, ours or the one that JAX makes of it."""
    with pytest.raises((jaxkit.NonFiniteError, jax.errors.JaxRuntimeError)) as found:
        jax.block_until_ready(call())
    text = str(found.value)
    if found.type is not jaxkit.NonFiniteError:
        assert "\nNonFiniteError: " in text
    return text.rpartition("NonFiniteError: ")[2]


def test_the_whole_message_and_its_report() -> None:
    @jaxkit.check_finite
    def outputs(x: jax.Array) -> dict[str, Any]:
        return {"loss": jnp.log(x).sum(), "aux": [x, x / 0 - x / 0], "step": 3}

    line = outputs.__wrapped__.__code__.co_firstlineno + 1  # type: ignore[attr-defined]
    jaxkit.check_finite(lambda: None)()
    with pytest.raises(jaxkit.NonFiniteError) as found:
        outputs(jnp.array([[1.0, 0.0]]))
    called = found.traceback[0].lineno + 1
    assert str(found.value).replace(f"tests/numerics/{HERE}", HERE) == (
        f"outputs ({HERE}:{line}) returned a value that is not finite in call 1\n"
        f"  output['aux'][1] f32[1,2] has 2 NaN of 2 values, the first at [0, 0]\n"
        f"  output['loss'] f32[] is infinite\n"
        f"  called from {HERE}:{called} in test_the_whole_message_and_its_report"
    )
    (finding,) = found.value.report.findings
    assert (finding.kind, finding.severity) == ("non-finite-output", "error")
    assert finding.where is not None
    assert (finding.where.line, Path(finding.where.file).name) == (called, HERE)
    assert finding.data["call"] == 1
    assert [leaf["path"] for leaf in finding.data["leaves"]] == [
        "output['aux'][1]",
        "output['loss']",
    ]
    assert found.value.report.from_json(found.value.report.to_json()) == found.value.report


def scanned(fun: Callable[..., Any]) -> Any:
    def body(w: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, slope = jax.value_and_grad(fun)(w, x)
        return w - 0.1 * slope, value

    return jax.jit(lambda w: jax.lax.scan(body, w, ROWS))(ONES)


BATCH = "output f32[] has 1 NaN of 4 values, in 1 of 4 examples under vmap, the first in example 2"
ALONE = "output f32[] is NaN"
BAD = ROWS[2]


@pytest.mark.parametrize(
    ("run", "call", "text"),
    [
        (lambda f: f(ONES, BAD), "1", ALONE),
        (lambda f: jax.value_and_grad(f)(ONES, BAD), "1", ALONE),
        (lambda f: jax.jit(f)(ONES, BAD), "1", ALONE),
        (lambda f: jax.jit(jax.value_and_grad(f))(ONES, BAD), "1", ALONE),
        (lambda f: jax.vmap(f, (None, 0))(ONES, ROWS), "1", BATCH),
        (lambda f: jax.jit(jax.vmap(f, (None, 0)))(ONES, ROWS), "1", BATCH),
        (lambda f: jax.vmap(jax.jit(jax.grad(f)), (None, 0))(ONES, ROWS), "1", BATCH),
        (lambda f: jax.jit(jax.hessian(f))(ONES, BAD), "1", ALONE),
        (lambda f: jax.jit(jax.grad(jax.checkpoint(f)))(ONES, BAD), "1", ALONE),
        (lambda f: jax.linearize(f, ONES, BAD), "1", ALONE),
        (scanned, "3", ALONE),
        (
            lambda f: jax.jit(lambda x: jax.lax.cond(x[0] > 0, f, lambda w, x: 0.0, ONES, x))(BAD),
            "1",
            ALONE,
        ),
    ],
)
def test_each_way_to_call(run: Callable[[Any], Any], call: str, text: str) -> None:
    message = caught(lambda: run(jaxkit.check_finite(product)))
    head, leaf, *rest = message.splitlines()
    assert head.startswith("product (")
    assert head.endswith(f") returned a value that is not finite in call {call}")
    assert leaf.strip() == text
    assert HERE in rest[0]


def test_two_batch_axes_are_one() -> None:
    twice = jax.vmap(jax.vmap(jaxkit.check_finite(product), (None, 0)), (0, None))
    message = caught(lambda: jax.jit(twice)(jnp.ones((2, 3)), ROWS))
    assert "has 2 NaN of 8 values, in 2 of 8 examples under vmap, the first in example 2" in message


def until_raised(step: Callable[[], Any]) -> str:
    """The message of an error that arrives while the program goes on."""

    def repeat() -> None:
        for _ in range(10_000):
            jax.block_until_ready(step())
            threading.Event().wait(0.001)

    with pytest.raises(jaxkit.NonFiniteError) as found:
        repeat()
    return str(found.value)


def test_under_shard_map_each_device_has_its_own_calls() -> None:
    fun = jaxkit.check_finite(product)
    mapped = jax.shard_map(
        jax.vmap(fun, (None, 0)), mesh=mesh(), in_specs=(P(), P("d")), out_specs=P("d")
    )
    message = until_raised(lambda: jax.jit(mapped)(ONES, ROWS))
    assert " on device 1\n" in message
    assert "has 1 NaN of 2 values, in 1 of 2 examples under vmap, the first in example 0" in message


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_others_do_not_wait_for_a_device_that_has_found_something() -> None:
    """Raised in the callback of one, the others' psum would wait for it until XLA aborts."""

    def summed(w: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.psum(jax.grad(fun)(w, x), "d")

    fun = jaxkit.check_finite(product)
    step = jax.pmap(summed, "d", in_axes=(None, 0), devices=jax.devices()[:2])
    assert "in call 1 on device 1\n" in until_raised(lambda: step(ONES, ROWS[1:3]))

    sharded = jax.device_put(ROWS, NamedSharding(mesh(), P("d")))
    whole = jax.jit(jax.value_and_grad(jaxkit.check_finite(lambda w, x: jnp.sum(x @ w))))
    assert "in call 1\n  output f32[] is NaN" in until_raised(lambda: whole(ONES, sharded))


def test_calls_are_counted_by_use() -> None:
    one, other = jaxkit.check_finite(product), jaxkit.check_finite(product)
    step = jax.jit(one)
    for _ in range(3):
        step(ONES, ONES)
    assert " in call 4\n" in caught(lambda: step(ONES, BAD))
    assert " in call 5\n" in caught(lambda: one(ONES, BAD))
    assert " in call 1\n" in caught(lambda: other(ONES, BAD))


class _Run:
    definition = ("train.py", 12)
    errors: list[Any]

    def found(self, error: Any, **how: Any) -> None:
        self.errors.append(error)


def test_a_definition_that_a_run_has_wrapped_counts_all_that_it_makes() -> None:
    run = _Run()
    run.errors = []
    token = ENCLOSING.set(run)
    try:
        made = [jaxkit.check_finite(lambda x: x) for _ in range(3)]
    finally:
        ENCLOSING.reset(token)
    made[0](ONES)
    made[1](ONES)
    assert " in call 3\n" in caught(lambda: made[2](BAD))
    assert len(run.errors) == 1


def test_modules_are_counted_by_their_type() -> None:
    model = jaxkit.check_finite(eqx.nn.Linear(3, 2, key=jax.random.key(0)))
    eqx.filter_jit(model)(ONES)
    message = caught(lambda: eqx.filter_jit(model)(BAD))
    assert message.startswith("Linear.__call__ (")
    assert " in call 2\n  output f32[2] has 2 NaN of 2 values, the first at [0]" in message


@pytest.mark.parametrize("convert", [lambda x: x, np.asarray, jax.jit(lambda x: x)])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e5m2", "complex64", "float32"])
def test_all_inexact_dtypes(dtype: str, convert: Callable[[Any], Any]) -> None:
    value = convert(jnp.ones((2, 3), dtype).at[1, 0].set(jnp.nan))
    assert "has 1 NaN of 6 values, the first at [1, 0]" in caught(
        lambda: jaxkit.check_finite(lambda: value)()
    )


def test_what_cannot_be_nan_is_left_out_and_what_is_finite_comes_back_as_it_is() -> None:
    with with_x64():
        large = jnp.array([1e300])
    outputs = (3, True, None, "text", jax.random.key(0), jnp.arange(3), jnp.zeros((0, 2)), large)
    outputs = (*outputs, np.float64(1e300), 2.0, 1j)
    assert jaxkit.check_finite(lambda: outputs)() is outputs
    for bad in (float("inf"), np.float32("nan"), complex(0, float("inf"))):
        caught(lambda bad=bad: jaxkit.check_finite(lambda: bad)())


def test_infinities_may_be_meant() -> None:
    masked = jaxkit.check_finite(lambda x: jnp.log(x), allow_inf=True)
    assert masked(jnp.zeros(2))[0] == -jnp.inf
    assert "has 1 NaN and 1 infinite of 2 values\n" in caught(lambda: masked(jnp.array([-1.0, 0])))


def test_an_equal_call_is_not_traced_again_and_values_stay() -> None:
    traces = []

    def fun(x: jax.Array) -> jax.Array:
        traces.append(x)
        return jnp.sin(x)

    step = jax.jit(jax.grad(jaxkit.check_finite(fun)))
    assert [step(2.0) == jax.jit(jax.grad(jnp.sin))(2.0) for _ in range(3)] == [True] * 3
    assert len(traces) == 1
    assert step(2.0).weak_type == jax.grad(fun)(2.0).weak_type
