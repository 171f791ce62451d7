# lax.while_loop outside jit with a condition and a body defined in the calling function: both are
# new objects each call, and the eager loop is compiled per object.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def newton_sqrt(a):
    def far(guess):
        return jnp.abs(guess * guess - a) > 1e-3

    def improve(guess):
        return 0.5 * (guess + a / guess)

    return jax.lax.while_loop(far, improve, a)


for value in (2.0, 3.0, 5.0):
    root = newton_sqrt(np.float32(value))
print(float(root))
