import atexit
import sys

import dataclasses
import json
import report
import rich
import typer
import typing

print([module.__file__ for module in (json, typing, rich, typer, report, dataclasses)])
