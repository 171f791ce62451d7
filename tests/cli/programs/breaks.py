"""A program that leaves nothing whole: ours must not need it."""

import builtins
import os
import time

print("before", flush=True)
for name in ("print", "open", "len", "isinstance", "getattr"):
    setattr(builtins, name, None)
os.path.exists = time.time = os.unlink = None
