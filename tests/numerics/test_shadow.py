"""`jaxkit.shadow`: what it returns, what it costs a second time, and what it must not do.

Longer than 400 lines, as it holds one thing from all of its sides, case by case.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback

import jaxkit
from jaxkit._jax import jaxprs
from jaxkit.numerics.precision import memory
from jaxkit.numerics.precision.plan import plan_of
from jaxkit.report.render_html import fragment


def versine(x):
    cosine = jnp.cos(x)
    return 1 - cosine


VERSINE = jaxkit.shadow(versine)
LINE = versine.__code__.co_firstlineno + 2


def test_a_cancellation_is_found_with_all_that_is_known_of_it() -> None:
    report = VERSINE(1e-4)
    assert not report.ok
    assert report.tool == "shadow"
    assert report.name == "versine"
    finding = report.findings[0]
    assert (finding.kind, finding.where.line, finding.where.file) == (
        "cancellation",
        LINE,
        __file__,
    )
    assert finding.fix == "1 - cos(x) is 2 * sin(x / 2) ** 2"
    assert finding.data["operands"] == (1.0, 1.0)
    # 1 - cos(x) = x^2 / 2 - x^4 / 24
    assert finding.data["value_in_double"] == pytest.approx(0.5e-8, rel=1e-6)
    assert finding.data["total_error"] == 1.0
    assert finding.data["digits_lost"] > 7


def test_the_share_of_each_line_is_of_what_is_made_there() -> None:
    shares = {line.line: share for line, share in VERSINE(1e-4).by_line.items()}
    assert shares[LINE - 1] == pytest.approx(1.0)  # the cosine is rounded
    assert shares[LINE] == 0.0  # the subtraction is exact


def test_a_sound_call_has_no_finding() -> None:
    report = VERSINE(2.0)
    assert report.ok
    assert report.findings == ()
    [output] = report.data["outputs"]
    assert output["verdict"] == "fine"
    assert output["error"] < 1e-7


def test_a_second_call_neither_traces_nor_compiles() -> None:
    VERSINE(1e-4)
    with jaxkit.watch() as log:
        VERSINE(2e-4)
    assert log.events == []


def test_it_renders() -> None:
    report = VERSINE(1e-4)
    assert jaxkit.Report.from_json(report.to_json()).findings == report.findings
    assert "cancellation" in str(report)
    assert "cancellation" in fragment(report)


@pytest.mark.parametrize(
    "args",
    [
        (np.float32(1e-4),),
        (jnp.float32(1e-4),),
        (np.array([1e-4, 2e-4], np.float32),),
    ],
)
def test_arguments_of_all_kinds(args) -> None:
    assert VERSINE(*args).findings[0].kind == "cancellation"


def test_static_arguments_are_part_of_the_program() -> None:
    @functools.partial(jax.jit, static_argnums=1)
    def power(x, n):
        return (1 + x) ** n - 1

    shadow = jaxkit.shadow(power)
    assert shadow(jnp.float32(1e-6), 3).findings[0].kind == "cancellation"
    assert shadow(jnp.float32(1.0), 2).ok
    assert shadow(jnp.float32(1e-6), 2).findings[0].kind == "cancellation"


def test_rtol_is_what_is_allowed() -> None:
    assert jaxkit.shadow(versine, rtol=2.0)(1e-4).ok
    assert not jaxkit.shadow(jnp.sin, rtol=0)(1.0).ok


@pytest.mark.parametrize("rtol", [-1.0, float("nan")])
def test_a_wrong_rtol_is_refused(rtol) -> None:
    with pytest.raises(ValueError) as caught:
        jaxkit.shadow(versine, rtol=rtol)
    assert str(caught.value) == f"rtol must be 0 or more, or None, got rtol={rtol!r}"


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError) as caught:
        jaxkit.shadow(3)
    assert str(caught.value) == "fun must be a function, got 3 of type int"


def test_inside_a_trace_it_says_where_to_call_it() -> None:
    with pytest.raises(jaxkit.UsageError) as caught:
        jax.jit(VERSINE)(1.0)
    assert str(caught.value) == (
        "shadow(versine) was called inside of a trace, where there are no values to look at: "
        "call it outside of jax.jit, jax.grad and jax.vmap, as in "
        "jaxkit.shadow(jax.grad(versine))(x); within them, "
        'jaxkit.transforms.get("shadow")(versine) looks at the values when they are there'
    )


def test_gradients_forward_and_reverse() -> None:
    def difference(x):
        return x - jnp.sin(x)  # whose derivative is 1 - cos(x)

    x = jnp.float32(1e-4)
    for derivative in (jax.grad(difference), jax.jacfwd(difference)):
        finding = jaxkit.shadow(derivative)(x).findings[0]
        assert finding.kind == "cancellation"
        assert finding.where.line == difference.__code__.co_firstlineno + 1


def test_a_loop_says_its_first_bad_turn() -> None:
    def count(x):
        def step(total, _):
            total = total + 1e-5
            return total, None

        return lax.scan(step, x, length=1000)[0]

    finding = jaxkit.shadow(count, rtol=1e-3)(jnp.bfloat16(1)).findings[0]
    assert finding.kind == "absorption"
    # 1 + n * 1e-5 is off by 1e-3 for the first time at n = 101, the loop's turn 100
    assert finding.data["iteration"][0] == pytest.approx(100, abs=2)


@pytest.mark.parametrize("length", [5_000, 20_000])
def test_the_first_bad_turn_is_that_of_the_sum_not_of_the_output(length) -> None:
    def clock(tick):
        return lax.fori_loop(0, length, lambda _, now: now + tick, jnp.float32(0))

    tick, now, first = np.float32(0.1), np.float32(0), 0
    while abs(float(now) - first * float(tick)) <= 2.422e-5 * first * float(tick):
        now, first = np.float32(now + tick), first + 1
    finding = jaxkit.shadow(clock)(tick).findings[0]
    # the shadow begins with 0.1 in float32 too; so much later because it is one in ten thousand
    assert finding.data["iteration"][0] == pytest.approx(first - 1, rel=0.02)
    assert finding.data["shown_iteration"][0] >= finding.data["iteration"][0]


@pytest.mark.parametrize("batched", [False, True])
def test_while_loops(batched) -> None:
    def root(x):
        def goes_on(now):
            return abs(now[0] - now[1]) > 1e-3

        def better(now):
            return (now[0] + x / now[0]) / 2, now[0]

        near = lax.while_loop(goes_on, better, (x, jnp.float32(0)))[0]
        return 1 - near / (near + 1e-5)

    fun, x = (jax.vmap(root), jnp.array([2.0, 3.0, 50.0])) if batched else (root, jnp.float32(2))
    finding = jaxkit.shadow(fun)(x).findings[0]
    assert finding.kind == "cancellation"


def test_a_branch_that_double_precision_does_not_take() -> None:
    def tariff(x):
        above = 0.1 * x >= 0.30000001
        return jnp.where(above, 2.0, 1.0) * x

    finding = jaxkit.shadow(tariff)(jnp.float32(3)).findings[0]
    assert finding.kind == "branch-divergence"
    assert finding.where.line == tariff.__code__.co_firstlineno + 1


def test_conditions_of_cond() -> None:
    def tariff(x):
        return lax.cond(0.1 * x >= 0.30000001, lambda: 2 * x, lambda: x)

    finding = jaxkit.shadow(tariff)(jnp.float32(3)).findings[0]
    assert finding.kind == "branch-divergence"


def test_noise_around_zero_is_no_fault() -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=64), jnp.float32)
    assert jaxkit.shadow(lambda x: jnp.sum(x - jnp.mean(x)))(x).ok


def test_a_small_number_that_is_not_zero_is_one() -> None:
    def cube(x):  # (x - 1)^3
        return x**3 - 3 * x**2 + 3 * x - 1

    assert jaxkit.shadow(cube)(jnp.float32(1.001)).findings[0].kind == "cancellation"


def test_non_finite_outputs_are_explained() -> None:
    x = jnp.array([100.0, 0.0])
    finding = jaxkit.shadow(lambda x: jnp.log(jnp.sum(jnp.exp(x))))(x).findings[0]
    assert finding.kind == "overflow"


def test_what_is_finite_is_not_said_to_be_otherwise() -> None:
    def both(x):
        return jnp.log(-x), 1 / (x - lax.reduce_precision(x, 8, 10))  # 1 / 0 in double precision

    report = jaxkit.shadow(both)(jnp.float32(0.1))
    assert [leaf["verdict"] for leaf in report.data["outputs"]] == ["nonfinite", "fine"]
    assert "1 of 2 outputs not finite" in str(report)
    assert [leaf["not_compared"] for leaf in report.data["outputs"]] == [0, 1]
    alone = jaxkit.shadow(lambda x: both(x)[1])(jnp.float32(0.1))
    assert not alone.findings
    assert "not compared, as finite and in double precision not: output (1 element)" in str(alone)


def test_infinities_that_are_meant_do_not_hide_the_rest() -> None:
    def masked(x):
        return jnp.where(jnp.arange(4) < 2, 1 - jnp.cos(x), -jnp.inf)

    assert jaxkit.shadow(masked)(jnp.full(4, 1e-4)).findings[0].kind == "cancellation"


@pytest.mark.parametrize("size", [4096, 8192, 65536])
def test_the_tail_that_is_told_is_that_of_the_definition(size) -> None:
    def shift(x, c):
        return (x + c) - c

    x = 1 + np.random.default_rng(0).random(size).astype(np.float32)
    out = np.asarray(jax.jit(shift)(x, np.float32(250)), float)
    errors = np.sort(abs(out - x) / x)[::-1]
    tail = (errors * np.arange(1, size + 1) / size).max()
    [told] = jaxkit.shadow(shift, rtol=1e-9)(x, np.float32(250)).data["outputs"]
    assert told["tail"] == pytest.approx(tail, rel=1e-6)


def test_random_numbers_and_integers_are_shared() -> None:
    def noisy(key, x):
        noise = jax.random.normal(key, (100,))
        return jnp.mean(noise) + x, jnp.argmax(noise), jnp.sum(noise > 0)

    assert jaxkit.shadow(noisy)(jax.random.key(0), 1.0).ok


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: jnp.arange(3),
        lambda x: None,
        lambda x: x[:0],
        lambda x: (x > 0, {"empty": x[:0].sum()}),
        lambda x: x * 0,
    ],
)
def test_outputs_that_leave_nothing_to_compare(fun) -> None:
    assert jaxkit.shadow(fun)(jnp.ones(3)).findings == ()


def test_custom_derivatives_checkpoints_and_sorting() -> None:
    @jax.custom_vjp
    def twice(x):
        return 2 * x

    twice.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g,))

    @jax.checkpoint
    def whole(x):
        return jnp.sort(twice(jax.nn.relu(x)))[-1] - jnp.sin(jnp.max(x)) * 2

    x = jnp.array([1e-3, 5e-4, -1.0])
    assert jaxkit.shadow(whole)(x).findings[0].kind == "cancellation"
    assert not jaxkit.shadow(jax.grad(whole))(x).ok


def test_callbacks_run_once() -> None:
    seen = []

    def tells(x):
        def step(x, _):
            jax.debug.callback(lambda value: seen.append(float(value)), x)
            return x + io_callback(half, jax.ShapeDtypeStruct((), jnp.float32), x), None

        def half(value):
            seen.append(-float(value))
            return np.float32(value / 2)

        return lax.scan(step, x, length=2)[0]

    assert jaxkit.shadow(tells)(1.0).ok
    jax.effects_barrier()
    assert sorted(seen) == [-1.5, -1.0, 1.0, 1.5]


def test_a_program_that_must_not_run_again_is_not_attributed() -> None:
    def reads(x):
        read = io_callback(np.cos, jax.ShapeDtypeStruct((), jnp.float32), x)
        return 1 - read * jnp.cos(x)

    [finding] = jaxkit.shadow(reads)(jnp.float32(1e-4)).findings
    assert finding.where is None
    assert finding.message == (
        "output is off by 1.0e+00, but the function calls back (jax.experimental.io_callback) "
        "and must not run again to find the line that is to blame"
    )


def test_an_overflow_behind_a_finite_result_is_named() -> None:
    def direction(x: jax.Array) -> jax.Array:
        squares = jnp.square(x)
        return x / jnp.sqrt(jnp.sum(squares))  # x / inf = 0

    finding = jaxkit.shadow(direction)(jnp.array([3e19, 4e19], jnp.float32)).findings[0]
    assert finding.kind == "overflow"
    assert finding.data["primitive"] == "square"


def test_a_cast_is_blamed_before_what_magnifies_it() -> None:
    def angles(positions: jax.Array) -> jax.Array:
        coarse = positions.astype(jnp.bfloat16)
        return jnp.sin(coarse.astype(jnp.float32))

    found = jaxkit.shadow(angles)(jnp.arange(2000, 2032)).findings[0]
    assert (found.kind, found.data["primitive"]) == ("low-precision-cast", "convert_element_type")
    late = jaxkit.shadow(jnp.sin)(jnp.float32(2e6) * 3).findings  # all digits of a number are there
    assert [each.kind for each in late] == []


def test_more_memory_than_there_is_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    x = jnp.full(1000, 1e-4)
    with pytest.raises(jaxkit.UsageError) as caught:
        jaxkit.shadow(versine)(x)
    # cos and sub, 1000 elements each, of 24 bytes
    assert str(caught.value) == (
        "to say which line output loses its digits at, shadow would need about 46.9 KiB of "
        "memory, more than half of the 1000 B that are free: call it on a smaller batch or on "
        "fewer steps, or look at a part of the function with where=, as in "
        'jaxkit.shadow(f, where="encoder")'
    )


def two_cancellations(x):
    with jax.named_scope("first"):
        a = 1 - jnp.cos(x)
    with jax.named_scope("second"):
        b = jnp.exp(x) - 1
    return a / x**2 + 1e-3 * b / x


def test_a_part_is_looked_at() -> None:
    x = jnp.full(1000, 1e-4)
    report = jaxkit.shadow(two_cancellations, where="first")(x)
    first = report.findings[0]
    assert (first.kind, first.data["primitive"]) == ("cancellation", "sub")
    assert report.data["outputs"] == jaxkit.shadow(two_cancellations)(x).data["outputs"]
    assert {line.line for line in report.by_line if report.by_line[line]} == {first.where.line}


def test_a_part_that_makes_little_of_the_error_is_not_blamed() -> None:
    [found] = jaxkit.shadow(two_cancellations, where=["second"])(jnp.full(1000, 1e-4)).findings
    assert found.where is None
    assert found.data["share"] < 1e-3
    assert found.message.startswith("output is off by 1.0e+00, of which ")
    assert found.message.endswith(" times as much is made in the part that where= names")


def test_a_part_takes_less_memory(monkeypatch) -> None:
    x = jnp.full(1000, 1e-4)
    # cos, sub and what divides; of 24 bytes each: the scope's two are 48000
    monkeypatch.setattr(memory, "free_bytes", lambda: 96_001)
    assert jaxkit.shadow(two_cancellations, where="first")(x).findings
    monkeypatch.setattr(memory, "free_bytes", lambda: 95_999)
    with pytest.raises(jaxkit.UsageError, match=r"about 46\.9 KiB of memory"):
        jaxkit.shadow(two_cancellations, where="first")(x)


def test_a_part_that_there_is_not() -> None:
    with pytest.raises(ValueError) as caught:
        jaxkit.shadow(two_cancellations, where="frist")(jnp.full(4, 1e-4))
    assert str(caught.value) == (
        "where='frist' matches no floating-point equation of 'two_cancellations'; "
        "did you mean 'first' (scope)?"
    )
    with pytest.raises(ValueError, match="where must name something"):
        jaxkit.shadow(two_cancellations, where="")


def test_masks_of_infinities_hide_no_fault() -> None:
    def masked(x, keep):
        scores = jnp.where(keep, 1 - jnp.cos(x), -jnp.inf)
        return jax.nn.softmax(scores * 1e8)

    x = jnp.linspace(1e-4, 2e-4, 8)
    found = jaxkit.shadow(masked)(x, jnp.arange(8) % 2 == 0).findings[0]
    assert (found.kind, found.data["primitive"]) == ("cancellation", "sub")


def test_an_overflow_behind_a_finite_result() -> None:
    def norm(x):
        return 1 / jnp.sum(x * x)

    found = jaxkit.shadow(norm)(jnp.full(3, 1e20)).findings[0]
    assert (found.kind, found.data["primitive"]) == ("overflow", "mul")


def test_a_loop_stores_what_it_carries() -> None:
    def walk(x):
        return lax.scan(lambda c, _: (jnp.sin(c), None), x, length=100)[0]

    plan = plan_of(jaxprs.trace(walk, (jnp.ones(10),), {}).written, {})
    assert memory.bytes_of(plan) == 100 * 10 * 12 + 10 * 24


def test_double_precision_itself_is_out_of_reach_and_said_to_be() -> None:
    with jaxkit.x64():
        report = jaxkit.shadow(lambda x: (1 - jnp.cos(x)) / x**2)(np.float64(1e-7))
    assert report.data["out_of_reach"] == ("output",)
    assert "computed in double precision itself" in str(report)
    assert jaxkit.shadow(jnp.sin)(jnp.float32(1)).data["out_of_reach"] == ()
