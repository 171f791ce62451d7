"""All that sys.exit takes."""

import sys


class Code(int):
    pass


class Ending(SystemExit):
    pass


FORMS = {
    "nothing": lambda: sys.exit(),
    "zero": lambda: sys.exit(0),
    "three": lambda: sys.exit(3),
    "256": lambda: sys.exit(256),
    "minus": lambda: sys.exit(-1),
    "huge": lambda: sys.exit(2**70),
    "true": lambda: sys.exit(True),
    "text": lambda: sys.exit("an error\nin two lines"),
    "tuple": lambda: sys.exit((1, 2)),
    "subclass": lambda: sys.exit(Code(7)),
    "raised": lambda: (_ for _ in ()).throw(Ending(5)),
    "quit": lambda: quit(4),
}
print("before")
try:
    FORMS[sys.argv[1]]()
finally:
    print("after")
