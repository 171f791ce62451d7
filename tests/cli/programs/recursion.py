"""How often a line is repeated in the traceback depends on how deep the program began."""


def again(n):
    return again(n + 1)


again(0)
