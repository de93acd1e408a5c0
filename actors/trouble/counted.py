"""What one of several engines counted in a tick, by who calls whom for what; as columns, and as bytes for a bus.

Counts are few and small, and most are none: each column travels in as many bytes as its largest number needs, or not
at all, and all of them compressed.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import msgpack
import numpy as np

from actors.trouble.answers import AnswerKey
from actors.trouble.drops import DropKey

_VERSION: Final = 1
#: Rows of a message at first; it is halved until the bytes fit.
_ROWS: Final = 1 << 15
_TYPES: Final = ("<u1", "<u2", "<u4", "<u8", "<f4")


class CountedRows(NamedTuple):
    """Rows of one kind; shape (n,).

    :param client: place among the ends; ``server`` likewise.
    :param what: place among what they are asked for.
    :param counts: bad of each symptom and rule, all of each, failed connects by reason, bytes; shape (n, width).
    """

    client: np.ndarray
    server: np.ndarray
    what: np.ndarray
    counts: np.ndarray

    def take(self, rows: slice) -> "CountedRows":
        """Those at these places."""
        return CountedRows(self.client[rows], self.server[rows], self.what[rows], self.counts[rows])


@dataclass(frozen=True)
class Counted:
    """A tick of one engine, or a part of it.

    :param tick: seconds since the epoch, divided by those of a tick.
    :param complete: whether all its seconds came.
    :param names: of symptoms and rules: only counts of the same are summed up.
    :param said: nodes that said something, and whether much was lost there.
    :param ends: who calls or is called: fields of an instance or a workload; the first is nobody with a name.
    :param whats: port, method and route.
    :param connections: rows of workloads; ``requests``: those of endpoints.
    :param part: of ``parts`` of the tick.
    :param drops: packets that kernels dropped, by edge and reason; an engine of before does not tell it.
    :param answers: requests that failed, by edge and answer; likewise.
    """

    tick: int
    complete: bool
    names: Sequence[str]
    said: Mapping[str, bool]
    ends: Sequence[tuple[str, ...]]
    whats: Sequence[tuple[str, str, str]]
    connections: CountedRows
    requests: CountedRows
    part: int = 0
    parts: int = 1
    drops: Sequence[tuple[DropKey, int]] = ()
    answers: Sequence[tuple[AnswerKey, int]] = ()

    def __len__(self) -> int:
        return len(self.connections.client) + len(self.requests.client)

    def split(self, rows: int) -> Iterator["Counted"]:
        """Parts of so many rows of either kind at most, with tables that hold no more than these."""
        longest = max(len(self.connections.client), len(self.requests.client), 1)
        begins = range(0, longest, rows)
        for part, begin in enumerate(begins):
            chosen = slice(begin, begin + rows)
            both = [self.connections.take(chosen), self.requests.take(chosen)]
            both, ends = _used(both, ("client", "server"), self.ends)
            both, whats = _used(both, ("what",), self.whats)
            yield replace(
                self,
                said=self.said if part == 0 else {},
                drops=self.drops if part == 0 else (),
                answers=self.answers if part == 0 else (),
                ends=ends,
                whats=whats,
                connections=both[0],
                requests=both[1],
                part=part,
                parts=len(begins),
            )


def encoded(counted: Counted, most_bytes: int) -> list[bytes]:
    """Messages of at most so many bytes; none: a row alone has more."""
    rows = _ROWS
    while rows:
        messages = [_encode(part) for part in counted.split(rows)]
        if all(len(message) <= most_bytes for message in messages):
            return messages
        rows //= 2
    return []


def decoded(data: bytes) -> Counted:
    """What ``encoded`` gave.

    :raises ValueError: if it cannot be read.
    """
    try:
        told: Mapping[str, Any] = msgpack.unpackb(zlib.decompress(data))
        if told["v"] != _VERSION:
            raise ValueError(f"counts of version {told['v']}; this program reads {_VERSION}")
        ends = [tuple(map(str, end)) for end in told["ends"]]
        whats = [(str(port), str(method), str(route)) for port, method, route in told["whats"]]
        connections, requests = (_rows_of(each, len(ends), len(whats)) for each in told["rows"])
        return Counted(
            tick=int(told["tick"]),
            complete=bool(told["complete"]),
            names=list(told["names"]),
            said={str(node): bool(lossy) for node, lossy in told["said"].items()},
            ends=ends,
            whats=whats,
            connections=connections,
            requests=requests,
            part=int(told["part"][0]),
            parts=int(told["part"][1]),
            drops=[(DropKey(*map(str, key)), int(count)) for *key, count in told.get("drops", ())],
            answers=[(AnswerKey(*map(str, key)), int(count)) for *key, count in told.get("answers", ())],
        )
    except (zlib.error, KeyError, IndexError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"bytes that are no counts of an engine: {error}") from error


def _encode(counted: Counted) -> bytes:
    told = {
        "v": _VERSION,
        "tick": counted.tick,
        "complete": counted.complete,
        "names": list(counted.names),
        "said": dict(counted.said),
        "ends": counted.ends,
        "whats": counted.whats,
        "rows": [_columns(rows) for rows in (counted.connections, counted.requests)],
        "part": (counted.part, counted.parts),
        "drops": [(*key, count) for key, count in counted.drops],
        "answers": [(*key, count) for key, count in counted.answers],
    }
    return zlib.compress(msgpack.packb(told), 1)


def _columns(rows: CountedRows) -> list[Any]:
    columns = [rows.client, rows.server, rows.what, *rows.counts.T]
    return [len(rows.client), *map(_column, columns)]


def _column(values: np.ndarray) -> tuple[int, bytes]:
    """The type's place, and the values; none if all are 0."""
    if not values.any():
        return 0, b""
    whole = np.rint(values)
    if values.dtype.kind == "f" and ((whole != values).any() or values.min() < 0):
        return len(_TYPES) - 1, values.astype(_TYPES[-1]).tobytes()
    largest = float(whole.max())
    code = next((code for code in range(3) if largest < 1 << 8 * 2**code), 3)
    return code, whole.astype(_TYPES[code]).tobytes()


def _rows_of(told: Sequence[Any], ends: int, whats: int) -> CountedRows:
    count, *columns = told
    client, server, what, *counts = (_values(count, code, data) for code, data in columns)
    for places, limit in ((client, ends), (server, ends), (what, whats)):
        if count and places.max() >= limit:
            raise ValueError("places in a table that is shorter")
    told_counts = np.stack(counts, axis=1).astype(np.float32) if counts else np.zeros((count, 0), np.float32)
    client, server, what = (column.astype(np.int64) for column in (client, server, what))
    return CountedRows(client, server, what, told_counts)


def _values(count: int, code: int, data: bytes) -> np.ndarray:
    if not data:
        return np.zeros(count, _TYPES[code])
    values = np.frombuffer(data, _TYPES[code])
    if len(values) != count:
        raise ValueError("columns of several lengths")
    return values


def _used(
    both: list[CountedRows], columns: Sequence[str], table: Sequence[Any]
) -> tuple[list[CountedRows], list[Any]]:
    """Rows with places in a table of what they use alone; its first stays the first."""
    places = [getattr(rows, name) for rows in both for name in columns]
    used = np.unique(np.concatenate([np.zeros(1, np.int64), *places]))
    made = [
        rows._replace(**{name: np.searchsorted(used, getattr(rows, name)) for name in columns})
        for rows in both
    ]
    return made, [table[place] for place in used.tolist()] if table else []
