"""Where a NaN or an infinity was made that spoils the output of a program."""

from jaxkit.numerics.nonfinite.find import find

__all__ = ["find"]
