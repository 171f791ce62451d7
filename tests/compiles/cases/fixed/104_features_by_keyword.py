# Features arrive as keywords. The evaluation split has another number of rows, so the types of
# all keyword arrays change, and with them the key of jit's trace cache: a second compile.
import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(1)
table = {name: rng.normal(size=120).astype(np.float32) for name in ("age", "income")}


@jax.jit
def predict(coefficients, **features):
    total = coefficients["bias"]
    for name, column in features.items():
        total = total + coefficients[name] * column
    return jax.nn.sigmoid(total)


coefficients = {"bias": np.float32(0.1), "age": np.float32(0.2), "income": np.float32(-0.3)}
for split in (slice(0, 40), slice(40, 80), slice(80, 120)):
    rows = {name: column[split] for name, column in table.items()}
    probability = predict(coefficients, **rows)
print(np.asarray(probability).mean().shape)
