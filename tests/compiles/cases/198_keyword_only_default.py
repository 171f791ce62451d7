# The observation time is bound as a keyword-only default of a function that a loop makes anew: a
# constant of each of the programs.
import jax
import jax.numpy as jnp
import numpy as np


def observers(times):
    for time in times:

        def observe(state, *, at=time):
            return state["position"] + at * state["velocity"]

        yield jax.jit(observe)


state = {"position": np.zeros(3, np.float32), "velocity": np.ones(3, np.float32)}
seen = [np.asarray(observe(state)) for observe in observers((0.5, 1.0, 1.5))]
print(len(seen))
