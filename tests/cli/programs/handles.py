"""Handles the signal itself."""

import signal
import sys
import time

received = []
signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
print("ready", flush=True)
for _ in range(600):
    time.sleep(0.1)
    if received:
        break
time.sleep(0.3)
print("handled", len(received))
sys.exit(3)
