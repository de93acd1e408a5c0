"""What came of the rows that were sent: read from the JSON lines of several engines while they write them."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec


class Line(msgspec.Struct):
    """What is read of a line."""

    kind: str
    node: str = ""
    boot: str = ""
    seq: int = 0
    window: int = 0
    slot: int = msgspec.field(name="socket.slot", default=0)
    generation: int = msgspec.field(name="socket.generation", default=0)


_decoder: Final = msgspec.json.Decoder(Line)
Name = tuple[str, str, int, int, int]


@dataclass
class Arrivals:
    """Rows as they appear in the files of the engines.

    :param sockets: rows of each window.
    :param sent: when each window ended, in seconds of the monotonic clock.
    :param rows: windows of rows by what names a row, each once.
    :param again: rows that appeared once more under the same name: messages delivered again.
    :param gap: seconds without a row in any file, at most.
    :param late: seconds from a window's end until its last row, at most.
    """

    files: list[Path]
    sockets: int
    sent: dict[int, float] = field(default_factory=dict)
    rows: dict[Name, int] = field(default_factory=dict)
    again: int = 0
    gap: float = 0.0
    late: float = 0.0
    _last: float = 0.0
    _read: Counter[Path] = field(default_factory=Counter)

    def look(self) -> None:
        """Reads the whole lines that are new."""
        now = time.monotonic()
        lines = [line for file in self.files for line in self._new_lines(file)]
        arrived = [line for line in lines if line.kind == "delta"]
        for line in arrived:
            name = (line.node, line.boot, line.seq, line.slot, line.generation)
            self.again += name in self.rows
            if name not in self.rows:
                self.rows[name] = line.window
                self.late = max(self.late, now - self.sent[line.window])
        if arrived:
            self.gap = max(self.gap, now - self._last if self._last else 0.0)
            self._last = now

    def _new_lines(self, path: Path) -> list[Line]:
        try:
            with path.open("rb") as file:
                file.seek(self._read[path])
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read[path] += len(whole)
        return _decoder.decode_lines(whole)

    @property
    def missing(self) -> int:
        """Rows sent that are in no file."""
        return len(self.sent) * self.sockets - len(self._counts())

    @property
    def double(self) -> int:
        """Rows that are there under more than one name."""
        return sum(count - 1 for count in self._counts().values())

    def _counts(self) -> Counter[tuple[int, int]]:
        return Counter((window, name[3]) for name, window in self.rows.items())
