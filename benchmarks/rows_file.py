"""The rows that ``tailrace run`` wrote as JSON lines, read back as numbers, and what its ledger says was lost."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


class Line(msgspec.Struct):
    """What is read of a line; all lines have ``kind``, the rest is of rows or of ledgers."""

    kind: str
    local_port: int = msgspec.field(name="network.local.port", default=0)
    peer_port: int = msgspec.field(name="network.peer.port", default=0)
    opened: bool = msgspec.field(name="connection.opened", default=False)
    closed: bool = msgspec.field(name="connection.closed", default=False)
    tx_bytes: int = 0
    rx_bytes: int = 0
    stages: dict[str, Any] = {}


#: Columns of `Rows.numbers`.
LOCAL, PEER, OPENED, CLOSED, TX, RX = range(6)
_decoder: Final = msgspec.json.Decoder(Line)


class Rows:
    """Rows of sockets of one server's port, at both ends.

    :param numbers: local port, peer port, opened, closed, bytes sent, bytes received; shape (n, 6).
    :param ledger: stages by name, as the last line of its kind has them.
    """

    def __init__(self, lines: Iterable[bytes], port: int) -> None:
        self.ledger: dict[str, Any] = {}
        self._port = port
        self.numbers: Numbers = np.array(list(self._rows(lines)), np.int64).reshape(-1, 6)

    def _rows(self, lines: Iterable[bytes]) -> Iterator[tuple[int, ...]]:
        for text in lines:
            line = _decoder.decode(text)
            if line.kind == "ledger":
                self.ledger = line.stages
            elif self._port in (line.local_port, line.peer_port):
                ports = (line.local_port, line.peer_port)
                yield *ports, line.opened, line.closed, line.tx_bytes, line.rx_bytes

    @property
    def dropped(self) -> dict[str, int]:
        """What the ledger says was lost, by stage and reason; empty is what everyone wants to see."""
        return {
            f"{name}.{reason}": count
            for name, stage in self.ledger.items()
            for reason, count in stage["dropped"].items()
            if count
        }

    @property
    def clients(self) -> Numbers:
        """Rows of the connecting ends."""
        return self._where(PEER)

    @property
    def servers(self) -> Numbers:
        """Rows of the accepting ends."""
        return self._where(LOCAL)

    def _where(self, column: int) -> Numbers:
        rows: Numbers = self.numbers[self.numbers[:, column] == self._port]
        return rows


def read_rows(path: Path, port: int) -> Rows:
    """The rows of a file and of those that it became when it grew too large, the oldest first."""
    return Rows(lines_of(path), port)


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of such files."""
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda it: int(it.suffix[1:]), reverse=True)
    for each in (*older, path):
        with each.open("rb") as file:
            yield from file
