# CONTROL: Python numbers are traced as weakly typed scalars; their values are inputs of the program
# and may change from call to call. A tree_util.Partial is a pytree: its bound array may as well.
import jax
import jax.numpy as jnp
import numpy as np


def damped(rate, v):
    return -rate * v


@jax.jit
def pendulum(force, angle, velocity, dt):
    velocity = velocity + dt * (force(velocity) - jnp.sin(angle))
    return angle + dt * velocity, velocity


angle, velocity = np.float32(0.1), np.float32(0.0)
for i in range(4):
    force = jax.tree_util.Partial(damped, np.float32(0.1 * i))
    angle, velocity = pendulum(force, angle, velocity, 0.01 * (i + 1))
print(float(angle) > 0)
