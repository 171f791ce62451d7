# CONTROL: every kind of derivative of one jitted function. Each needs programs of its own, all named
# after the function, and all compiled in the first turn of the loop.
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def f(x):
    return jnp.sum(jnp.sin(x) ** 3)


x = np.ones(3, np.float32)
for _ in range(3):
    value, tangent = jax.jvp(f, (x,), (x,))
    hessian = jax.hessian(f)(x)
    backward = jax.jacrev(f)(x)
    linear = jax.linearize(f, x)[1](x)
    pulled = jax.vjp(f, x)[1](np.float32(1.0))
print(np.asarray(hessian).shape)
