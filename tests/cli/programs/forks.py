"""Children of all kinds; none but the program's own is ever waited for."""

import os
import sys

for way in ("exit", "return", "raise", "_exit"):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        print("child", way)
        if way == "exit":
            sys.exit(3)
        if way == "raise":
            raise ValueError("in the child")
        if way == "_exit":
            sys.stdout.flush()
            os._exit(4)
        break
    found, status = os.wait()
    print(found == child, os.waitstatus_to_exitcode(status))
else:
    try:
        os.wait()
    except ChildProcessError as error:
        print("parent", error)
