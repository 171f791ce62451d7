"""A listener of the program's own that raises: JAX lets that reach the call."""

import jax


def listener(*args, **kwargs):
    raise RuntimeError("the program's listener")


jax.monitoring.register_event_duration_secs_listener(listener)
jax.monitoring.register_event_listener(listener)
try:
    print(jax.jit(lambda x: x + 1)(1.0))
except RuntimeError as error:
    print("raised", error)
