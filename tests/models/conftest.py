"""Most of the time of these tests is XLA's: it hardly optimises, and remembers what it compiled."""

from tests.testing.conftest import cheap_compilation as cheap_compilation
from tests.testing.conftest import compiled_programs as compiled_programs
