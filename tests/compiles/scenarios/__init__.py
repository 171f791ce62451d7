"""The situations of the truth table, one function each, by topic."""

from tests.compiles.scenarios import arrays as arrays
from tests.compiles.scenarios import eager as eager
from tests.compiles.scenarios import functions as functions
from tests.compiles.scenarios import libraries as libraries
from tests.compiles.scenarios import lifetime as lifetime
from tests.compiles.scenarios import placement as placement
from tests.compiles.scenarios import pytrees as pytrees
from tests.compiles.scenarios import static_args as static_args
from tests.compiles.scenarios import transforms as transforms
