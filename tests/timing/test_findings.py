"""Each way to time the wrong thing, found; beside it a twin that does it right, and is let pass.

Longer than 400 lines, as it holds one thing from all of its sides, case by case.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxkit.timing.benchmark import benchmark
from jaxkit.timing.detect import KINDS
from jaxkit.timing.timing import Timing

SIDE = 700  # a product of such matrices takes some milliseconds: longer than a look at the clock


def matrix(side: int = SIDE) -> jax.Array:
    return jnp.full((side, side), 1e-3, jnp.float32)


@jax.jit
def heavy(x: jax.Array) -> jax.Array:
    return jnp.tanh(x @ x) @ x


def timed(fun: Callable[..., Any], *args: Any, seconds: float = 0.15, **options: Any) -> Timing:
    return benchmark(fun, max_seconds=seconds, min_seconds=0.02, **options)(*args)


def warnings_of(timing: Timing) -> set[str]:
    assert {each.kind for each in timing.findings} <= set(KINDS)
    return {each.kind for each in timing.findings if each.severity != "info"}


def message(timing: Timing, kind: str) -> str:
    (found,) = (each for each in timing.findings if each.kind == kind)
    return found.message


@functools.cache
def seconds_of_heavy() -> float:
    """Seconds of `heavy` by hand: the least of many."""
    x = matrix()
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        heavy(x).block_until_ready()
        times.append(time.perf_counter() - begin)
    return min(times[1:])


# recompiled


def test_a_new_jit_in_each_call() -> None:
    def fresh(x: jax.Array) -> jax.Array:
        return jax.jit(lambda x: x + 1)(x)

    timing = timed(fresh, matrix(3), seconds=0.5)
    assert warnings_of(timing) == {"recompiled"}
    found = message(timing, "recompiled")
    assert found.endswith("the figure has compiling in it")
    assert "<lambda>" in found
    assert timing.findings[0].where is not None


def test_a_shape_that_changes_late() -> None:
    calls = iter(range(10**9))
    step = jax.jit(lambda x: x * 2)

    def late(x: jax.Array) -> jax.Array:
        return step(x[:2] if next(calls) == 40 else x)

    timing = timed(late, matrix(3), seconds=0.6)
    found = message(timing, "recompiled")
    assert found.startswith("JAX compiled in 1 of ")
    assert found.endswith("the figure is without those")
    assert "changed shape" in found
    assert timing.seconds < 5e-3


def test_twin_one_jit_of_one_shape() -> None:
    step = jax.jit(lambda x: x + 1)
    assert warnings_of(timed(lambda x: step(x), matrix(3))) == set()
    assert timed(step, matrix(3)).findings == ()


def test_a_second_compilation_before_it_is_warm_is_worth_knowing() -> None:
    state: dict[str, Any] = {"x": 1.0}

    @jax.jit
    def step(x: Any) -> Any:
        return x + jnp.ones(3)

    def second(_: Any) -> Any:
        state["x"] = step(state["x"])
        return state["x"]

    timing = timed(second, 0)
    (found,) = (each for each in timing.findings if each.kind == "recompiled")
    assert (found.severity, found.message.split(":")[0]) == (
        "info",
        "JAX compiled again after the first call",
    )


# constant-folded


def test_work_on_constants() -> None:
    def folded(x: jax.Array) -> jax.Array:
        return jnp.sin(jnp.full(20_000, 0.5) * 2).sum() + x

    timing = timed(jax.jit(folded), jnp.float32(1))
    assert warnings_of(timing) == {"constant-folded"}
    assert timing.findings[0].where is not None
    assert timing.findings[0].where.file == __file__
    assert "it depends on no argument" in timing.findings[0].message
    inner = jax.jit(folded)
    assert warnings_of(timed(lambda x: inner(x), jnp.float32(1))) == {"constant-folded"}


def test_twin_the_same_on_an_argument() -> None:
    def computed(v: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.sin(v).sum() + x

    assert timed(jax.jit(computed), jnp.arange(20_000.0), jnp.float32(1)).findings == ()


def test_twin_constants_that_are_computed() -> None:
    """A mask and random numbers from a fixed key depend on no argument, and are made each time."""

    def masked(x: jax.Array) -> jax.Array:
        mask = jnp.tril(jnp.ones((200, 200), bool))
        return jnp.where(mask, x @ x, 0.0)

    assert timed(jax.jit(masked), matrix(200)).findings == ()
    made = jax.jit(lambda: jax.random.normal(jax.random.key(0), (100, 100)))
    assert warnings_of(timed(made)) == set()


# dead-code


def test_work_that_no_result_needs() -> None:
    @jax.jit
    def dead(x: jax.Array) -> jax.Array:
        y = jnp.tanh(x @ x)  # noqa: F841
        return x + 1

    timing = timed(dead, matrix())
    assert warnings_of(timing) == {"dead-code"}
    assert "of the work of dead" in timing.findings[0].message
    assert warnings_of(timed(lambda x: dead(x), matrix())) == {"dead-code"}


def test_repetition_inside_of_jit() -> None:
    @jax.jit
    def repeated(x: jax.Array) -> jax.Array:
        for _ in range(10):
            y = jnp.tanh(x @ x)
        return y

    timing = timed(repeated, matrix(200))
    assert warnings_of(timing) == {"dead-code"}
    assert timing.findings[0].data["share"] == pytest.approx(0.9)


def test_twin_all_of_it_is_returned() -> None:
    @jax.jit
    def alive(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jnp.tanh(x @ x), x + 1

    assert timed(alive, matrix(200)).findings == ()


def test_twin_gradients_leave_their_forward_pass() -> None:
    linear = jax.jit(jax.grad(lambda w, x: (x @ w).sum()))
    assert timed(linear, matrix(200), matrix(200)).findings == ()
    loss = jax.jit(jax.value_and_grad(lambda w, x: (jnp.tanh(x @ w) ** 2).mean()))
    assert timed(loss, matrix(200), matrix(200)).findings == ()


# cached-result


def test_a_remembered_result() -> None:
    memory: dict[int, jax.Array] = {}

    def remembered(x: jax.Array) -> jax.Array:
        if id(x) not in memory:
            memory[id(x)] = heavy(x)
        return memory[id(x)]

    assert warnings_of(timed(remembered, matrix(200))) == {"cached-result"}

    @functools.lru_cache
    def by_number(n: int) -> dict[str, jax.Array]:
        return {"y": heavy(matrix(n))}

    timing = timed(by_number, 200)
    assert warnings_of(timing) == {"cached-result"}
    assert "['y']" in message(timing, "cached-result")
    assert not any(isinstance(value, jax.core.Tracer) for value in memory.values())


def test_a_remembered_number() -> None:
    @functools.cache
    def number(n: int) -> float:
        return float(heavy(matrix(n))[0, 0])

    assert warnings_of(timed(number, 100)) == {"cached-result"}
    assert warnings_of(timed(number.__wrapped__, 100)) == set()


def test_twin_an_array_that_is_filled_again() -> None:
    a, out = np.ones((300, 300)), np.ones((300, 300))
    found = timed(lambda: np.sqrt(a, out=out)).findings
    assert all(each.severity == "info" for each in found)


def test_twin_an_argument_that_comes_back() -> None:
    assert timed(lambda x: x, matrix(3)).findings == ()
    assert timed(jax.jit(lambda x: (x, x + 1)), matrix(3)).findings == ()


# unblocked-output


class Box:
    def __init__(self, value: Any) -> None:
        self.value = value


class Slots:
    __slots__ = ("inside",)

    def __init__(self, value: Any) -> None:
        self.inside = {"a": [value]}


@pytest.mark.parametrize(
    "wrap",
    [
        Box,
        Slots,
        lambda y: (Box(Box(y)), 1),
        lambda y: lambda: y,
        lambda y: lambda default=y: default,
        lambda y: functools.partial(abs, y),
    ],
    ids=["attribute", "slots", "nested", "closure", "default", "partial"],
)
def test_arrays_hidden_in_objects_are_waited_for(wrap: Callable[[Any], Any]) -> None:
    timing = timed(lambda x: wrap(heavy(x)), matrix(), seconds=0.4)
    assert warnings_of(timing) == set()
    assert timing.seconds > 0.5 * seconds_of_heavy()


def test_arrays_that_cannot_be_found() -> None:
    kept: list[jax.Array] = []

    def elsewhere(x: jax.Array) -> None:
        kept[:] = [heavy(x)]

    timing = timed(elsewhere, matrix(), seconds=0.4)
    assert "unblocked-output" in warnings_of(timing)
    assert timing.seconds > 0.5 * seconds_of_heavy()


def test_mutable_references_are_waited_for() -> None:
    ref = jax.new_ref(matrix())

    @jax.jit
    def mutate(ref: Any) -> None:
        ref[...] = jnp.tanh(ref[...] @ ref[...]) @ ref[...]

    timing = timed(mutate, ref, seconds=0.4)
    assert warnings_of(timing) == {"unblocked-output", "side-effects"}
    assert timing.seconds > 0.5 * seconds_of_heavy()


def test_work_that_is_dropped() -> None:
    def dropped(x: jax.Array) -> None:
        heavy(x)

    # It is told by processor time, of which a busy machine may leave too little to be sure.
    tries = (warnings_of(timed(dropped, matrix(1200), seconds=0.6)) for _ in range(3))
    assert {"unblocked-output", "no-jax-output"} in tries


def test_twin_a_function_that_waits_itself() -> None:
    def waits(x: jax.Array) -> None:
        heavy(x).block_until_ready()

    timing = timed(waits, matrix(), seconds=0.4)
    assert warnings_of(timing) == set()
    assert "returns nothing" in message(timing, "no-jax-output")


def test_a_generator_has_done_nothing() -> None:
    timing = timed(lambda x: (heavy(x) for _ in range(3)), matrix(3))
    assert warnings_of(timing) == {"unblocked-output"}
    assert "generator" in message(timing, "unblocked-output")


def test_a_future_is_waited_for() -> None:
    def slow() -> np.ndarray:
        time.sleep(0.02)
        return np.ones(3)

    with ThreadPoolExecutor(1) as pool:
        timing = timed(lambda: pool.submit(slow), seconds=0.3)
    assert 0.018 <= timing.seconds <= 0.05


# side-effects


def test_a_function_that_changes_what_it_is_given() -> None:
    seen: list[int] = []
    timing = timed(lambda x: (seen.append(1), x + 1)[1], matrix(3))
    assert warnings_of(timing) == {"side-effects"}
    assert "changes seen" in message(timing, "side-effects")

    def in_place(a: np.ndarray) -> np.ndarray:
        a += 1
        return a * 2

    timing = timed(in_place, np.zeros(3))
    assert "changes argument [0]" in message(timing, "side-effects")


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def step(self, x: jax.Array) -> jax.Array:
        self.count += 1
        return x + 1


class Still(Counter):
    def step(self, x: jax.Array) -> jax.Array:
        return x + self.count


def test_a_method_that_counts_and_its_twin() -> None:
    assert warnings_of(timed(Counter().step, matrix(3))) == {"side-effects"}
    assert timed(Still().step, matrix(3)).findings == ()


def test_a_program_with_callbacks_and_its_twin() -> None:
    def told(x: jax.Array) -> jax.Array:
        jax.debug.callback(lambda value: None, x[0, 0])
        return x + 1

    def pure(x: jax.Array) -> jax.Array:
        struct = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(lambda x: np.asarray(x) + 1, struct, x)

    assert warnings_of(timed(jax.jit(told), matrix(3))) == {"side-effects"}
    assert timed(jax.jit(pure), matrix(3)).findings == ()


def test_twin_a_reference_that_is_only_read() -> None:
    ref = jax.new_ref(matrix(3))
    assert timed(jax.jit(lambda ref, x: ref[...] + x), ref, matrix(3)).findings == ()


def test_twin_a_cache_that_is_filled_once() -> None:
    tables: dict[str, jax.Array] = {}

    def with_table(x: jax.Array) -> jax.Array:
        if "table" not in tables:
            tables["table"] = jnp.arange(3.0)
        return x + tables["table"]

    assert timed(with_table, matrix(3)).findings == ()


# host-transfer


def not_aligned(shape: tuple[int, int]) -> Any:
    """Ones whose memory JAX copies: on a CPU it takes NumPy's as it is where that is aligned."""
    size = 4 * shape[0] * shape[1]
    memory = np.empty(size + 128, np.uint8)
    begin = -memory.ctypes.data % 64 + 16
    array = memory[begin : begin + size].view(np.float32).reshape(shape)
    array[:] = 1
    return array


def test_a_numpy_argument_is_not_in_the_figure() -> None:
    first = jax.jit(lambda x: x[0, 0] + 1)
    x = not_aligned((1500, 1500))
    timing = timed(first, x, seconds=0.3)
    assert warnings_of(timing) == {"host-transfer"}
    assert message(timing, "host-transfer").startswith("argument [0] is a NumPy array (8.58 MiB)")
    assert timing.seconds < timed(lambda x: first(x), x, seconds=0.3).seconds
    assert timed(first, jnp.asarray(x)).findings == ()
    both = timed(jax.jit(lambda small, x: x[0, 0] + small[0]), np.ones(4, np.float32), x)
    start = "argument [1] and 1 more are NumPy arrays (8.58 MiB); "
    assert message(both, "host-transfer").startswith(start)
    (found,) = timed(eqx.filter_jit(lambda x: x[0, 0] + 1), x).findings
    assert found.kind == "host-transfer"


def test_a_numpy_argument_that_hardly_matters() -> None:
    timing = timed(lambda x: heavy(x), np.asarray(matrix()), seconds=0.3)
    (found,) = timing.findings
    assert (found.kind, found.severity) == ("host-transfer", "info")


def test_static_numpy_values_stay() -> None:
    power = jax.jit(lambda x, n: x**n, static_argnums=1)
    assert warnings_of(timed(power, matrix(3), np.int64(3))) == set()


# no-jax-output


def test_numpy_and_python_are_told_apart() -> None:
    found = timed(np.sin, np.ones(10)).findings
    assert [(each.kind, each.severity) for each in found] == [("no-jax-output", "info")]
    assert found[0].message == "sin returns numpy values, no JAX array: it is done when it returns"
    assert timed(lambda: 3).ok
    assert timed(lambda x: float(heavy(x)[0, 0]), matrix(3)).ok


def test_sound_functions_of_many_kinds() -> None:
    x = matrix(20)
    mlp = eqx.nn.MLP(20, 20, 32, 2, key=jax.random.key(0))
    sound: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (jnp.tanh, (x,)),
        (eqx.filter_jit(lambda m, x: jax.vmap(m)(x)), (mlp, x)),
        (jax.jit(lambda tree: jax.tree.map(jnp.sin, tree)), ({"a": x, "b": [x, None]},)),
        (jax.jit(lambda x, n: x * n, static_argnames="n"), (x, 3)),
        (jax.jit(lambda key: jax.random.normal(key, (20,))), (jax.random.key(0),)),
        (jax.jit(lambda x: jax.lax.scan(lambda c, _: (c @ x, None), x, length=5)[0]), (x,)),
        (jax.vmap(jnp.dot), (x, x)),
        (functools.partial(jnp.sum, axis=0), (x,)),
        (jax.jit(lambda x: x, donate_argnums=0), (x,)),
        (jax.jit(lambda s: jnp.asarray(s) * 2), (2.0,)),
    ]
    for fun, args in sound:
        assert timed(fun, *args, seconds=0.1).findings == (), fun
