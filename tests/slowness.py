"""How much slower than a machine of today the one is that the tests run on: tests/vm sets it for an emulated one."""

import os
from typing import Final

#: Deadlines are multiplied by it.
SLOWNESS: Final = float(os.environ.get("SELFTEST_SLOWNESS", "1"))
