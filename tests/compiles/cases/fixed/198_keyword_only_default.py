# The observation time is bound as a keyword-only default of a function that a loop makes anew: a
# constant of each of the programs.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def observe(state, *, at):
    return state["position"] + at * state["velocity"]


state = {"position": np.zeros(3, np.float32), "velocity": np.ones(3, np.float32)}
seen = [np.asarray(observe(state, at=time)) for time in (0.5, 1.0, 1.5)]
print(len(seen))
