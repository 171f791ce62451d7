"""No way out is shorter."""

import atexit
import os
import sys

atexit.register(print, "never")
print("before", flush=True)
os._exit(int(sys.argv[1]))
