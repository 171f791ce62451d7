import sys

import helper

print(sys.argv, sys.path[0], __spec__.name, helper.__file__)
raise ValueError("in the folder")
