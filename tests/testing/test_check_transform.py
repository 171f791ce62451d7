"""The kit names the law that a subtly broken transform breaks, and leaves sound ones alone.

Every eighth one by default (the blind set has others); JAXKIT_ALL=1 in the environment takes all.

Longer than 400 lines, as it holds one thing from all of its sides, case by case.
"""

import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxkit
from jaxkit.testing import Subject, check_transform
from tests.part import part

pytestmark = pytest.mark.usefixtures("cheap_compilation")

Fun = Callable[..., Any]


# ---- sound ones -----------------------------------------------------------------------------


def nothing(fun: Fun) -> Fun:
    return fun


def plain(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return fun(*args, **kwargs)

    return wrapped


def scaled(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return jax.tree.map(lambda x: x * 2.0, fun(*args, **kwargs))

    return wrapped


def with_norm(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        return out, sum(jnp.sum(jnp.abs(x)) for x in jax.tree.leaves(out))

    return wrapped


def half_the_gradient(fun: Fun) -> Fun:
    @jax.custom_vjp
    def halved(x: Any) -> Any:
        return x

    halved.defvjp(lambda x: (x, None), lambda _, g: (jax.tree.map(lambda x: x / 2, g),))

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return halved(fun(*args, **kwargs))

    return wrapped


def clipped(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        def clip(x: Any) -> Any:
            if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
                return x
            return jnp.clip(x, -1, 1)

        return jax.tree.map(clip, fun(*args, **kwargs))

    return wrapped


def in_bfloat16(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        def rounded(x: Any) -> Any:
            if jnp.result_type(x) != jnp.float32:
                return x
            return jnp.asarray(x).astype(jnp.bfloat16).astype(jnp.float32)

        return jax.tree.map(rounded, fun(*args, **kwargs))

    return wrapped


def one_at_a_time(fun: Fun) -> Fun:
    lock = threading.RLock()

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return fun(*args, **kwargs)

    return wrapped


def in_a_named_scope(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with jax.named_scope("scope"), jax.default_matmul_precision("float32"):
            return fun(*args, **kwargs)

    return wrapped


@jaxkit.transform(tags=("changes_values",))
def times(fun: Fun, *, factor: float = 3.0) -> Fun:
    """Multiplies what comes out."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return jax.tree.map(lambda x: x * factor, fun(*args, **kwargs))

    return wrapped


# `nothing` is held to all laws at the level full, below.
SOUND = [
    (plain, ("of_gradients",)),
    (plain, ("of_value_and_grad",)),
    (scaled, ("changes_values",)),
    (clipped, ("changes_values",)),
    (with_norm, ("changes_structure",)),
    (half_the_gradient, ("changes_grad", "no_jvp")),
    (in_bfloat16, ("changes_values", "changes_dtype")),
    (one_at_a_time, ()),
    (in_a_named_scope, ()),
    (times(factor=3.0), ()),
    (jaxkit.chain(plain, plain), ()),
]


@pytest.mark.parametrize(("transform", "tags"), part(SOUND, 8))
def test_sound_ones_pass(transform: Any, tags: tuple[str, ...]) -> None:
    report = check_transform(transform, tags=tags, level="quick")
    assert report.ok, str(report)
    assert all("by its tag" in reason for reason in report.data["not_checked"].values())


@pytest.mark.parametrize(("transform", "tags"), [SOUND[3], SOUND[5]])
def test_sound_ones_pass_the_standard_level(transform: Any, tags: tuple[str, ...]) -> None:
    report = check_transform(transform, tags=tags)
    assert report.ok, str(report)


def test_nothing_is_left_out_by_accident() -> None:
    report = check_transform(nothing, level="full")
    assert report.ok
    assert dict(report.data["not_checked"]) == {}
    assert report.data["level"] == "full"


# ---- broken ones ----------------------------------------------------------------------------


def drops_keywords(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return fun(*args, *kwargs.values())

    return wrapped


def takes_the_name_scale(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, name: str = "", **kwargs: Any) -> Any:
        return fun(*args, **kwargs)

    return wrapped


def forgets_the_name(fun: Fun) -> Fun:
    return lambda *args, **kwargs: fun(*args, **kwargs)


def needs_a_name(fun: Fun) -> Fun:
    name = fun.__name__

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with jax.named_scope(name):
            return fun(*args, **kwargs)

    return wrapped


def is_no_method(fun: Fun) -> Any:
    class Wrapped:
        def __init__(self) -> None:
            functools.update_wrapper(self, fun)

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return fun(*args, **kwargs)

    return Wrapped()


def loses_a_bit(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        def lost(x: Any) -> Any:
            return jnp.minimum(x, 1e30) if eqx.is_inexact_array(x) else x

        return jax.tree.map(lost, fun(*args, **kwargs))

    return wrapped


def sorts_keys(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, treedef = jax.tree.flatten((args, kwargs))
        args, kwargs = jax.tree.unflatten(treedef, leaves)
        return fun(*args, **kwargs)

    return wrapped


def casts_arguments(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        def cast(x: Any) -> Any:
            return x.astype(jnp.float32) if eqx.is_inexact_array(x) else x

        return fun(*[cast(each) for each in args], **kwargs)

    return wrapped


def makes_numbers_arrays(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        made = [jnp.asarray(x) if isinstance(x, int) else x for x in args]
        return fun(*made, **kwargs)

    return wrapped


def looks_at_the_result(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        for x in jax.tree.leaves(out):
            if isinstance(x, jax.Array) and bool((x != x).any()):
                break
        return out

    return wrapped


def calls_back(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), out)
        for shape in jax.tree.leaves(shapes):
            jax.pure_callback(lambda: np.zeros((), np.float32), shape.update(shape=(), dtype="f4"))
        return jax.tree.map(_through_the_host, out)

    return wrapped


@jax.custom_jvp
def _through_the_host(x: Any) -> Any:
    if not isinstance(x, jax.core.Tracer):
        return x
    return jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


@_through_the_host.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return primals[0], tangents[0]


def stops_the_gradient(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return jax.tree.map(lambda x: jax.lax.stop_gradient(x), fun(*args, **kwargs))

    return wrapped


def without_forward_mode(fun: Fun) -> Fun:
    same = jax.custom_vjp(lambda x: x)
    same.defvjp(lambda x: (x, None), lambda _, g: (g,))

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return same(fun(*args, **kwargs))

    return wrapped


def jits_anew(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        return jax.jit(lambda: out)() if not jax.tree.leaves(out) else _sent(out)

    def _sent(out: Any) -> Any:
        if all(isinstance(x, jax.Array) and x.ndim for x in jax.tree.leaves(out)):
            jax.jit(lambda x: [each.sum() for each in x])(jax.tree.leaves(out))
        return out

    return wrapped


def counts(fun: Fun) -> Fun:
    calls = 0

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return fun(*args, **kwargs)

    return wrapped


_BY_NAME: dict[Any, Any] = {}


def shares_by_name(fun: Fun) -> Fun:
    name = getattr(fun, "__qualname__", repr(fun)), getattr(fun, "__module__", None)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return _BY_NAME.setdefault(name, fun)(*args, **kwargs)

    return wrapped


def runs_twice(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        jax.eval_shape(lambda: fun(*args, **kwargs))
        return fun(*args, **kwargs)

    return wrapped


def tries_it_out(fun: Fun) -> Fun:
    with contextlib.suppress(Exception):
        fun(jnp.ones(3), jnp.ones(3))
    return plain(fun)


def leaves_a_setting(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        old = jax.config.jax_default_matmul_precision
        jax.config.update("jax_default_matmul_precision", "float32")
        out = fun(*args, **kwargs)  # not in a finally
        jax.config.update("jax_default_matmul_precision", old)
        return out

    return wrapped


def sets_it_for_all(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        old = jax.config.jax_default_matmul_precision
        jax.config.update("jax_default_matmul_precision", "float32")
        try:
            return fun(*args, **kwargs)
        finally:
            jax.config.update("jax_default_matmul_precision", old)

    return wrapped


_current: list[Any] = [None]


def keeps_the_call_in_a_global(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before, _current[0] = _current[0], fun
        mine = object()
        _current[0] = mine
        try:
            out = fun(*args, **kwargs)
            if _current[0] is not mine:
                raise RuntimeError("somebody else is here")
            return out
        finally:
            _current[0] = before

    return wrapped


def holds_a_lock(fun: Fun) -> Fun:
    lock = threading.Lock()

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not lock.acquire(timeout=1):
            raise TimeoutError
        try:
            return fun(*args, **kwargs)
        finally:
            lock.release()

    return wrapped


def explains_errors(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return fun(*args, **kwargs)
        except ValueError as error:
            raise ValueError(f"in {fun}: {error}") from error

    return wrapped


def donates(fun: Fun) -> Fun:
    freed = jax.jit(lambda x: x + 1, donate_argnums=0)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        for x in args:
            if isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer) and x.ndim == 1:
                freed(x)
        return out

    return wrapped


def pops_a_key(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        for each in args:
            if isinstance(each, dict):
                each.update({key: each.pop(key) for key in sorted(each, key=str)})
        return fun(*args, **kwargs)

    return wrapped


def keeps_the_last(fun: Fun) -> Fun:
    last: list[Any] = [None]

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        last[0] = fun(*args, **kwargs)
        return last[0]

    return wrapped


def moves_to_the_first(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        if any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(out)):
            return out
        return jax.device_put(out, jax.devices()[0])

    return wrapped


def loops_without_varying(fun: Fun) -> Fun:
    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        def again(x: Any) -> Any:
            if not eqx.is_inexact_array(x) or not x.ndim:
                return x
            zeros = jnp.zeros(x.shape, x.dtype)
            return jax.lax.scan(lambda c, _: (c + x, None), zeros, None, length=1)[0]

        out = fun(*args, **kwargs)
        return again(out) if isinstance(out, jax.core.Tracer) else out

    return wrapped


BROKEN = [
    (drops_keywords, (), "args"),
    (takes_the_name_scale, (), "args"),
    (forgets_the_name, (), "signature"),
    (needs_a_name, (), "callables"),
    (is_no_method, (), "methods"),
    (loses_a_bit, (), "values"),
    (sorts_keys, (), "pytree"),
    (casts_arguments, (), "dtype"),
    (makes_numbers_arrays, (), "static"),
    (looks_at_the_result, (), "jit"),
    (calls_back, (), "vmap"),
    (stops_the_gradient, (), "grad"),
    (stops_the_gradient, ("changes_values",), "grad"),
    (without_forward_mode, (), "grad"),
    (loops_without_varying, (), "shard_map"),
    (jits_anew, (), "retrace"),
    (counts, (), "pure"),
    (shares_by_name, (), "isolation"),
    (runs_twice, (), "once"),
    (tries_it_out, (), "lazy"),
    (leaves_a_setting, (), "config"),
    (sets_it_for_all, (), "threads"),
    (keeps_the_call_in_a_global, (), "threads"),
    (holds_a_lock, (), "threads"),
    (explains_errors, (), "exceptions"),
    (donates, (), "mutation"),
    (pops_a_key, (), "mutation"),
    (keeps_the_last, (), "leak"),
    (moves_to_the_first, (), "sharding"),
]


@pytest.mark.parametrize(("transform", "tags", "law"), part(BROKEN, 8))
def test_the_broken_law_is_named(transform: Any, tags: tuple[str, ...], law: str) -> None:
    report = check_transform(transform, tags=tags, level="quick")
    assert {finding.kind for finding in report.findings} == {law}, str(report)


def test_the_report() -> None:
    report = check_transform(drops_keywords, level="quick")
    (finding,) = report.findings
    assert finding.severity == "error"
    assert finding.message.startswith(
        "drops_keywords breaks the law that every argument reaches the function: positional, by "
        "name, left to its default, *args and **kwargs: f("
    )
    assert finding.fix == "if that is meant, give the tag changes_signature"
    assert "values" in report.data["passed"]
    assert "args" not in report.data["passed"]
    assert report.data["seconds"] > 0
    assert "drops_keywords: 1 law broken" in str(report)


def test_expected_failures() -> None:
    known = {"args": "it has always been so", "lazy": "it is not"}
    report = check_transform(drops_keywords, expected_failures=known, level="quick")
    assert [finding.kind for finding in report.findings] == ["lazy"]
    assert report.findings[0].message == (
        "drops_keywords keeps the law that nothing runs when a function is wrapped, although "
        "expected_failures says that it does not (it is not)"
    )
    assert list(report.data["expected_failures"]) == ["args"]


def test_subjects_of_the_users() -> None:
    def averages(fun: Fun) -> Fun:
        """For functions of parameters and a row, which it gives each row of a batch."""

        @functools.wraps(fun)
        def wrapped(params: Any, batch: Any) -> Any:
            return sum(fun(params, row) for row in batch) / 2

        return wrapped

    def loss(params: Any, batch: Any) -> Any:
        return jnp.sum(params * batch)

    subject = Subject(loss, (jnp.ones(3), jnp.ones((2, 3))))
    tags = ("changes_values", "calls_many")
    report = check_transform(averages, tags=tags, subjects=[subject], level="quick")
    assert report.ok, str(report)
    assert "static" in report.data["not_checked"]


def test_one_device_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    report = check_transform(plain, level="quick")
    reason = (
        "it takes 2 devices and here is 1; set JAX_NUM_CPU_DEVICES=4 in the environment before "
        "JAX is imported"
    )
    assert dict(report.data["not_checked"]) == {"shard_map": reason, "sharding": reason}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "thorough"}, "level must be one of quick, standard, full, got level='thorough'"),
        ({"subjects": []}, "subjects must be None or one subject at least, got an empty sequence"),
        (
            {"tags": "no_jvp"},
            "tags must be a sequence of tags, got tags='no_jvp'; write ('no_jvp',)",
        ),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        check_transform(plain, **options)
    assert str(caught.value) == message
