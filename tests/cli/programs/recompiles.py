"""Three shapes, then an end of each kind; what it prints tells what it saw."""

import os
import signal
import sys
import threading

os.environ["JAX_NUM_CPU_DEVICES"] = "3"
import jax
import numpy as np


@jax.jit
def step(batch):
    return (batch["x"] ** 2).mean()


def compile_for(*rows):
    for n in rows:
        step({"x": np.ones((n, 4), np.float32)})


def after_main():
    threading.main_thread().join()
    compile_for(3)
    print("thread done")


def in_child():
    if os.fork() == 0:
        print("child done")
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]))


def move():
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    sys.stdout = sys.stderr = open(os.devnull, "w")
    print("unseen")


def remove():
    os.rename("reports", "gone")


def clear():
    jax.monitoring.clear_event_listeners()
    compile_for(5, 6)


def wrong():
    step("no array")


ENDS = {
    "return": lambda: None,
    "exit": lambda: sys.exit(7),
    "leave": lambda: os._exit(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "thread": lambda: threading.Thread(target=after_main).start(),
    "fork": lambda: None,
    "move": move,
    "remove": remove,
    "clear": clear,
    "wrong": wrong,
}
if sys.argv[1] == "fork":
    in_child()  # while it still can be: XLA does not survive a fork
compile_for(32, 17, 9)
print("devices", jax.device_count(), [name for name in sys.modules if name.startswith("rich")])
ENDS[sys.argv[1]]()
