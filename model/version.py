"""The version of Tailrace, as packages, messages and recordings have it."""

from typing import Final

VERSION: Final = "0.1.0"
