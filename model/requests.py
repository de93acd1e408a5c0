"""Requests of sockets in columns: a table of groups, one group for what one socket had in one second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from model.arrays import Columns, compacted
from model.chains import HOP
from model.groups import check_places, decoded_columns, places_of, shifted
from model.histogram import Histograms

#: Columns of requests. ``route``, ``host``, ``histogram``, ``upstream`` are places in the tables beside them.
TYPES: Final = {
    "method": "<u1",
    "status": "<u2",
    "protocol": "<u1",
    "grpc_status": "<u1",
    "route": "<u4",
    "host": "<u4",
    "requests": "<u8",
    "request_bytes": "<u8",
    "response_bytes": "<u8",
    "latency_ns": "<u8",
    "histogram": "<u4",
    "upstream": "<u4",
    "before_ns": "<u8",
    "upstream_ns": "<u8",
}
#: A connection of a proxy to a server, as the proxy's node knows it in one second: after all rewriting, what it
#: called, which socket of the node it is, and how it does.
UPSTREAM: Final = np.dtype(
    [
        ("tuple", HOP),
        ("service_address", "V16"),
        ("service_port", "<u2"),
        ("slot", "<u4"),
        ("generation", "<u4"),
        ("rtt_ns", "<u8"),
        ("retransmitted_segments", "<u8"),
    ]
)
#: ``grpc_status`` of what is no gRPC, or ended without a status.
NO_GRPC_STATUS: Final = 255
#: What a message that does not have a column means; 0 for others.
_DEFAULTS: Final = {"protocol": 1, "grpc_status": NO_GRPC_STATUS}
#: Columns that are places in a list of texts, and the attribute that has the list.
_TEXTS: Final = {"route": "routes", "host": "hosts"}


def _nothing() -> Columns:
    return {name: np.zeros(0, kind) for name, kind in TYPES.items()}


def _no_upstreams() -> np.ndarray:
    return np.zeros(1, UPSTREAM)


@dataclass(frozen=True)
class Requests:
    """A table of groups of requests that are alike; the first group is empty.

    :param begins: where the requests of each group begin, and the end of the last; shape (groups + 1,), int64.
    :param columns: of the requests of all groups (``TYPES``): method and protocol as the probe numbers them, status
        (0: no answer), gRPC's status, how many, their and their answers' bytes, the sum of their latencies, from head
        to head, and these in a histogram, of nanoseconds.
    :param routes: texts; the first is empty.
    :param hosts: likewise.
    :param upstreams: ``UPSTREAM``; the first is none. What points to another is no request of its own, but tells of
        requests of this socket that a proxy passed on: whose answers answered them, and of ``latency_ns``, from head
        in to head out, how much went by before (``before_ns``) and meanwhile (``upstream_ns``).
    """

    begins: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))
    columns: Columns = field(default_factory=_nothing)
    routes: Sequence[str] = ("",)
    histograms: Histograms = field(default_factory=Histograms)
    hosts: Sequence[str] = ("",)
    upstreams: np.ndarray = field(default_factory=_no_upstreams)

    def __len__(self) -> int:
        return len(self.begins) - 1

    def places(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The requests of these groups, one group after the other, and how many each has."""
        return places_of(self.begins, groups)

    def take(self, groups: np.ndarray) -> "Requests":
        """The table of these groups alone, in this order; the first of them is the empty one."""
        places, lengths = self.places(groups)
        columns = {name: column[places] for name, column in self.columns.items()}
        texts = {}
        for name, table in _TEXTS.items():
            mine: Sequence[str] = getattr(self, table)
            (columns[name],), used = compacted([columns[name]], len(mine))
            texts[table] = [mine[place] for place in used.tolist()]
        (columns["histogram"],), held = compacted([columns["histogram"]], len(self.histograms))
        (columns["upstream"],), passed = compacted([columns["upstream"]], len(self.upstreams))
        begins = np.concatenate(([0], np.cumsum(lengths)))
        histograms, upstreams = self.histograms.take(held), self.upstreams[passed]
        return Requests(begins, columns, histograms=histograms, upstreams=upstreams, **texts)

    @classmethod
    def joined(cls, tables: Sequence["Requests"]) -> tuple["Requests", list[int]]:
        """One table of all, and by how much numbers (but 0) of groups of each of them grow."""
        shifts = np.cumsum([0, *(len(table) - 1 for table in tables)])[:-1].tolist()
        lengths = [np.diff(table.begins)[1:] for table in tables]
        begins = np.concatenate((np.zeros(2, np.int64), np.cumsum(np.concatenate(lengths))))
        histograms, grown = Histograms.joined([table.histograms for table in tables])
        upstreams = np.concatenate([_no_upstreams(), *(table.upstreams[1:] for table in tables)])
        passed = np.cumsum([0, *(len(table.upstreams) - 1 for table in tables)]).tolist()
        texts: dict[str, list[str]] = {table: [""] for table in _TEXTS.values()}
        parts = []
        for table, shift, before in zip(tables, grown, passed[:-1], strict=True):
            moved = {"histogram": shifted(table.columns["histogram"], shift)}
            moved["upstream"] = shifted(table.columns["upstream"], before)
            for name, held in _TEXTS.items():
                moved[name] = shifted(table.columns[name], len(texts[held]) - 1)
                texts[held] += getattr(table, held)[1:]
            parts.append(table.columns | moved)
        columns = {name: np.concatenate([part[name] for part in parts], dtype=TYPES[name]) for name in TYPES}
        return cls(begins, columns, histograms=histograms, upstreams=upstreams, **texts), shifts

    def encode(self) -> dict[str, Any]:
        """As it stands in a message."""
        if len(self) == 1:
            return {}
        columns = {name: self.columns[name].astype(kind).tobytes() for name, kind in TYPES.items()}
        tables = {
            "routes": list(self.routes),
            "hosts": list(self.hosts),
            "histograms": self.histograms.encode(),
            "upstreams": self.upstreams[1:].tobytes(),
        }
        return {"begins": self.begins.astype("<i8").tobytes(), **columns, **tables}

    @classmethod
    def decode(cls, message: Mapping[str, Any]) -> "Requests":
        """What ``encode`` gave; a column that is not there has zeros, or ``_DEFAULTS``.

        :raises ValueError: if its parts do not fit together.
        """
        begins = np.frombuffer(message.get("begins", b""), "<i8")
        if not len(begins):
            return cls()
        columns = decoded_columns(message, TYPES, _DEFAULTS, begins)
        texts = {table: message.get(table) or [""] for table in _TEXTS.values()}
        histograms = Histograms.decode(message.get("histograms") or {})
        upstreams = np.concatenate(
            [_no_upstreams(), np.frombuffer(message.get("upstreams") or b"", UPSTREAM)]
        )
        if not all(isinstance(text, str) for table in texts.values() for text in table):
            raise ValueError("routes or hosts of requests that are no texts")
        lengths = {
            "histogram": len(histograms),
            "upstream": len(upstreams),
            **{name: len(texts[table]) for name, table in _TEXTS.items()},
        }
        check_places(columns, lengths)
        return cls(begins, columns, histograms=histograms, upstreams=upstreams, **texts)

    @property
    def nbytes(self) -> int:
        """Bytes in a message, about, and not less."""
        columns = sum(np.dtype(kind).itemsize for kind in TYPES.values()) * len(self.columns["status"])
        texts = sum(len(text.encode()) + 5 for held in (self.routes, self.hosts) for text in held)
        tables = self.begins.nbytes + self.histograms.nbytes + self.upstreams.nbytes
        return int(tables) + columns + texts + 256
