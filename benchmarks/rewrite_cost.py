"""What a NAT rewrite costs user space: ctnetlink messages read as columns, beside one by one."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from benchmarks.figure import Bar, Reading
from benchmarks.peers.walked_entries import entry
from model.errors import TailraceError
from probes.conntrack.ctnetlink import Reader

BAR: Final = Bar(at_most=2, times=5)
#: Messages of one call, and calls of one round.
MESSAGES: Final = 512
CALLS: Final = 40
ROUNDS: Final = 7
WIDTH: Final = 1024
#: A new TCP entry with a rewritten destination, as Linux 6.18 sends it; ports of the caller follow below.
_MESSAGE: Final = bytes.fromhex(
    "94000000000100060000000000000000020000003400018014000180080001000a4d0102080002000a4d01011c000280"
    "050001000600000006000200ed15000006000300005000003400028014000180080001000a4d0202080002000a4d0102"
    "1c0002800500010006000000060002001f90000006000300ed15000008000c000a6fe7b208000300000001a808000700"
    "0000001e"
)
_PORT_AT: Final = (60, 120)


def messages() -> tuple[np.ndarray, np.ndarray]:
    """The buffer as one call fills it, and the lengths."""
    buffer = np.zeros((MESSAGES, WIDTH), np.uint8)
    buffer[:, : len(_MESSAGE)] = np.frombuffer(_MESSAGE, np.uint8)
    ports = np.arange(20000, 20000 + MESSAGES)
    for at in _PORT_AT:
        buffer[:, at], buffer[:, at + 1] = ports >> 8, ports & 0xFF
    return buffer, np.full(MESSAGES, len(_MESSAGE), np.intp)


def microseconds(read: Callable[[], int]) -> float:
    """Processor time per entry; ``read`` reads all messages and returns how many entries it found."""
    begin = time.process_time()
    found = sum(read() for _ in range(CALLS))
    spent = time.process_time() - begin
    if found != CALLS * MESSAGES:
        raise TailraceError(f"{found} entries in {CALLS * MESSAGES} messages")
    return spent / found * 1e6


def measure() -> Iterator[Reading]:
    """Microseconds of processor time per entry, in turns."""
    buffer, lengths = messages()
    reader = Reader()

    def columns() -> int:
        return len(reader.read(buffer, lengths).events)

    def one_by_one() -> int:
        rows = zip(buffer, lengths.tolist(), strict=True)
        return sum(entry(row[:length].tobytes()) is not None for row, length in rows)

    columns()
    taken = [(microseconds(columns), microseconds(one_by_one)) for _ in range(ROUNDS)]
    mine, peer = (statistics.median(values) for values in zip(*taken, strict=True))
    note = f"{ROUNDS} rounds of {CALLS * MESSAGES:,} entries, {MESSAGES} a call"
    yield Reading(mine, "µs", BAR, "a walk for each", peer, note=note)
