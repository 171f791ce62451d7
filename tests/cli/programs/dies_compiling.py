"""Is killed while XLA compiles: the signal comes from a listener that hears the begin after ours."""

import os
import signal

import jax
import jax.monitoring
import numpy as np

STAGE = "/jax/core/compile/backend_compile_duration"


def die(event, value, **kwargs):
    if event == STAGE:
        os.kill(os.getpid(), signal.SIGKILL)


@jax.jit
def big_step(x):
    return x * 2


jax.monitoring.register_scalar_listener(die)
big_step(np.ones(3, np.float32))
