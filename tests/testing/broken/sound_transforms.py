"""Sound transforms that a kit might blame wrongly, with the tags that they owe.

Longer than 400 lines, as it is a table: each case is a few lines, and one place has them all.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import functools
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxkit
from tests.testing.broken.results import is_float, map_arrays, of_output

logger = logging.getLogger(__name__)

ALL_ARRAYS = ("changes_values", "changes_grad", "changes_dtype")


@jaxkit.transform(tags=ALL_ARRAYS)
def scale_output(fun, *, factor: float = 2.0):
    """An option, other values, other gradients; integers become floats."""
    return of_output(lambda x: x * factor)(fun)


@jax.custom_jvp
def _reverse(x):
    return x


@_reverse.defjvp
def _reverse_jvp(primals, tangents):
    return primals[0], -tangents[0]


@jaxkit.transform(tags=("changes_grad",))
def reverse_gradient(fun):
    """The values to the bit, the gradient with its sign turned (domain adaptation)."""
    return of_output(lambda x: _reverse(x) if is_float(x) else x)(fun)


@jax.custom_vjp
def _clip_backward(x):
    return x


_clip_backward.defvjp(lambda x: (x, None), lambda _, g: (jnp.clip(g, -1, 1),))


@jaxkit.transform(tags=("changes_grad", "no_jvp"))
def clip_backward(fun):
    """A `custom_vjp`, which has no forward mode and says so."""
    return of_output(lambda x: _clip_backward(x) if is_float(x) else x)(fun)


def _jit(fun):
    """`eqx.filter_jit`, which asks for a signature that not every builtin has."""
    try:
        return eqx.filter_jit(fun)
    except ValueError:
        return eqx.filter_jit(lambda *args, **kwargs: fun(*args, **kwargs))


@jaxkit.transform
def compiled(fun):
    """A jit inside, built once when wrapping; strings, flags and None stay static."""
    return _jit(fun)


@jaxkit.transform
def rematerialised(fun):
    """`jax.checkpoint` around the arrays; the jit makes arrays of constant outputs again."""
    return _jit(eqx.filter_checkpoint(fun))


@jaxkit.transform
def scoped(fun):
    """A name scope, from a name that need not exist."""
    name = getattr(fun, "__name__", type(fun).__name__)

    def called(*args, **kwargs):
        with jax.named_scope(name):
            return fun(*args, **kwargs)

    return called


@jaxkit.transform
def barrier(fun):
    """Keeps XLA from fusing across the function's end."""
    return of_output(jax.lax.optimization_barrier)(fun)


@jaxkit.transform
def place_where_it_is(fun):
    """A `device_put` of concrete outputs to the sharding that they have."""

    def put(x):
        if isinstance(x, jax.core.Tracer) or not x.committed:
            return x
        return jax.device_put(x, x.sharding)

    return of_output(put)(fun)


@jaxkit.transform(tags=ALL_ARRAYS)
def through_bfloat16(fun):
    """Rounds floats to bfloat16 and back; what was weak becomes strong."""
    return of_output(lambda x: x.astype(jnp.bfloat16).astype(x.dtype) if is_float(x) else x)(fun)


@jaxkit.transform
def guard_depth(fun):
    """Thread-local state used rightly: read with a default, and set back after errors."""
    local = threading.local()

    def called(*args, **kwargs):
        depth = getattr(local, "depth", 0)
        local.depth = depth + 1
        try:
            return fun(*args, **kwargs)
        finally:
            local.depth = depth

    return called


_ACTIVE: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("active", default=())


@jaxkit.transform
def trail(fun):
    """A context variable that says which functions are running; a generator as the manager."""

    @contextlib.contextmanager
    def entered():
        token = _ACTIVE.set((*_ACTIVE.get(), getattr(fun, "__name__", "?")))
        try:
            yield
        finally:
            _ACTIVE.reset(token)

    def called(*args, **kwargs):
        with entered():
            return fun(*args, **kwargs)

    return called


def _report(value):
    logger.debug("largest %s", np.abs(value).max(initial=0))


@jaxkit.transform
def log_outputs(fun):
    """A debug callback for each output: an effect, but no dependence."""

    def logged(x):
        if is_float(x):
            jax.debug.callback(_report, x)
        return x

    return of_output(logged)(fun)


@jaxkit.transform(tags=("keeps_state",))
def log_seconds(fun):
    """Blocks on concrete outputs only, and keeps one Python number."""

    def called(*args, **kwargs):
        start = time.perf_counter()
        out = jax.block_until_ready(fun(*args, **kwargs))
        called.seconds = time.perf_counter() - start
        return out

    return called


@jaxkit.transform
def annotate_errors(fun):
    """Adds a note to the exception and lets the same object pass."""

    def called(*args, **kwargs):
        try:
            return fun(*args, **kwargs)
        except Exception as error:
            error.add_note(f"in {getattr(fun, '__name__', 'a function')}")
            raise

    return called


@jaxkit.transform
def in_high_precision(fun):
    """A context manager of JAX's: thread-local, and part of the key of its caches."""

    def called(*args, **kwargs):
        with jax.default_matmul_precision("highest"):
            return fun(*args, **kwargs)

    return called


@jaxkit.transform(tags=("changes_structure",))
def in_dict(fun):
    """Returns a dict around the output."""

    def called(*args, **kwargs):
        return {"value": fun(*args, **kwargs), "name": None}

    return called


@jaxkit.transform(tags=("changes_structure",))
def with_norm(fun):
    """Returns the output and its squared norm in float32."""

    def called(*args, **kwargs):
        out = fun(*args, **kwargs)
        squares = []
        map_arrays(
            lambda x: (
                squares.append(jnp.sum(jnp.square(x.astype(jnp.float32)))) if is_float(x) else None
            ),
            out,
        )
        return out, sum(squares, jnp.float32(0))

    return called


@jaxkit.transform(tags=("calls_many",))
def run_twice(fun):
    """Runs the function twice, for its effects, and returns what came last."""

    def called(*args, **kwargs):
        fun(*args, **kwargs)
        return fun(*args, **kwargs)

    return called


@jaxkit.transform(tags=("changes_signature",))
def accept_tag(fun):
    """Takes one more keyword, which the function never sees."""

    def called(*args, log_tag="", **kwargs):
        logger.debug("tag %s", log_tag)
        return fun(*args, **kwargs)

    return called


@jaxkit.transform
def protect_numpy(fun):
    """Gives the function its own copies of NumPy inputs."""

    def called(*args, **kwargs):
        def own(tree):
            if type(tree) is dict:
                return {name: own(each) for name, each in tree.items()}
            if isinstance(tree, (list, np.ndarray)):
                return [own(each) for each in tree] if isinstance(tree, list) else tree.copy()
            return tree

        return fun(*map(own, args), **own(kwargs))

    return called


@jaxkit.transform
def isolate_containers(fun):
    """Copies the containers, not the arrays: the function may change its own dict."""

    def called(*args, **kwargs):
        arrays = {id(x): x for x in jax.tree.leaves((args, kwargs))}
        return fun(*copy.deepcopy(args, dict(arrays)), **copy.deepcopy(kwargs, dict(arrays)))

    return called


_LOWERED: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


@jaxkit.transform
def compiled_by_identity(fun):
    """One jit a function object for all uses, kept no longer than the function."""

    def own(*args, **kwargs):
        alive = reference()
        return alive(*args, **kwargs)

    try:
        reference = weakref.ref(fun)
        jitted = _LOWERED.setdefault(fun, eqx.filter_jit(own))
    except TypeError:  # neither weakly referenced nor hashed
        return _jit(fun)

    def called(*args, **kwargs):
        return jitted(*args, **kwargs)

    called.function = fun  # alive as long as this one
    return called


@jaxkit.transform(tags=("keeps_state",))
def remember_shapes(fun):
    """Remembers the shapes of the last call, no array and no tracer."""

    def called(*args, **kwargs):
        called.shapes = [np.shape(x) for x in jax.tree.leaves((args, kwargs)) if eqx.is_array(x)]
        return fun(*args, **kwargs)

    return called


@jaxkit.transform(tags=("changes_dtype",))
def under_vmap(fun):
    """Runs the function under a vmap of size 1 and takes its example."""

    def called(*args, **kwargs):
        batched = eqx.filter_vmap(lambda _: fun(*args, **kwargs))
        return jax.tree.map(lambda x: x[0] if eqx.is_array(x) else x, batched(jnp.zeros(1)))

    return called


@jaxkit.transform(tags=("changes_values", "changes_dtype"))
def fixed_dither(fun):
    """Noise from a key that is fixed when wrapping: the same in each call."""

    def called(*args, **kwargs):
        def noisy(x):
            noise = jax.random.uniform(jax.random.key(7), x.shape, jnp.float32)
            return (x + 1e-3 * noise).astype(x.dtype) if x.dtype == jnp.float32 else x

        return map_arrays(noisy, fun(*args, **kwargs))

    return called


@jaxkit.transform(tags=(*ALL_ARRAYS, "may_raise"))
def in_float64(fun):
    """Runs the function in float64, whatever the configuration, and returns float32."""

    def called(*args, **kwargs):
        with jax.enable_x64(True):
            wide = map_arrays(lambda x: x.astype(jnp.float64) if is_float(x) else x, args)
            out = fun(*wide, **kwargs)
            return map_arrays(lambda x: x.astype(jnp.float32) if is_float(x) else x, out)

    return called


def plain_wraps(fun):
    """No jaxkit at all: `functools.wraps`, as everybody writes it."""

    @functools.wraps(fun)
    def called(*args, **kwargs):
        return fun(*args, **kwargs)

    return called


SOUND: dict[str, Callable[..., Any]] = {
    "scale_output": scale_output,
    "scale_output_by_3": scale_output(factor=3.0),
    "reverse_gradient": reverse_gradient,
    "clip_backward": clip_backward,
    "compiled": compiled,
    "rematerialised": rematerialised,
    "scoped": scoped,
    "barrier": barrier,
    "place_where_it_is": place_where_it_is,
    "through_bfloat16": through_bfloat16,
    "guard_depth": guard_depth,
    "trail": trail,
    "log_outputs": log_outputs,
    "log_seconds": log_seconds,
    "annotate_errors": annotate_errors,
    "in_high_precision": in_high_precision,
    "in_dict": in_dict,
    "with_norm": with_norm,
    "run_twice": run_twice,
    "accept_tag": accept_tag,
    "protect_numpy": protect_numpy,
    "isolate_containers": isolate_containers,
    "compiled_by_identity": compiled_by_identity,
    "remember_shapes": remember_shapes,
    "under_vmap": under_vmap,
    "fixed_dither": fixed_dither,
    "in_float64": in_float64,
    "plain_wraps": plain_wraps,
    "chain_of_three": jaxkit.chain(reverse_gradient, guard_depth, scale_output(factor=0.5)),
}
