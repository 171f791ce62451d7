"""Dispositions and mask are part of what a program inherits."""

import os
import signal

print(
    [(s.name, signal.getsignal(s)) for s in signal.valid_signals() if isinstance(s, signal.Signals)]
)
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), os.umask(0o22))
read, write = os.pipe()
print(read, write)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError as error:
    print(error)
