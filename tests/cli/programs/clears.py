"""A program that clears what was registered for the end."""

import atexit

atexit.register(print, "never")
atexit._clear()
print("cleared")
