"""What a program can see of how it was started."""

import os
import sys

import __main__

print(sys.argv, sys.path[0], len(sys.path), __name__, __file__, __spec__, __cached__, __package__)
print(type(__loader__).__name__, __builtins__, list(globals()))
print(__main__ is sys.modules["__main__"], __main__.__dict__ is globals())
print(sys.flags, sys.warnoptions, sys._xoptions, sys.executable, sys.prefix)
print(sys.excepthook is sys.__excepthook__, sys.stdout is sys.__stdout__, sys.getrecursionlimit())
print(sorted(name for name in os.environ if "JAXKIT" in name or name.startswith("PYTHON")))
print(os.environ.get("PYTHONPATH"), "sitecustomize" in sys.modules, getattr(sys, "own", None))
print(
    [name for name in ("json", "typing", "typer", "rich", "jax", "inspect") if name in sys.modules]
)
print(sys._getframe().f_back, __import__("threading").active_count())
