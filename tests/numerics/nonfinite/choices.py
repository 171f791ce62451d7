"""Functions whose NaN is a constant that a condition chose, each with the line that is guilty."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.numerics.faults.case import cases_of, fault, stable

f32 = np.float32


def v(*values: float) -> Callable[[], tuple[Any, ...]]:
    return lambda: (np.array(values, f32),)


BAD = v(0.5, -1.0, 2.0)


# -- functions of JAX that give NaN when there is one


@fault("invalid", args=BAD)
def quantile(x):
    y = jnp.log(x)  # <-
    return jnp.quantile(y, 0.5)


@fault("invalid", args=BAD)
def median(x):
    return jnp.median(jnp.log(x))  # <-


@fault("invalid", args=lambda: (np.array([[1.0, 4.0], [-1.0, 2.0]], f32),))
def median_of_an_axis(x):
    y = jnp.sqrt(x)  # <-
    return jnp.median(y, axis=0) * 2


@fault("log-of-zero", args=v(0.0, 1.0, 2.0))
def percentile(x):
    y = jnp.log(x)  # <-
    y = y - y
    return jnp.percentile(y, 25.0)


@fault("overflow", args=v(1.0, 100.0))
def percentile_of_what_overflows(x):
    y = jnp.exp(x)  # <-
    return jnp.percentile(y / y, 25.0)


@fault("division-by-zero", args=v(0.0, 0.0))
def nanmedian_of_nothing_else(x):
    y = x / x  # <-
    return jnp.nanmedian(y)


@fault("invalid", args=v(-1.0, -2.0))
def nanvar_of_nothing_else(x):
    y = jnp.log(x)  # <-
    return jnp.nanvar(y)


@fault("division-by-zero", args=v(1.0, 1.0, 1.0))
def correlation(x):
    r = jnp.corrcoef(x, x)  # <-
    return jnp.median(r)


@fault("invalid", args=BAD)
def covariance(x):
    y = jnp.log(x)  # <-
    return jnp.median(jnp.cov(y, x))


@fault("invalid", args=BAD)
def median_of_medians(x):
    y = jnp.log(x)  # <-
    m = jnp.median(y)
    return jnp.quantile(jnp.stack([m, 1.0, 2.0]), 0.5)


# -- conditions as users write them


@fault("invalid", args=BAD)
def any_is_nan(x):
    y = jnp.log(x)  # <-
    return jnp.where(jnp.isnan(y).any(), jnp.nan, 1.0)


@fault("overflow", args=v(1.0, 100.0))
def not_finite(x):
    y = jnp.exp(x)  # <-
    return jnp.where(jnp.isfinite(y), y, jnp.nan)


@fault("division-by-zero", args=v(1.0, 0.0))
def is_infinite(x):
    y = 1 / x  # <-
    return jnp.where(jnp.isinf(y), jnp.nan, y)


@fault("invalid", args=BAD)
def compared_with_nan(x):
    y = jnp.log(x)  # <-
    return jnp.where(y < 100, y, jnp.nan)


@fault("invalid", args=BAD)
def counted(x):
    y = jnp.log(x)  # <-
    bad = jnp.sum(jnp.isnan(y))
    return jnp.where(bad > 0, jnp.nan, 1.0)


@fault("invalid", args=BAD)
def flags_on_the_way(x):
    ok = ~jnp.isnan(jnp.log(x))  # <-
    ok = jnp.sort(ok) & jnp.concatenate([ok[1:], ok[:1]]).all()
    flag = jnp.where(ok, 1, 0)
    return jnp.where(flag.min() == 1, x, jnp.nan)


@fault("invalid", args=BAD)
def an_index_made_of_nan(x):
    i = (jnp.sqrt(x).sum() + 7).astype(jnp.int32)  # <-
    return jnp.where((i > 0) & (i < 3), x[jnp.clip(i, 0, 2)], jnp.nan)


@fault("invalid", args=BAD)
def cond(x):
    y = jnp.log(x)  # <-
    return lax.cond(jnp.isnan(y).any(), lambda: jnp.nan, lambda: 1.0)


@fault("invalid", args=BAD)
def cond_that_spoils(x):
    y = jnp.log(x)  # <-
    return lax.cond(jnp.isnan(y).any(), lambda x: x * jnp.nan, lambda x: x, x)


@fault("invalid", args=BAD)
def flag_of_a_cond(x):
    y = jnp.log(x)  # <-
    code = lax.cond(jnp.isnan(y).any(), lambda: 1, lambda: 0)
    return jnp.where(code == 1, jnp.nan, 1.0)


@fault("invalid", args=BAD, of=jax.jit)
def in_jit(x):
    y = jnp.log(x)  # <-
    return jnp.median(y)


@fault("invalid", args=lambda: (np.array([[1.0, 2.0], [1.0, -2.0]], f32),), of=jax.vmap)
def in_vmap(x):
    y = jnp.log(x)  # <-
    return lax.cond(jnp.isnan(y).any(), lambda: jnp.nan, lambda: 1.0)


@fault("invalid", args=BAD, of=jax.value_and_grad)
def in_value_and_grad(x):
    y = jnp.log(x)  # <-
    return jnp.median(y) + x.sum()


@fault("invalid", args=lambda: (f32(2.0), np.array([1.0, -1.0], f32)), of=jax.grad)
def in_grad(w, x):
    y = jnp.log(x)  # <-
    return w * jnp.median(y)


@fault("invalid", args=v(1.0, -1.0, 2.0))
def carried_flag(x):
    def step(bad, x):
        y = jnp.log(x)  # <-
        return bad | jnp.isnan(y), None

    bad, _ = lax.scan(step, False, x)
    return jnp.where(bad, jnp.nan, 1.0)


@fault("invalid", args=v(1.0, -1.0, 2.0))
def flag_of_a_while(x):
    def turn(now):
        i, bad = now
        y = jnp.log(x[i])  # <-
        return i + 1, bad | jnp.isnan(y)

    _, bad = lax.while_loop(lambda now: now[0] < 3, turn, (0, False))
    return jnp.where(bad, jnp.nan, 1.0)


@fault("invalid", args=BAD)
def a_part_of_a_flag(x):
    bad = jnp.isnan(jnp.log(x))  # <-
    part = lax.dynamic_slice(bad, (jnp.argmax(x) - 1,), (2,))
    return jnp.where(part[0], jnp.nan, 1.0)


@fault("invalid", args=v(0.5, -1.0, 2.0, 3.0))
def on_devices(x):
    def each(x):
        y = jnp.log(x)  # <-
        bad = lax.psum(jnp.isnan(y).sum(), "a")
        return jnp.where(bad > 0, jnp.nan, x)

    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), "a")
    spec = jax.sharding.PartitionSpec("a")
    return jax.shard_map(each, mesh=mesh, in_specs=spec, out_specs=spec)(x)


# Only what was looked at has decided.
@fault("invalid", args=v(-1.0, 2.0))
def the_one_that_was_looked_at(x):
    y = jnp.sqrt(x)
    z = jnp.log(x)  # <-
    return jnp.where(jnp.isnan(z), jnp.nan, 1.0), jnp.isnan(y)


@fault("invalid", args=v(-1.0, 2.0))
def repaired_and_looked_at(x):
    y = jnp.sqrt(x)
    y = jnp.where(jnp.isnan(y), 0.0, y)
    z = jnp.log(x + y)  # <-
    return jnp.median(z)


THROUGH = cases_of(sys.modules[__name__])


# -- the condition itself is what is wrong


@fault("invalid", args=v(1.0, 200.0))
def of_finite_values(x):
    return jnp.where(x > 100, jnp.nan, x)  # <-


@fault("invalid", args=v(-1.0, 2.0))
def decided_by_another(x):
    y = jnp.log(x)
    bad = (y > 500) | (x < 0)
    return jnp.where(bad, jnp.nan, 1.0)  # <-


@fault("invalid", args=v(-1.0, 2.0))
def decided_by_another_element(x):
    y = jnp.log(x)
    ok = jnp.concatenate([~(y > 500), x > 0]).all()
    return jnp.where(ok, 1.0, jnp.nan)  # <-


@fault("invalid", args=v(1.0, 0.0))
def as_with_a_large_number(x):
    y = 1 / x
    return jnp.where(y > 100, jnp.nan, 1.0)  # <-


@fault("invalid", args=v(1.0, -2.0))
def mask_that_is_meant(x):
    masked = jnp.where(x > 0, x, -jnp.inf)
    return jnp.where(masked == -jnp.inf, jnp.nan, masked)  # <-


@fault("invalid", args=v(1.0, 2.0))
def sentinel_that_is_meant(x):
    rows = jnp.full(3, jnp.nan).at[:2].set(x)
    return jnp.where(jnp.isnan(rows).any(), jnp.nan, rows.sum())  # <-


@fault("invalid", args=v(1.0, 2.0))
def integers_that_are_moved(x):
    i = jnp.pad(jnp.arange(2), 1)
    return jnp.where(i > 0, x[jnp.array([0, 0, 1, 1])], jnp.nan)  # <-


CONDITION = {n: case for n, case in cases_of(sys.modules[__name__]).items() if n not in THROUGH}


@stable(args=BAD)
def nanmedian(x):
    return jnp.nanmedian(jnp.log(x))


@stable(args=BAD)
def nanmean(x):
    return jnp.nanmean(jnp.log(x)) + jnp.nanstd(jnp.log(x))


@stable(args=v(1.0, -2.0))
def mask_in_a_condition(x):
    masked = jnp.where(x > 0, x, -jnp.inf)
    return jnp.where(masked > -jnp.inf, masked, 0.0)


SOUND = [nanmedian, nanmean, mask_in_a_condition]
