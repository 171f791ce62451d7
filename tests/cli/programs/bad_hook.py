"""A hook that fails itself."""

import sys


def hook(kind, error, trace):
    raise TypeError("the hook's own")


sys.excepthook = hook
raise LookupError("the program's")
