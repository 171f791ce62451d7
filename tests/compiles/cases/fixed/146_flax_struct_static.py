# flax.struct.field(pytree_node=False) keeps the number of substeps out of the leaves and in the
# tree structure. The caller adapts it as it goes: a structure per value.
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct


@struct.dataclass
class World:
    position: jax.Array
    velocity: jax.Array
    friction: jax.Array = np.float32(0.0)


@jax.jit
def simulate(world, dt):
    velocity = world.velocity * (1.0 - world.friction)
    return world.replace(position=world.position + dt * velocity, velocity=velocity)


world = World(np.zeros(3, np.float32), np.ones(3, np.float32))
dt = np.float32(0.01)
for friction in (0.0, 0.1, 0.2):
    world = world.replace(friction=np.float32(friction))
    for _ in range(4):
        world = simulate(world, dt)
print(np.asarray(world.position).shape)
