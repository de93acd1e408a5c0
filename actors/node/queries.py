"""Queries of DNS on a node: what the probe counted, as groups that rows of sockets point to. Pure."""

from collections.abc import Callable
from typing import Final

import numpy as np

from actors.node.requests import LINGER, kernel_histograms, rows_of
from model.arrays import Columns
from model.kinds.request import OTHER
from model.ledger import Stage
from model.queries import TYPES, Queries
from probes.kernel.layout import copied, enums, joined, rows_where, structs

CELL: Final = structs("dns")["query_cell"]
_OTHER: Final = enums("dns")["dns_name"]["NAME_OTHER"]
_PLAIN: Final = ("type", "rcode", "queries", "latency_ns", "retries", "truncated", "search")


class NodeQueries:
    """What sockets had of queries, until the rows of a second are made.

    :param stage: in queries.
    :param text: of a name by its hash; None if it was not told.
    """

    def __init__(self, stage: Stage, text: Callable[[int], str | None]) -> None:
        self._stage = stage
        self._text = text
        self._cells = np.zeros(0, CELL)
        self._ages = np.zeros(0, np.uint8)

    def take(self, events: np.ndarray) -> None:
        """Takes in what was counted: ``struct query_cell``."""
        self._stage.received += int(events["queries"].sum())
        self._cells = joined(self._cells, np.ascontiguousarray(events))
        self._ages = np.concatenate((self._ages, np.zeros(len(events), np.uint8)))
        self._stage.queued = int(self._cells["queries"].sum())

    @property
    def slots(self) -> np.ndarray:
        """Of sockets that had queries; shape (n,), uint32."""
        slots: np.ndarray = self._cells["header"]["slot"]
        return slots

    def group(self, columns: Columns) -> Queries:
        """Sets ``queries.index`` of the rows of a second; returns the table that it points into.

        Queries without a row wait for the next one of their socket; at last they are dropped.
        """
        index = np.zeros(len(columns["socket.slot"]), np.uint32)
        columns["queries.index"] = index
        if not len(self._cells):
            return Queries()
        rows = rows_of(self._cells["header"], columns)
        found = np.flatnonzero(rows >= 0)
        order = found[np.argsort(rows[found], kind="stable")]
        cells, places = self._cells[order], rows[order]
        held, begins = np.unique(places, return_index=True)
        index[held] = np.arange(1, len(held) + 1)
        self._stage.delivered += int(cells["queries"].sum())
        self._wait(rows < 0)
        return (
            self._table(cells, np.concatenate(([0, 0], begins[1:], [len(cells)]))) if len(held) else Queries()
        )

    def _wait(self, left: np.ndarray) -> None:
        """These had no row; they are given up after ``LINGER`` windows."""
        self._ages = self._ages[left] + np.uint8(1)
        self._cells = copied(rows_where(self._cells, left)) if left.any() else np.zeros(0, CELL)
        old = self._ages >= LINGER
        if old.any():
            self._stage.drop("socket_unknown", int(self._cells["queries"][old].sum()))
            self._cells, self._ages = copied(rows_where(self._cells, ~old)), self._ages[~old]
        self._stage.queued = int(self._cells["queries"].sum())

    def _table(self, cells: np.ndarray, begins: np.ndarray) -> Queries:
        columns = {name: cells[name] for name in _PLAIN}
        columns["name"], names = self._names(cells["name"])
        columns["histogram"] = np.arange(1, len(cells) + 1)
        typed = {name: columns[name].astype(kind) for name, kind in TYPES.items()}
        return Queries(begins.astype(np.int64), typed, names, kernel_histograms(cells["buckets"]))

    def _names(self, hashes: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """The place of each name in a list of texts, the first of which is empty."""
        held, inverse = np.unique(hashes, return_inverse=True)
        texts = {"": 0}
        places = [texts.setdefault(self._name(key), len(texts)) for key in held.tolist()]
        return np.array(places, np.uint32)[inverse], [*texts]

    def _name(self, key: int) -> str:
        if key == _OTHER:
            return OTHER
        text = self._text(key)
        if not text:
            self._stage.note("name_unknown")
        return text or ""
