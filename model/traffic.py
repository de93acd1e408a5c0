"""What moved in rows, whole columns at a time: what summaries add up and order by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from model.arrays import Array, Columns


class RowTraffic(NamedTuple):
    """One value for each row; what a socket sent is what went from client to server where a row has two ends."""

    tx_bytes: Array
    rx_bytes: Array
    retransmitted_segments: Array
    rtt_ns: Array


@dataclass(frozen=True)
class Traffic:
    """How rows of a kind are summed up.

    :param moved: of each row.
    :param lives: how many connections were ``opened``, ``closed`` or ``failed``, by row.
    :param words: of open sockets, what was sent and what was received, in a plain line.
    :param titles: the same on a terminal.
    """

    moved: Callable[[Columns], RowTraffic]
    lives: Callable[[Columns, str], Array]
    words: tuple[str, str, str] = ("open_sockets", "to_server", "to_client")
    titles: tuple[str, str, str] = ("open sockets", "→", "←")
