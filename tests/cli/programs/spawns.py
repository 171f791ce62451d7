"""multiprocessing with a fresh interpreter, which imports this file again."""

import multiprocessing
import os
import sys


def child(n):
    print("child", n, __name__, os.environ.get("PYTHONPATH"), "jaxkit" in sys.modules, sys.argv)


if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=child, args=(3,))
    process.start()
    process.join()
    print(process.exitcode)
print("imported as", __name__, flush=True)
