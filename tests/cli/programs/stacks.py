"""Whatever looks up the stack sees the program at its top."""

import inspect
import logging
import sys
import traceback
import warnings


def deep():
    traceback.print_stack()
    warnings.warn("as if two up", stacklevel=2)
    warnings.warn("as if far up", stacklevel=9)
    logging.basicConfig(format="%(filename)s:%(lineno)d %(message)s")
    logging.error("logged", stacklevel=5)
    print([frame.filename for frame in inspect.stack()], len(inspect.stack()))
    print(inspect.getsource(deep).count("\n"))


deep()
sys.stdout.flush()
sys.setrecursionlimit(40)
deep()
