"""Shows each mistake, and that the sound ones are sound, by direct code: run it as a script.

python -m tests.testing.broken.demonstrate [name ...]

Longer than 400 lines, as it is a table: each case is a few lines, and one place has them all.
"""

from __future__ import annotations

import collections
import copy
import functools
import inspect
import os
import sys
import threading
import traceback
import warnings
import weakref

os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.testing.broken.broken_transforms import BROKEN
from tests.testing.broken.demonstrate_sound import sound_in

SHOWS = {}


def shows(*names):
    """Registers a demonstration: `show(t)` is true if the law is seen to be broken."""

    def register(show):
        for name in names:
            SHOWS[name] = show
        return show

    return register


def raises(call, *args, **kwargs):
    """The exception of a call, or None."""
    try:
        call(*args, **kwargs)
    except Exception as error:
        return error
    return None


X = jnp.arange(1.0, 5.0)


def devices():
    return Mesh(np.array(jax.devices()), ("i",))


def spread(x):
    return jax.device_put(x, NamedSharding(devices(), P("i")))


Pair = collections.namedtuple("Pair", ["first", "second"])


@shows("convert_first_argument")
def _(t):
    def f(params, y=1.0):
        return params + y

    return f(params=X) is not None and isinstance(raises(t(f), params=X), TypeError)


@shows("bind_and_spread")
def _(t):
    def f(x, *, shift=0.0):
        return x + shift

    return not jnp.array_equal(t(f)(X, shift=1.0), f(X, shift=1.0))


@shows("log_arguments")
def _(t):
    return isinstance(raises(t(lambda x, y=1.0: x + y), X), KeyError)


@shows("skip_unset_keywords")
def _(t):
    def f(x, axis=-1):
        return x.sum(axis)

    x = jnp.ones((2, 3))
    return f(x, axis=None).shape != t(f)(x, axis=None).shape


@shows("keywords_to_positions")
def _(t):
    f = lambda x, y: x - y  # noqa: E731
    return not jnp.array_equal(t(f)(y=X, x=2 * X), f(y=X, x=2 * X))


@shows("copy_name_by_hand", "wrap_without_trail")
def _(t):
    def f(x, y=1.0):
        return x + y

    return inspect.signature(t(f)) != inspect.signature(f) and t(f).__name__ == "f"


@shows("name_the_scope")
def _(t):
    return isinstance(raises(t, functools.partial(jnp.add, 1.0)), AttributeError)


@shows("read_annotations")
def _(t):
    return isinstance(raises(t, functools.partial(jnp.add, 1.0)), TypeError)


@shows("look_into_partials")
def _(t):
    return isinstance(raises(t(functools.partial(jnp.add, 1.0)), X), TypeError)


@shows("count_in_object", "partial_as_wrapper")
def _(t):
    class Scale:
        factor = 2.0

        @t
        def apply(self, x):
            return x * self.factor

    return sys.version_info >= (3, 14) or isinstance(raises(Scale().apply, X), TypeError)


@shows("save_memory", "compile_once")
def _(t):
    def f(x, mode="sum"):
        return x.sum() if mode == "sum" else x.mean()

    return f(X, "mean") == 2.5 and isinstance(raises(t(f), X, "mean"), TypeError)


@shows("numbers_to_arrays")
def _(t):
    def f(x, n):
        return sum(x[i] for i in range(n))

    static = functools.partial(jax.jit, static_argnums=1)
    return static(f)(X, 2) == 3 and raises(static(t(f)), X, 2) is not None


@shows("scale_loss")
def _(t):
    return bool(jnp.isinf(t(lambda: jnp.float16(3.0))()))


@shows("store_in_bfloat16")
def _(t):
    return t(lambda: jnp.float32(0.1))() != jnp.float32(0.1)


@shows("repair_nonfinite")
def _(t):
    return bool(t(lambda: jnp.log(jnp.float32(0)))() > -jnp.inf)


@shows("average_of_one")
def _(t):
    return t(lambda: jnp.ones((3, 1)))().shape == (3,)


@shows("rebuild_tuples")
def _(t):
    return type(t(lambda: Pair(X, X))()) is tuple


@shows("drop_missing")
def _(t):
    return t(lambda: {"a": X, "b": None})().keys() == {"a"}


@shows("arrays_only")
def _(t):
    return t(lambda: {"a": X, "b": 2})()["b"] is None


@shows("rebuild_mappings")
def _(t):
    return type(t(lambda: collections.OrderedDict(a=X))()) is dict


@shows("keep_dtype")
def _(t):
    return jnp.asarray(1.0).weak_type and not t(lambda: jnp.asarray(1.0))().weak_type


@shows("cast_together")
def _(t):
    return t(lambda: (X, jnp.int32(1)))()[1].dtype == jnp.float32


@shows("unit_weight")
def _(t):
    return t(lambda: X.astype(jnp.bfloat16))().dtype == jnp.float32


@shows("copy_by_adding_zero")
def _(t):
    return t(lambda: X > 2)().dtype == jnp.int32


@shows("narrow_doubles")
def _(t):
    with jax.enable_x64(True):
        return t(lambda: jnp.ones(2))().dtype == jnp.float32


@shows("gather_for_logging", "through_host", "replicate_outputs")
def _(t):
    x = spread(X)
    f = lambda x: x * 2  # noqa: E731
    same = t(f)(x).sharding.is_equivalent_to(f(x).sharding, 1)
    return not same


@shows("reuse_buffers")
def _(t):
    x = X + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t(lambda x: x * 2)(x)
    return x.is_deleted()


@shows("convert_in_place")
def _(t):
    batch = {"x": np.ones(2, np.float32)}
    t(lambda batch: batch["x"] * 2)(batch)
    return not isinstance(batch["x"], np.ndarray)


@shows("freeze_inputs")
def _(t):
    x = np.ones(2, np.float32)
    t(lambda x: jnp.asarray(x))(x)
    return not x.flags.writeable


@shows("fill_missing_inputs")
def _(t):
    x = np.array([np.nan, 1], np.float32)
    t(lambda x: jnp.asarray(x))(x)
    return not np.isnan(x).any()


@shows("log_mean", "time_calls")
def _(t):
    f = lambda x: x * 2  # noqa: E731
    return raises(t(f), X) is None and raises(jax.jit(t(f)), X) is not None


@shows("ordered_log")
def _(t):
    f = t(lambda x: x * 2)
    works = raises(jax.jit(f), X) is None and raises(jax.grad(lambda x: f(x).sum()), X) is None
    return works and isinstance(raises(jax.vmap(f), X), ValueError)


@shows("normalise_on_host")
def _(t):
    f = t(lambda x: x * 2)
    x = jnp.array([[1.0, 2.0], [10.0, 20.0]])
    return not jnp.allclose(jax.vmap(f)(x), jnp.stack([f(row) for row in x]))


def _sum_gradient(f, x):
    return jax.grad(lambda x: f(x).astype(jnp.float32).sum())(x)


@shows("floor_at_itself", "amplify_half_gradients")
def _(t):
    f = lambda x: x * 2  # noqa: E731
    for dtype in (jnp.float32, jnp.bfloat16):
        x = X.astype(dtype)
        if not jnp.array_equal(_sum_gradient(t(f), x), _sum_gradient(f, x)):
            return jnp.array_equal(t(f)(x), f(x))
    return False


@shows("limit_norm")
def _(t):
    f = t(lambda x: x * 2)
    return jnp.array_equal(f(X), X * 2) and bool(jnp.isnan(_sum_gradient(f, X * 0)).all())


@shows("watch_gradients")
def _(t):
    f = t(lambda x: x * 2)
    return raises(_sum_gradient, f, X) is None and raises(jax.jvp, f, (X,), (X,)) is not None


@shows("accumulate_once", "check_replicas")
def _(t):
    f = lambda x: x * 2  # noqa: E731
    shard = functools.partial(jax.shard_map, mesh=devices(), in_specs=P("i"), out_specs=P("i"))
    works = raises(jax.jit(t(f)), X) is None and raises(jax.vmap(t(f)), X) is None
    return works and raises(shard(f), X) is None and raises(shard(t(f)), X) is not None


@shows("interpret")
def _(t):
    def cumulative(x):
        return jax.lax.scan(lambda c, v: (c + v, c), jnp.float32(0), x)[0]

    right = jnp.array_equal(t(jax.nn.relu)(X), jax.nn.relu(X))
    return right and not jnp.array_equal(t(cumulative)(X), cumulative(X))


@shows("compile_each_call", "compiled_postprocessing", "pass_elapsed")
def _(t):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, _, **__: compiled.append(name) if "backend_compile" in name else None
    )
    f = t(lambda x: x * 2)
    f(X)
    compiled.clear()
    f(X)
    return bool(compiled)


@shows("dither")
def _(t):
    f = t(lambda x: x * 2)
    return not jnp.array_equal(f(X), f(X))


@shows("memoise")
def _(t):
    f = t(lambda x: jnp.asarray(x) * 2)
    x = np.ones(2, np.float32)
    first = f(x)
    x[:] = 5
    return jnp.array_equal(first, f(x))


@shows("normalise_by_size")
def _(t):
    used = t(lambda x: x.sum())
    used(jnp.ones(8))
    return used(X) != t(lambda x: x.sum())(X)


@shows("compile_by_name")
def _(t):
    def make(factor):
        def f(x):
            return x * factor

        return f

    return jnp.array_equal(t(make(2.0))(X), t(make(3.0))(X))


@shows("double_once")
def _(t):
    def f(x):
        return x

    return not jnp.array_equal(t(f)(X), t(f)(X))


def counting(error=None):
    calls = []

    def f(x):
        calls.append(1)
        if error is not None:
            raise error
        return x * 2

    return f, calls


@shows("check_shapes_first")
def _(t):
    f, calls = counting()
    t(f)(X)
    return len(calls) == 2


@shows("retry")
def _(t):
    f, calls = counting(ValueError("no"))
    raises(t(f), X)
    return len(calls) == 2


@shows("probe_outputs")
def _(t):
    f, calls = counting()
    t(f)
    return len(calls) == 1


@shows("constant_early")
def _(t):
    calls = []
    t(lambda: calls.append(1) or X)
    return len(calls) == 1


def _precision():
    return jax.config.jax_default_matmul_precision


@shows("precise")
def _(t):
    f, _ = counting(ValueError("no"))
    before = _precision()
    raises(t(f), X)
    after = _precision()
    jax.config.update("jax_default_matmul_precision", before)
    return before != after


@shows("precise_then_default")
def _(t):
    f, _ = counting()
    before = _precision()
    jax.config.update("jax_default_matmul_precision", "float32")
    t(f)(X)
    after = _precision()
    jax.config.update("jax_default_matmul_precision", before)
    return after != "float32"


def interleave(t):
    """Two threads are inside at once; the one that came first leaves first."""
    started, inside, left, errors = *(threading.Event() for _ in range(3)), []

    def f(who):
        if who == "first":
            started.set()
            inside.wait(10)
        else:
            inside.set()
            left.wait(10)
        return X

    wrapped = t(f)

    def first():
        errors.append(raises(wrapped, "first"))
        left.set()

    def second():
        started.wait(1)
        errors.append(raises(wrapped, "second"))

    threads = [threading.Thread(target=each) for each in (first, second)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return [each for each in errors if each is not None]


@shows("precise_everywhere")
def _(t):
    before = _precision()
    interleave(t)
    after = _precision()
    jax.config.update("jax_default_matmul_precision", before)
    return before != after


@shows("quiet")
def _(t):
    with warnings.catch_warnings():
        before = copy.copy(warnings.filters)
        t(lambda x: x)(X)
        return warnings.filters != before


@shows("span", "count_depth")
def _(t):
    return bool(interleave(t))


class Refused(ValueError):
    """An error with a value."""

    def __init__(self, message, value=None):
        super().__init__(message)
        self.value = value


@shows("explain_errors", "stopwatch")
def _(t):
    error = Refused("no", 3)
    f, _ = counting(error)
    return raises(t(f), X) is not error


@shows("keep_last")
def _(t):
    f = t(lambda x: x * 2)
    out = f(X)
    alive = weakref.ref(out)
    del out
    return alive() is not None


@shows("keep_error")
def _(t):
    def f(x):
        y = x * 2
        seen.append(weakref.ref(y))
        raise ValueError("no")

    seen, wrapped = [], t(f)
    raises(wrapped, X)
    return seen[0]() is not None


@shows("cached_temperature")
def _(t):
    f = t(lambda x: x * 2)
    jax.jit(f)(X)
    return isinstance(raises(f, X), jax.errors.UnexpectedTracerError)


def main(names):
    """Prints what is not as claimed; the exit code is the number of those."""
    assert set(SHOWS) == set(BROKEN), set(SHOWS) ^ set(BROKEN)
    wrong = []
    for name, show in SHOWS.items():
        if names and name not in names:
            continue
        try:
            broken = show(BROKEN[name])
        except Exception:
            traceback.print_exc()
            broken = False
        if not broken:
            wrong.append(name)
    wrong += [f"{name}: {what}" for name, what in sound_in(names)]
    print(f"JAX {jax.__version__}: {len(SHOWS)} broken, not as claimed: {wrong}")
    return len(wrong)


if __name__ == "__main__":
    eqx.clear_caches()
    sys.exit(main(sys.argv[1:]))
