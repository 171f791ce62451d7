"""What programs do to their streams."""

import io
import os
import sys


class Loud(io.StringIO):
    def flush(self):
        os.write(1, b"flushed\n")


def close_all():
    print("before", flush=True)
    os.closerange(3, 256)
    reused = os.open("/dev/null", os.O_RDWR)
    os.write(1, b"%d\n" % reused)


def reuse():
    # Files that happen to get the numbers of those that were closed.
    os.closerange(3, 256)
    for number in range(3, 80):
        os.dup2(os.open("/dev/null", os.O_RDWR), number)


def redirect():
    os.dup2(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT), 2)
    print("to the file", file=sys.stderr)


WAYS = {
    "replaced": lambda: setattr(sys, "stdout", io.StringIO()) or print("into a string"),
    "both": lambda: (setattr(sys, "stdout", Loud()), setattr(sys, "stderr", Loud()), print("x")),
    "none": lambda: setattr(sys, "stdout", None) or setattr(sys, "stderr", None),
    "closed": lambda: print("before") or sys.stdout.close(),
    "closed-error": lambda: sys.stderr.close(),
    "detached": lambda: sys.stdout.detach().write(b"detached\n"),
    "descriptors": lambda: os.close(2) or print("no stderr"),
    "close-all": close_all,
    "reuse": reuse,
    "redirect": redirect,
    "unfinished": lambda: sys.stdout.write("no line end") and sys.stderr.write("nor here\n"),
    "megabytes": lambda: [print(f"{n:>79}") for n in range(50_000)] and None,
}
WAYS[sys.argv[1]]()
