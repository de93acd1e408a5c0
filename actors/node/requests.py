"""Requests on a node: what the kernel counted, as groups that rows of sockets point to. Pure."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from model.arrays import Columns
from model.histogram import Histograms, bucket_of
from model.kinds.delta import NO_SLOT
from model.kinds.request import OTHER
from model.ledger import Stage
from model.requests import TYPES, UPSTREAM, Requests
from probes.kernel.layout import copied, enums, joined, rows_where, structs

CELL: Final = structs("http")["request_cell"]
LINK: Final = structs("http")["link_cell"]
_PATHS: Final = enums("http")["http_path"]
_BUCKETS: Final = enums("http")["http_buckets"]["HTTP_BUCKETS"]
_PROXY: Final = enums("http")["proxy_role"]["ROLE_PROXY"]
#: Windows for which requests wait for a row of their socket.
LINGER: Final = 3


def _middles() -> np.ndarray:
    """A latency in the middle of each of the kernel's buckets, in ns: 8192 ns and two for each power of two."""
    steps = np.arange(1, _BUCKETS) + 1
    low = 2.0 ** (steps // 2) * (1 + (steps % 2) / 2)
    return np.concatenate(([8192.0], 8192 * (low + 2.0 ** (steps // 2) / 4)))


#: The bucket of ``model.histogram`` for each of the kernel's.
_HISTOGRAM_BUCKETS: Final = bucket_of(_middles())


class NodeRequests:
    """What sockets had of requests, until the rows of a second are made.

    :param stage: in requests.
    :param paths: known at once; the kernel does not tell of more.
    """

    def __init__(self, stage: Stage, paths: int = 1 << 20) -> None:
        self._stage = stage
        self._links = Stage("requests")
        self._most_paths = paths
        self._cells = np.zeros(0, CELL)
        self._ages = np.zeros(0, np.uint8)
        self._paths = {_PATHS["PATH_NONE"]: "", _PATHS["PATH_OTHER"]: OTHER, _PATHS["PATH_UNKNOWN"]: ""}

    def learn_paths(self, events: np.ndarray) -> None:
        """Takes texts of paths in: ``struct path_event``."""
        for key, text in zip(events["hash"].tolist(), events["text"].tolist(), strict=True):
            if len(self._paths) < self._most_paths:
                self._paths[key] = text.decode("ascii", "replace").encode("ascii", "replace").decode()

    def take(self, events: np.ndarray) -> None:
        """Takes in what was counted: ``struct request_cell``, what each grew by."""
        for stage, count in self._counts(events):
            stage.received += count
        self._cells = joined(self._cells, np.ascontiguousarray(events))
        self._ages = np.concatenate((self._ages, np.zeros(len(events), np.uint8)))
        self._count_queued()

    def take_links(self, events: np.ndarray, stage: Stage) -> None:
        """Takes in what was counted of requests that a proxy passed on: ``struct link_cell``, laid out as the others.

        :param stage: in such requests; they are among all requests twice, to the proxy and from it.
        """
        self._links = stage
        self.take(np.ascontiguousarray(events).view(CELL))

    def _counts(self, cells: np.ndarray) -> Iterator[tuple[Stage, int]]:
        """How many requests are in cells, of each stage."""
        passed_on = _is_link(cells)
        yield self._stage, int(cells["requests"][~passed_on].sum())
        yield self._links, int(cells["requests"][passed_on].sum())

    def _count_queued(self) -> None:
        for stage, count in self._counts(self._cells):
            stage.queued = count

    @property
    def slots(self) -> np.ndarray:
        """Of sockets that had requests, or to which a proxy passed them on; shape (n,), uint32."""
        upstream = _upstream(self._cells)[_is_link(self._cells)]["slot"]
        return np.concatenate((self._cells["header"]["slot"], upstream))

    def group(self, columns: Columns) -> Requests:
        """Sets ``requests.index`` of the rows of a second; returns the table that it points into.

        Requests without a row wait for the next one of their socket; at last they are dropped.
        """
        index = np.zeros(len(columns["socket.slot"]), np.uint32)
        columns["requests.index"] = index
        if not len(self._cells):
            return Requests()
        rows = self._rows(columns)
        found = np.flatnonzero(rows >= 0)
        order = found[np.argsort(rows[found], kind="stable")]
        cells, places = self._cells[order], rows[order]
        held, begins = np.unique(places, return_index=True)
        index[held] = np.arange(1, len(held) + 1)
        for stage, count in self._counts(cells):
            stage.delivered += count
        self._wait(rows < 0)
        return self._table(cells, np.concatenate(([0, 0], begins[1:], [len(cells)])) if len(held) else None)

    def _rows(self, columns: Columns) -> np.ndarray:
        """The row of the socket of each cell, -1 where it has none; what a proxy passed on needs both sockets'."""
        rows = rows_of(self._cells["header"], columns)
        passed_on = np.flatnonzero(_is_link(self._cells))
        there = rows_of(_upstream(self._cells)[passed_on], columns) >= 0
        rows[passed_on[~there]] = -1
        return rows

    def _wait(self, left: np.ndarray) -> None:
        """These had no row; they are given up after ``LINGER`` windows."""
        self._ages = self._ages[left] + np.uint8(1)
        self._cells = copied(rows_where(self._cells, left)) if left.any() else np.zeros(0, CELL)
        old = self._ages >= LINGER
        if old.any():
            for stage, count in self._counts(self._cells[old]):
                if count:
                    stage.drop("socket_unknown", count)
            self._cells, self._ages = copied(rows_where(self._cells, ~old)), self._ages[~old]
        self._count_queued()

    def _table(self, cells: np.ndarray, begins: np.ndarray | None) -> Requests:
        if begins is None:
            return Requests()
        plain = ("method", "status", "requests", "latency_ns", "protocol", "grpc_status")
        sums = ("request_bytes", "response_bytes")
        columns = {name: cells[name] for name in (*plain, *sums)}
        passed_on = _is_link(cells)
        columns["route"], routes = self._texts(cells["path"])
        columns["host"], hosts = self._texts(np.where(passed_on, 0, cells["host"]))
        columns["histogram"] = np.where(passed_on, 0, np.arange(1, len(cells) + 1))
        histograms = kernel_histograms(np.where(passed_on[:, None], 0, cells["buckets"]))
        upstreams = _fill_links(columns, cells, passed_on)
        typed = {name: columns[name].astype(kind) for name, kind in TYPES.items()}
        return Requests(begins.astype(np.int64), typed, routes, histograms, hosts, upstreams)

    def _texts(self, hashes: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """The place of each hash's text in a list of texts, the first of which is empty."""
        held, inverse = np.unique(hashes, return_inverse=True)
        texts = {"": 0}
        places = [texts.setdefault(self._path(key), len(texts)) for key in held.tolist()]
        return np.array(places, np.uint32)[inverse], [*texts]

    def _path(self, key: int) -> str:
        """A path whose text was lost is told again with its next request."""
        text = self._paths.get(key)
        if text is None:
            self._stage.note("path_unknown")
            return ""
        return text


def _is_link(cells: np.ndarray) -> np.ndarray:
    mask: np.ndarray = cells["role"] == _PROXY
    return mask


def _upstream(cells: np.ndarray) -> np.ndarray:
    """Slot and generation of the socket to the server, of cells of what a proxy passed on; shape (n,)."""
    sockets = np.zeros(len(cells), [("slot", "<u4"), ("generation", "<u4")])
    link = cells.view(LINK)["upstream"]
    sockets["slot"], sockets["generation"] = link >> np.uint64(32), link & np.uint64(0xFFFFFFFF)
    return sockets


def _fill_links(columns: Columns, cells: np.ndarray, passed_on: np.ndarray) -> np.ndarray:
    """The columns of what a proxy passed on; returns the upstreams that they point to, with sockets alone."""
    links = cells.view(LINK)
    for name in ("before_ns", "upstream_ns"):
        columns[name] = np.where(passed_on, links[name], 0)
    for name in ("request_bytes", "response_bytes"):
        columns[name] = np.where(passed_on, 0, columns[name])
    sockets, places = np.unique(links["upstream"][passed_on], return_inverse=True)
    columns["upstream"] = np.zeros(len(cells), np.uint32)
    columns["upstream"][passed_on] = places + 1
    upstreams = np.zeros(len(sockets) + 1, UPSTREAM)
    upstreams["slot"][1:], upstreams["generation"][1:] = (
        sockets >> np.uint64(32),
        sockets & np.uint64(0xFFFFFFFF),
    )
    return upstreams


def rows_of(sockets: np.ndarray, columns: Columns) -> np.ndarray:
    """The row of each socket, -1 where it has none; shape (n,).

    :param sockets: with ``slot`` and ``generation``.
    """
    slots, generations = columns["socket.slot"], columns["socket.generation"]
    keys = slots.astype(np.uint64) << np.uint64(32) | generations.astype(np.uint64)
    rows = np.flatnonzero(slots != NO_SLOT)
    order = rows[np.argsort(keys[rows], kind="stable")]
    wanted = sockets["slot"].astype(np.uint64) << np.uint64(32) | sockets["generation"]
    places = np.searchsorted(keys[order], wanted)
    there = places < len(order)
    there[there] = keys[order[places[there]]] == wanted[there]
    found = np.full(len(sockets), -1, np.int64)
    found[there] = order[places[there]]
    return found


def kernel_histograms(buckets: np.ndarray) -> Histograms:
    """One for each cell, behind the empty one.

    :param buckets: the kernel's; shape (n, buckets).
    """
    cells, held = np.nonzero(buckets)
    lengths = np.bincount(cells, minlength=len(buckets))
    begins = np.concatenate(([0, 0], np.cumsum(lengths)))
    return Histograms(begins, _HISTOGRAM_BUCKETS[held], buckets[cells, held].astype(np.int64))
