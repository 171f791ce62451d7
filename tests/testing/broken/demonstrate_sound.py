"""Direct checks of the sound transforms: what their tags do not exempt must hold."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.testing.broken.sound_transforms import SOUND


def poly(x, y=2.0, *rest, mode="sum", shift=None):
    """A function with a bit of everything."""
    x = x * y
    for each in rest:
        x = x + each
    out = x if shift is None else x + shift
    return out.sum() if mode == "sum" else out


def tree(x):
    """Several dtypes, None, a weak type, a Python number and a tuple."""
    return {"b": (x.astype(jnp.bfloat16), None, 3), "a": [x > 0, jnp.asarray(1.0)]}


class Toy(eqx.Module):
    """A callable pytree."""

    weight: jax.Array

    def __call__(self, x):
        return jnp.tanh(self.weight * x).sum()


X = jnp.arange(1.0, 5.0)


def described(out):
    """Structure, shapes, dtypes and weak types."""
    return jax.tree.map(
        lambda x: (x.shape, x.dtype, x.weak_type) if isinstance(x, jax.Array) else x, out
    )


def _value(out):
    return out["value"] if isinstance(out, dict) else out


def _scalar(fun):
    def scalar(x):
        leaves = jax.tree.leaves(fun(x))
        return leaves[0].sum()

    return scalar


def close(a, b):
    """All arrays of two trees agree to rounding, and the structures do."""
    a, b = jax.tree.flatten(a), jax.tree.flatten(b)
    same = all(
        np.allclose(np.asarray(x, np.float64), np.asarray(y, np.float64), 1e-5, 1e-5)
        for x, y in zip(a[0], b[0], strict=True)
    )
    return same and a[1] == b[1]


def check(t):
    """Yields what does not hold."""
    tags = frozenset().union(*(getattr(each, "tags", ()) for each in getattr(t, "links", [t])))
    vector = functools.partial(poly, mode="all")
    plain, wrapped = vector, t(vector)
    if not tags & {"changes_values", "changes_structure"}:
        for args, kwargs in [((X,), {}), ((X, X, X), {"mode": "all"}), ((X,), {"shift": X})]:
            if not close(t(poly)(*args, **kwargs), poly(*args, **kwargs)):
                yield f"values {kwargs}"
        if "changes_dtype" not in tags and described(t(tree)(X)) != described(tree(X)):
            yield f"dtype {described(t(tree)(X))}"
    if not close(jax.jit(wrapped)(X), wrapped(X)):
        yield "jit"
    rows = jnp.stack([X, X + 1])
    stacked = jax.tree.map(lambda *each: jnp.stack(each), *[wrapped(row) for row in rows])
    if not close(jax.vmap(wrapped)(rows), stacked):
        yield "vmap"
    slope = jax.grad(_scalar(wrapped))(X)
    if not tags & {"changes_grad", "changes_values"} and not close(slope, 2 + X * 0):
        yield "grad"
    if "no_jvp" not in tags:
        jax.jvp(_scalar(wrapped), (X,), (X,))
        jax.hessian(_scalar(t(Toy(X))))(X)
    jax.grad(_scalar(jax.jit(wrapped)))(X)
    mesh = Mesh(np.array(jax.devices()), ("i",))
    if "changes_structure" not in tags:
        shard = functools.partial(jax.shard_map, mesh=mesh, in_specs=P("i"), out_specs=P("i"))
        jax.jit(shard(wrapped))(X)
        jax.lax.scan(lambda c, x: (wrapped(c), x), X, X)
        spread = jax.device_put(X, NamedSharding(mesh, P("i")))
        if not wrapped(spread).sharding.is_equivalent_to(plain(spread).sharding, 1):
            yield "sharding"
    yield from check_calls(t, wrapped)


def check_calls(t, wrapped):
    """Compilations on an equal call, and errors."""
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, _, **__: compiled.append(name) if "backend_compile" in name else None
    )
    model = Toy(X)
    for call in (lambda: wrapped(X), lambda: t(model)(X)):
        call()
        compiled.clear()
        call()
        if compiled:
            yield f"retrace {len(compiled)}"
    error = ValueError("no")

    def fails(x):
        raise error

    try:
        t(fails)(X)
    except ValueError as caught:
        if caught is not error:
            yield "exceptions"
    else:
        yield "swallowed"


def sound_in(names):
    """Pairs of name and law, for what is not sound after all."""
    for name, t in SOUND.items():
        if names and name not in names:
            continue
        try:
            for what in check(t):
                yield name, what
        except Exception as error:
            yield name, f"{type(error).__name__}: {str(error)[:200]}"
