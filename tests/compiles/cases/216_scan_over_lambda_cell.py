# Backtesting with lax.scan in a plain Python method; the body is a lambda and therefore new each
# time, the data have the same shapes.
import jax
import jax.numpy as jnp
import numpy as np


class Backtest:
    def __init__(self, fee):
        self.fee = np.float32(fee)

    def run(self, prices, signal):
        return jax.lax.scan(
            lambda cash, day: (cash + day[1] * day[0] - self.fee, cash),
            np.float32(0.0),
            (prices, signal),
        )


rng = np.random.default_rng(0)
backtest = Backtest(0.01)
for trial in range(3):
    prices, signal = rng.normal(size=(2, 10)).astype(np.float32)
    cash, history = backtest.run(prices, signal)
print(np.asarray(history).shape)
