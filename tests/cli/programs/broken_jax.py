"""The first import of JAX fails, and its traceback has no frame of ours; the second does not."""

import sys
import traceback

sys.modules["jaxlib"] = None
try:
    import jax
except ImportError:
    traceback.print_exc()
for name in [name for name in sys.modules if name.partition(".")[0] in ("jax", "jaxlib")]:
    del sys.modules[name]
import jax

print(
    type(jax.__loader__).__name__,
    jax.__spec__.loader is jax.__loader__,
    vars(jax.__loader__).keys(),
)
print([type(finder).__name__ for finder in sys.meta_path], jax.jit(lambda x: x + 1)(1))
