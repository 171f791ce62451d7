import sys

print("main of the package", sys.argv, __spec__.name, sys.path[0] != "")
