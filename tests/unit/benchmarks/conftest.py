"""The benchmarks are run from the checkout and not installed: their folder must be found from there."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))
