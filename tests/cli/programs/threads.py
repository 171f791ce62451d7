"""Threads that outlive the main one, and a pool that is never shut down."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor


def late():
    threading.main_thread().join()
    time.sleep(0.05)
    print("late")


threading.Thread(target=late).start()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
pool = ThreadPoolExecutor(2)
pool.submit(time.sleep, 0.01)
print("main ends")
sys.exit(int(sys.argv[1]))
