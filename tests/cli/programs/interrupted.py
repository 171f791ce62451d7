"""Ctrl-C, from within so that it is always at the same place."""

import os
import signal
import sys
import time

print("before")
os.kill(os.getpid(), getattr(signal, sys.argv[1]))
time.sleep(60)
