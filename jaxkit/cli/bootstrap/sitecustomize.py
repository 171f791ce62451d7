"""The door into the program's process: Python imports this file before the program.

`jaxkit run` puts this folder at the front of PYTHONPATH, and `site` imports a module of this name
if there is one. That leaves the running of the program to Python itself: its `__main__`, its
tracebacks, its exit status and its way out are those of `python SCRIPT`, not copies of them.
"""

import os
import sys


def _start() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if entry != here]
    sys.path_importer_cache.pop(here, None)
    # The jaxkit that was asked to run this, however it is installed, even if not at all.
    root = os.path.dirname(os.path.dirname(os.path.dirname(here)))
    sys.path.insert(0, root)
    try:
        from jaxkit.cli import inside
    finally:
        sys.path.remove(root)
    inside.start()


try:
    _start()
except Exception as error:
    sys.stderr.write(f"jaxkit: cannot watch this program: {type(error).__name__}: {error}\n")

# The environment may have a module of this name of its own. Where it has none, the ImportError is
# what `site` expects in that case.
sys.modules.pop("sitecustomize", None)
import sitecustomize  # noqa: E402, F401
