"""Waits to be sent a signal."""

import time

print("ready", flush=True)
time.sleep(60)
