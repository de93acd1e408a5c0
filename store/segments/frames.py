"""The log: frames of what came since the last one, each whole or not there; pure but for reading a file.

A frame is 8 bytes, the length and the CRC-32 of its body (little-endian), and the body: a map of msgpack,

| key | value |
|---|---|
| `tables` | table -> `n` rows, `columns`: name -> (type, bytes), texts, or (lengths, values) of lists; no zeros |
| `marks` | (kind, node, boot, seq) of the newest batch of each source: what has a number up to it came twice |
| `newest_s` | the second of the last batch |
| `complete_s` | up to, and without, this second nothing more is to come in order |

The tables `rows` and `requests` have no `first_s` and `last_s` where they are `begin_s`.
"""

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgpack
import msgspec
import numpy as np

from store.segments.columns import Table, packed, unpacked
from store.segments.tables import STEPPED, TABLES

_HEAD: Final = struct.Struct("<II")
_TIMES: Final = ("first_s", "last_s")
_STEPPED: Final = tuple(table.name for table in STEPPED)

#: A source of numbered batches: kind, node, boot.
Source = tuple[str, str, str]


@dataclass
class Frame:
    """What came since the last frame."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    marks: Mapping[Source, int] = field(default_factory=dict)
    newest_s: int = 0
    complete_s: int = 0


def encoded(frame: Frame) -> bytes:
    """The frame as it stands in a log."""
    body: bytes = msgpack.packb(
        {
            "tables": {name: packed(_without_times(name, table)) for name, table in frame.tables.items()},
            "marks": [(*source, seq) for source, seq in frame.marks.items()],
            "newest_s": frame.newest_s,
            "complete_s": frame.complete_s,
        }
    )
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def _without_times(name: str, table: Table) -> Table:
    """Rows without first and last second, where these are the second that the row is of."""
    if name not in _STEPPED:
        return table
    begins, *times = (np.asarray(table[each]) for each in ("begin_s", *_TIMES))
    if not all(np.array_equal(each, begins) for each in times):
        return table
    return {name: column for name, column in table.items() if name not in _TIMES}


def frames_of(
    path: Path, begin: int = 0, kept: Callable[[Frame], Frame] = lambda frame: frame
) -> tuple[Sequence[Frame], int]:
    """Whole frames of a file from this place on, and where the last of them ends.

    :param kept: what is kept of each; the whole frames are not all in memory then.
    :raises OSError: if it cannot be read.
    """
    frames, end = [], begin
    with path.open("rb") as file:
        file.seek(begin)
        while (body := _whole(file)) is not None:
            end += _HEAD.size + len(body)
            frames.append(kept(_decoded(body)))
    return frames, end


def _whole(file: BinaryIO) -> bytes | None:
    """The body of the next frame; None if there is none, or not yet."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(head)
    body = file.read(length)
    return body if len(body) == length and zlib.crc32(body) == checksum else None


def _decoded(body: bytes) -> Frame:
    """Tables that this program does not know are left aside."""
    message: dict[str, Any] = msgspec.msgpack.decode(body)
    tables = {
        name: unpacked(table, TABLES[name].types)
        for name, table in message["tables"].items()
        if name in TABLES
    }
    for name in _STEPPED:
        if name in tables and _TIMES[0] not in message["tables"][name]["columns"]:
            tables[name] |= dict.fromkeys(_TIMES, tables[name]["begin_s"])
    marks = {(kind, node, boot): seq for kind, node, boot, seq in message["marks"]}
    return Frame(tables, marks, message["newest_s"], message["complete_s"])
