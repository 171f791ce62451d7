# CONTROL: an ordinary Equinox and optax training: layers made in __init__, optimizer state for each
# of their arrays, one compiled step.
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax


class CNN(eqx.Module):
    layers: list

    def __init__(self, key):
        k1, k2, k3 = jax.random.split(key, 3)
        self.layers = [
            eqx.nn.Conv2d(1, 4, kernel_size=3, key=k1),
            jax.nn.relu,
            jnp.ravel,
            eqx.nn.Linear(144, 16, key=k2),
            jax.nn.relu,
            eqx.nn.Linear(16, 10, key=k3),
        ]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@eqx.filter_jit
def train_step(model, opt_state, x, y):
    def loss(model):
        logits = jax.vmap(model)(x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    value, grads = eqx.filter_value_and_grad(loss)(model)
    updates, opt_state = optimizer.update(grads, opt_state, eqx.filter(model, eqx.is_array))
    return eqx.apply_updates(model, updates), opt_state, value


model = CNN(jax.random.key(0))
optimizer = optax.adamw(1e-3)
opt_state = optimizer.init(eqx.filter(model, eqx.is_array))
for i in range(3):
    x, y = np.full((4, 1, 8, 8), 0.1 * i, np.float32), np.arange(4, dtype=np.int32)
    model, opt_state, value = train_step(model, opt_state, x, y)
print(float(value) > 0)
