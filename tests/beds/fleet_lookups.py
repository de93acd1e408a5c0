"""Asks for a name at a steady rate, as programs do: by the system's resolver. Counts what became of it.

    python -m tests.beds.fleet_lookups LOG

The first line of its standard input is a JSON object: ``name``, and ``rate`` per second. It prints "ready" once the
name was found, and ends with its standard input.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path


def _look_up(name: str) -> str:
    try:
        socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
    except OSError as error:
        return f"failed: {error}"
    return "found"


def _await_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def main(log: str) -> None:
    """Look up until the standard input ends."""
    asked = json.loads(sys.stdin.readline())
    counts: Counter[str] = Counter()
    ended = threading.Event()
    threading.Thread(target=_await_end, args=(ended,), daemon=True).start()
    if (outcome := _look_up(asked["name"])) != "found":
        raise RuntimeError(outcome)
    print("ready", flush=True)
    begin = time.monotonic()
    for number in range(1 << 62):
        if ended.wait(max(0.0, begin + number / asked["rate"] - time.monotonic())):
            break
        counts[_look_up(asked["name"])] += 1
    Path(log).write_text(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
