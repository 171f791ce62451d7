print("before")


def fail():
    raise KeyError("in a module")


fail()
