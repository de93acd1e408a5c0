"""Seals a full log until it is told to end: ``python -m tests.unit.store.segments.ended_writer DIR close|exit``.

With ``exit`` the store is not closed: the program ends as one does that fails elsewhere.
"""

import signal
import sys
from pathlib import Path

from store.segments.writer import Writer


def end(*_: object) -> None:
    """As a program ends that gets SIGTERM."""
    sys.exit(0)


def seal_on(folder: str, how: str) -> None:
    """Until SIGTERM."""
    signal.signal(signal.SIGTERM, end)
    writer = Writer(Path(folder))
    try:
        while True:
            signal.pause()
    finally:
        if how == "close":
            writer.close()


if __name__ == "__main__":
    seal_on(sys.argv[1], sys.argv[2])
