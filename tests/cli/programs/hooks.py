"""Every hook of the interpreter's end, in order."""

import atexit
import sys
import threading
import time


class Last:
    def __del__(self):
        print("deleted")


def work():
    time.sleep(0.05)
    print("thread ends")
    raise RuntimeError("in a thread")


def hook(kind, error, trace):
    print("hook", kind.__name__, error, trace.tb_frame.f_code.co_name, trace.tb_next)


atexit.register(print, "first registered")
atexit.register(divmod, 1, 0)
atexit.register(
    lambda: print("at exit", "__file__" in globals(), threading.main_thread().is_alive())
)
last = Last()
sys.excepthook = hook
threading.Thread(target=work).start()
raise LookupError("for the hook")
