"""Standard input is the program's."""

import sys

print(sys.stdin.read().upper(), input if sys.stdin.isatty() else "no terminal")
