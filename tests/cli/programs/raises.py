"""An error with a cause and a context."""


def divide(a, b):
    try:
        return a / b
    except ZeroDivisionError as error:
        raise ValueError(f"cannot divide {a}") from error


try:
    divide(1, 0)
except ValueError:
    print("before", flush=True)
    {}["missing"]
