"""Broken: under JAX's own transformations (jit, vmap, grad, shard_map, scan, retrace)."""

from __future__ import annotations

import functools
import logging
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback

import jaxkit
from tests.testing.broken.results import is_float, map_arrays, of_output

logger = logging.getLogger(__name__)


@jaxkit.transform
def log_mean(fun):
    """Logs `float(x.mean())` of each output, which a tracer cannot give."""

    def logged(x):
        if is_float(x):
            logger.debug("mean %.4g", float(x.mean()))
        return x

    return of_output(logged)(fun)


@jaxkit.transform
def time_calls(fun):
    """Calls `leaf.block_until_ready()`, a method that tracers do not have."""

    def timed(*args, **kwargs):
        start = time.perf_counter()
        out = fun(*args, **kwargs)
        map_arrays(lambda x: x.block_until_ready(), out)
        logger.debug("%.6f s", time.perf_counter() - start)
        return out

    return timed


@jaxkit.transform
def ordered_log(fun):
    """Logs through an ordered `io_callback`, which vmap refuses."""

    def logged(x):
        io_callback(_log, None, jax.lax.stop_gradient(x), ordered=True)
        return x

    return of_output(logged)(fun)


def _log(value):
    logger.debug("shape %s", np.shape(value))


def _host_normalise(value):
    value = np.asarray(value)
    return (value / max(1.0, np.abs(value).max(initial=0))).astype(value.dtype)


@jaxkit.transform(tags=("changes_values", "changes_dtype", "changes_grad", "no_grad", "no_jvp"))
def normalise_on_host(fun):
    """Normalises in a batched callback, which under vmap sees all examples at once."""

    def normalised(x):
        if not is_float(x):
            return x
        struct = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(_host_normalise, struct, x, vmap_method="expand_dims")

    return of_output(normalised)(fun)


@jaxkit.transform
def floor_at_itself(fun):
    """`maximum(x, stop_gradient(x))` is x, but its gradient is a half: a tie is shared."""
    return of_output(lambda x: jnp.maximum(x, jax.lax.stop_gradient(x)) if is_float(x) else x)(fun)


@jaxkit.transform
def limit_norm(fun, *, limit: float = 1e30):
    """A norm limit with a bare `where`: right values, but NaN gradients of an all-zero output."""

    def limited(x):
        if x.dtype != jnp.float32:
            return x
        norm = jnp.sqrt(jnp.sum(jnp.square(x)))
        return jnp.where(norm > limit, x * (limit / norm), x)

    return of_output(limited)(fun)


@jax.custom_jvp
def _identity(x):
    return x


@_identity.defjvp
def _identity_jvp(primals, tangents):
    ((x,), (t,)) = primals, tangents
    return x, t * 1024 if x.dtype in (jnp.float16, jnp.bfloat16) else t


@jaxkit.transform
def amplify_half_gradients(fun):
    """A custom rule that scales half-precision tangents up, and nothing that scales them down."""
    return of_output(lambda x: _identity(x) if is_float(x) else x)(fun)


@jax.custom_vjp
def _backward_hook(x):
    return x


_backward_hook.defvjp(lambda x: (x, None), lambda _, g: (g,))


@jaxkit.transform
def watch_gradients(fun):
    """A hook for reverse mode by `custom_vjp`, which forward mode refuses."""
    return of_output(lambda x: _backward_hook(x) if is_float(x) else x)(fun)


@jaxkit.transform
def accumulate_once(fun):
    """Fills a carry of zeros in a loop: under shard_map the carry's type is not the output's."""

    def accumulated(x):
        if x.weak_type or not is_float(x):
            return x
        start = jnp.zeros(x.shape, x.dtype)
        return jax.lax.fori_loop(0, 1, lambda _, carry: carry + x, start)

    return of_output(accumulated)(fun)


@jaxkit.transform(tags=("changes_sharding",))
def check_replicas(fun):
    """Passes outputs through a shard_map over its own mesh, which does not nest in the user's."""

    def checked(*args, **kwargs):
        mesh = jax.sharding.Mesh(np.array(jax.devices()), ("replica",))
        spec = jax.sharding.PartitionSpec()
        check = jax.shard_map(lambda x: x, mesh=mesh, in_specs=spec, out_specs=spec)
        return map_arrays(check, fun(*args, **kwargs))

    return checked


CALLS = ("jit", "pjit", "closed_call", "checkpoint", "remat2", "scan")


def _evaluate(jaxpr, consts, args):
    """A small interpreter that steps into calls, and takes a scan for a call."""
    values = {}

    def read(atom):
        return atom.val if hasattr(atom, "val") else values[atom]

    values.update(zip(jaxpr.constvars, consts, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))
    for eqn in jaxpr.eqns:
        given = [read(each) for each in eqn.invars]
        if eqn.primitive.name in CALLS:
            inner = eqn.params["jaxpr"]
            closed = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
            out = _evaluate(*closed, given)
        else:
            out = eqn.primitive.bind(*given, **eqn.primitive.get_bind_params(eqn.params))
            out = out if eqn.primitive.multiple_results else [out]
        values.update(zip(eqn.outvars, out, strict=True))
    return [read(each) for each in jaxpr.outvars]


@jaxkit.transform
def interpret(fun):
    """Interprets the jaxpr and steps into whatever has one, so a scan runs its body once."""
    make = eqx.filter_make_jaxpr(fun)

    def interpreted(*args, **kwargs):
        closed, shapes, static = make(*args, **kwargs)
        arrays = [x for x in jax.tree.leaves((args, kwargs)) if eqx.is_array(x)]
        out = _evaluate(closed.jaxpr, closed.consts, arrays)
        return eqx.combine(jax.tree.unflatten(jax.tree.structure(shapes), out), static)

    return interpreted


@jaxkit.transform
def compile_each_call(fun):
    """Builds the jit around a new lambda in every call: nothing is ever found in its cache."""

    def called(*args, **kwargs):
        return eqx.filter_jit(lambda *a, **k: fun(*a, **k))(*args, **kwargs)

    return called


@functools.partial(jax.jit, static_argnums=0)
def _apply_compiled(change, x):
    return change(x)


@jaxkit.transform
def compiled_postprocessing(fun):
    """Hands a lambda made in the call to a jitted helper as static: a compilation a call."""

    def called(*args, **kwargs):
        out = fun(*args, **kwargs)
        return map_arrays(lambda x: _apply_compiled(lambda y: y, x), out)

    return called


@jaxkit.transform(tags=("keeps_state",))
def pass_elapsed(fun):
    """Tells a jitted step the seconds since the last call, None at first: two traces, not one."""
    step = eqx.filter_jit(lambda elapsed, args, kwargs: fun(*args, **kwargs))
    last = []

    def called(*args, **kwargs):
        now = time.perf_counter()
        elapsed = jnp.asarray(now - last[-1], jnp.float32) if last else None
        last[:] = [now]
        return step(elapsed, args, kwargs)

    return called
