"""What the peers of the coverage saw, read from what they printed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SS_LIVE: Final = "ss -tin each second"
SS_WAITING: Final = "ss -tan each second"


@dataclass(frozen=True)
class Seen:
    """Sockets and bytes that a peer reported.

    :param ends: how many of a connection's two ends it can report.
    """

    sockets: int
    bytes: int
    ends: int
    remark: str


def tcplife_seen(path: Path, port: int) -> Seen:
    """One line for each socket that closed: the last but three columns are ports, KB sent, KB received, ms."""
    sockets, kilobytes = 0, 0
    with path.open() as file:
        for line in file:
            words = line.split()
            if len(words) >= 9 and str(port) in (words[-6], words[-4]):
                sockets += 1
                kilobytes += int(words[-3]) if words[-4] == str(port) else 0
                kilobytes += int(words[-2]) if words[-4] == str(port) else 0
    return Seen(sockets, kilobytes << 10, 2, "closes of both ends")


def ss_seen(path: Path, port: int) -> Seen:
    """Different client ends among all polls; a pair of ports that serves again cannot be told from before."""
    ends = set(_clients(path, port))
    return Seen(len(ends), 0, 1, "pairs of ports")


def _clients(path: Path, port: int) -> Iterator[str]:
    """The client's port of each line, whichever end it shows: ends that wait are shown at the server."""
    with path.open() as file:
        for line in file:
            ports = [word.rpartition(":")[2] for word in line.split() if word.startswith("127.0.0.1:")]
            if len(ports) == 2 and str(port) in ports:
                yield ports[1] if ports[0] == str(port) else ports[0]
