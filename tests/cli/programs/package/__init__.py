import sys

print("package", sys.argv)
