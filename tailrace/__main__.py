"""``python -m tailrace``: the same as the command ``tailrace``."""

from engine.cli import main

main()
