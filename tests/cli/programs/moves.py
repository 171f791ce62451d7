"""Changes of folder, environment and search path."""

import os
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
os.environ.clear()
os.environ["PYTHONPATH"] = "/nowhere"
sys.path[:] = []
sys.meta_path[:] = []
sys.path_hooks[:] = []
print("moved")
