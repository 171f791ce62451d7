"""Broken: what is left behind (pure, isolation, once, lazy, config, threads, exceptions, leak)."""

from __future__ import annotations

import functools
import inspect
import itertools
import logging
import threading
import time
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp

import jaxkit
from tests.testing.broken.results import is_float, map_arrays, of_output

logger = logging.getLogger(__name__)


@jaxkit.transform(tags=("changes_values",))
def dither(fun):
    """Draws noise from a Python counter: each call gives another result, and jit freezes one."""
    counter = itertools.count()

    def called(*args, **kwargs):
        key = jax.random.fold_in(jax.random.key(0), next(counter))

        def noisy(x):
            if not is_float(x):
                return x
            return x + 1e-3 * jax.random.uniform(key, x.shape, x.dtype)

        return map_arrays(noisy, fun(*args, **kwargs))

    return called


@jaxkit.transform
def memoise(fun):
    """Remembers results by the `id` of the arguments, which NumPy changes and Python reuses."""
    seen = {}

    def called(*args, **kwargs):
        key = tuple(id(leaf) for leaf in jax.tree.leaves((args, kwargs)))
        if key not in seen:
            seen[key] = fun(*args, **kwargs)
        return seen[key]

    return called


@jaxkit.transform(tags=("changes_values", "changes_grad"))
def normalise_by_size(fun):
    """Divides by the number of elements of the first call, also when later calls have others."""
    sizes = {}

    def called(*args, **kwargs):
        out = fun(*args, **kwargs)
        size = sizes.setdefault(
            "all", sum(x.size for x in jax.tree.leaves((args, kwargs)) if isinstance(x, jax.Array))
        )
        return map_arrays(lambda x: x / max(size, 1) if is_float(x) else x, out)

    return called


_COMPILED = {}


@jaxkit.transform
def compile_by_name(fun):
    """Keeps compiled functions by name: two functions of one name are taken for one."""
    name = getattr(fun, "__qualname__", None)
    if name is None:
        return eqx.filter_jit(fun)
    return _COMPILED.setdefault(name, eqx.filter_jit(fun))


@jaxkit.transform(tags=("changes_values", "changes_grad", "changes_dtype"))
def double_once(fun):
    """Marks the function to guard against wrapping it twice: a second use does nothing."""
    if getattr(fun, "_doubled", False):
        return fun
    try:
        fun._doubled = True
    except AttributeError:  # a builtin
        logger.debug("cannot mark %r", fun)
    return of_output(lambda x: 2 * x)(fun)


@jaxkit.transform
def check_shapes_first(fun):
    """Runs `eval_shape` on the function before each call: its Python code runs twice."""

    def called(*args, **kwargs):
        expected = jax.eval_shape(lambda: eqx.filter(fun(*args, **kwargs), eqx.is_array))
        out = fun(*args, **kwargs)
        shapes = jax.tree.map(jnp.shape, eqx.filter(out, eqx.is_array))
        if shapes != jax.tree.map(jnp.shape, expected):
            logger.warning("shapes differ: %s", shapes)
        return out

    return called


@jaxkit.transform
def retry(fun, *, attempts: int = 2):
    """Runs a failed call again, whatever the error was, also a user's mistake under jit."""

    def called(*args, **kwargs):
        for attempt in range(attempts):
            try:
                return fun(*args, **kwargs)
            except Exception:
                if attempt == attempts - 1:
                    raise
        raise AssertionError("not reached")

    return called


@jaxkit.transform
def probe_outputs(fun):
    """Finds out at wrap time how many outputs there are, by tracing the function on scalars."""
    try:
        required = [
            each
            for each in inspect.signature(fun).parameters.values()
            if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
        ]
        scalar = jax.ShapeDtypeStruct((), jnp.float32)
        outputs = jax.tree.structure(jax.eval_shape(fun, *[scalar] * len(required))).num_leaves
    except Exception:
        outputs = None

    def called(*args, **kwargs):
        out = fun(*args, **kwargs)
        logger.debug("%s outputs expected", outputs)
        return out

    return called


@jaxkit.transform
def constant_early(fun):
    """Takes a function without parameters for a constant, and computes it when it is wrapped."""
    try:
        constant = not inspect.signature(fun).parameters
    except (TypeError, ValueError):
        constant = False
    if constant:
        value = fun()
        return lambda: value

    def called(*args, **kwargs):
        return fun(*args, **kwargs)

    return called


PRECISION = "jax_default_matmul_precision"


@jaxkit.transform
def precise(fun):
    """Sets the precision and sets it back, but not after an exception."""

    def called(*args, **kwargs):
        before = jax.config.jax_default_matmul_precision
        jax.config.update(PRECISION, "highest")
        out = fun(*args, **kwargs)
        jax.config.update(PRECISION, before)
        return out

    return called


@jaxkit.transform
def precise_then_default(fun):
    """Sets the precision and then JAX's default, whatever the user had chosen."""

    def called(*args, **kwargs):
        jax.config.update(PRECISION, "highest")
        try:
            return fun(*args, **kwargs)
        finally:
            jax.config.update(PRECISION, None)

    return called


@jaxkit.transform
def precise_everywhere(fun):
    """Restores faithfully, but what it changes is process-wide: two threads undo each other."""

    def called(*args, **kwargs):
        before = jax.config.jax_default_matmul_precision
        jax.config.update(PRECISION, "highest")
        try:
            return fun(*args, **kwargs)
        finally:
            jax.config.update(PRECISION, before)

    return called


@jaxkit.transform
def quiet(fun):
    """Silences warnings with `simplefilter`, outside of `catch_warnings`: for good."""

    def called(*args, **kwargs):
        warnings.simplefilter("ignore")
        return fun(*args, **kwargs)

    return called


@jaxkit.transform
def span(fun):
    """Pushes and pops spans on one list for all threads: interleaved calls pop each other's."""
    spans = []

    def called(*args, **kwargs):
        mine = object()
        spans.append(mine)
        try:
            return fun(*args, **kwargs)
        finally:
            if spans.pop() is not mine:
                raise RuntimeError("spans must end in the order in which they began")

    return called


@jaxkit.transform
def count_depth(fun):
    """Sets up thread-local state when wrapping, so only the wrapping thread has it."""
    local = threading.local()
    local.depth = 0

    def called(*args, **kwargs):
        local.depth += 1
        try:
            return fun(*args, **kwargs)
        finally:
            local.depth -= 1

    return called


@jaxkit.transform
def explain_errors(fun):
    """Raises a new exception of the same type with a better message: attributes are lost."""

    def called(*args, **kwargs):
        try:
            return fun(*args, **kwargs)
        except ValueError as error:
            name = getattr(fun, "__name__", "function")
            raise type(error)(f"in {name}: {error}") from error

    return called


class Stopwatch:
    """Measures a block; its `__exit__` returns the seconds, which are true."""

    def __enter__(self):
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.start
        return self.seconds


@jaxkit.transform
def stopwatch(fun):
    """Times with a context manager whose `__exit__` returns something true: errors vanish."""

    def called(*args, **kwargs):
        with Stopwatch():
            return fun(*args, **kwargs)

    return called


@jaxkit.transform
def keep_last(fun):
    """Keeps the last output for inspection: alive, and under jit a tracer."""

    def called(*args, **kwargs):
        called.last = fun(*args, **kwargs)
        return called.last

    return called


@jaxkit.transform
def keep_error(fun):
    """Keeps the last exception, whose traceback keeps the frames and all their arrays."""

    def called(*args, **kwargs):
        try:
            return fun(*args, **kwargs)
        except Exception as error:
            called.last_error = error
            raise

    return called


@jaxkit.transform
def cached_temperature(fun, *, temperature: float = 1.0):
    """Caches a constant that may be first made under a trace: the next gets a dead tracer."""
    scale = functools.cache(lambda dtype: jnp.sqrt(jnp.full((), temperature, dtype)))

    def weighted(x):
        return x if x.weak_type or not is_float(x) else x / scale(x.dtype)

    return of_output(weighted)(fun)
