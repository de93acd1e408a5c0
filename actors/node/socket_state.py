"""The state of a node's sockets as an actor: events and snapshots in, the rows of each second out."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from actors.items import Events, Snapshot, WindowClock
from actors.node.cgroups import Cgroups
from actors.node.datagrams import DatagramTable
from actors.node.dns_names import DnsNames
from actors.node.frames import UNKNOWN
from actors.node.handshakes import NodeHandshakes
from actors.node.listeners import NodeListeners
from actors.node.peer_names import PeerNames
from actors.node.queries import NodeQueries
from actors.node.requests import NodeRequests
from actors.node.rows import STARTED
from actors.node.sockets import SocketTable
from model.actor import Actor
from model.arrays import Columns, is_nothing, zeros
from model.batch import Batch
from model.frame_source import Origin
from model.kinds.delta import DELTA
from model.kinds.listener import LISTENER
from model.ledger import Ledger


class SocketState(Actor):
    """Keeps the socket table, and makes a batch of delta rows of each snapshot; its columns are its own.

    Who its sockets talk to (NAT) and who owns them is not in the rows yet.
    """

    def __init__(self, origin: Origin, ledger: Ledger) -> None:
        self._origin = origin
        self._stage = ledger.stage("sockets", "events")
        self._cgroups = Cgroups()
        self._table = SocketTable(origin.slots - origin.udp_slots, self._stage, self._cgroups)
        self._ledger = ledger
        self._datagrams: DatagramTable | None = None  # once there are any
        self._requests: NodeRequests | None = None  # once there are any
        self._handshakes: NodeHandshakes | None = None  # likewise
        self._names: PeerNames | None = None  # likewise, of answers
        self._texts = DnsNames()
        self._listeners: NodeListeners | None = None  # likewise
        self._queries: NodeQueries | None = None  # likewise
        self._receivers: dict[str, Callable[[np.ndarray, int], None]] = {
            "cgroups": lambda events, _offset_ns: self._table.learn_names(events),
            "sockets": self._table.take_ends,
            "datagrams": lambda events, offset_ns: self._flows().take(events, offset_ns),
            "queries": lambda events, _offset_ns: self._queried().take(events),
            "requests": lambda events, _offset_ns: self._requested().take(events),
            "handshakes": lambda events, _offset_ns: self._shaken().learn(events),
            "decrypted": lambda events, _offset_ns: self._shaken().learn_decrypted(events),
            "dns_answers": lambda events, _offset_ns: self._named().answers.learn(events),
            "dns_names": lambda events, _offset_ns: self._texts.learn(events),
            "listeners": self._take_listeners,
            "links": self._take_links,
            "paths": lambda events, _offset_ns: self._requested().learn_paths(events),
            UNKNOWN: lambda events, _offset_ns: self._table.leave_aside(len(events)),
        }

    def handle(self, item: Any) -> Iterator[Any]:
        """Rows for a snapshot; events of others are passed on."""
        match item:
            case Snapshot():
                yield WindowClock(item.frame.offset_ns)
                if self._listeners:
                    yield from self._listener_rows(self._listeners, item.frame.window)
                yield self._rows(item)
            case Events() if item.receiver in self._receivers:
                self._receivers[item.receiver](item.rows, item.offset_ns)
            case _:
                yield item

    def _flows(self) -> DatagramTable:
        if self._datagrams is None:
            first, slots = self._origin.slots - self._origin.udp_slots, self._origin.udp_slots
            stage = self._ledger.stage("datagrams", "events")
            self._datagrams = DatagramTable(first, slots, stage, self._cgroups)
        return self._datagrams

    def _generations(self) -> np.ndarray:
        """Of the open socket or flow of each slot, 0: none."""
        flows = (
            self._datagrams.generations if self._datagrams else np.zeros(self._origin.udp_slots, np.uint32)
        )
        return np.concatenate((self._table.generations, flows))

    def _requested(self) -> NodeRequests:
        if self._requests is None:
            self._requests = NodeRequests(self._ledger.stage("requests", "requests"))
        return self._requests

    def _queried(self) -> NodeQueries:
        if self._queries is None:
            self._queries = NodeQueries(self._ledger.stage("queries", "queries"), self._texts.get)
        return self._queries

    def _shaken(self) -> NodeHandshakes:
        if self._handshakes is None:
            self._handshakes = NodeHandshakes(self._origin.slots)
        return self._handshakes

    def _named(self) -> PeerNames:
        if self._names is None:
            stage = self._ledger.stage("answers", "answers")
            self._names = PeerNames(self._origin.slots, stage, self._texts)
        return self._names

    def _wanted(self) -> np.ndarray | tuple[()]:
        """Slots of sockets that have a row because something else was learnt of them."""
        parts = [part.slots for part in (self._requests, self._queries, self._handshakes) if part]
        return np.concatenate(parts) if parts else ()

    def _take_links(self, events: np.ndarray, _offset_ns: int) -> None:
        self._requested().take_links(events, self._ledger.stage("links", "requests"))

    def _take_listeners(self, events: np.ndarray, _offset_ns: int) -> None:
        if self._listeners is None:
            self._listeners = NodeListeners(self._cgroups)
        self._listeners.learn(events)

    def _listener_rows(self, listeners: NodeListeners, window: int) -> Iterator[Batch]:
        columns = listeners.rows(window)
        if len(columns["listener.id"]):
            columns["cgroup.index"], paths = self._cgroups.table(columns["cgroup.index"])
            origin = self._origin
            yield Batch(LISTENER, origin.node, origin.boot, 0, window, columns, {"cgroups": paths})

    def _rows(self, snapshot: Snapshot) -> Batch:
        frame, wanted = snapshot.frame, self._wanted()
        flows = self._datagrams.tick(frame.window, frame.missed, wanted) if self._datagrams else ()
        columns, cgroups = self._table.tick(frame, wanted, flows)
        tables: dict[str, Any] = {"cgroups": cgroups}
        rows = len(columns["socket.slot"])
        if self._handshakes:
            tables["handshakes"] = self._handshakes.fill(columns, self._generations())
            self._stage.note("handshake_table_full", self._handshakes.known.refused)
            self._handshakes.known.refused = 0
        else:
            columns["tls.index"] = zeros(rows, np.dtype("<u4"))
            columns["tls.visibility"] = zeros(rows, np.dtype("<u1"))
        stages = {**snapshot.stages, "sockets": self._stage.as_dict()}
        tables["names"] = self._name_peers(columns)
        if self._names:
            stages["answers"] = self._ledger.stages["answers"].as_dict()
        del columns[STARTED]
        if self._datagrams:
            stages["datagrams"] = self._ledger.stages["datagrams"].as_dict()
        if self._requests:
            tables["requests"] = self._requests.group(columns)
            counted = (name for name in ("requests", "links") if name in self._ledger.stages)
            stages |= {name: self._ledger.stages[name].as_dict() for name in counted}
        else:
            columns["requests.index"] = zeros(rows, np.dtype("<u4"))
        if self._queries:
            tables["queries"] = self._queries.group(columns)
            stages["queries"] = self._ledger.stages["queries"].as_dict()
        else:
            columns["queries.index"] = zeros(rows, np.dtype("<u4"))
        return Batch(
            DELTA,
            self._origin.node,
            self._origin.boot,
            0,  # given with the message
            snapshot.frame.window,
            {name: _owned(column) for name, column in columns.items()},
            tables,
            {"open_sockets": self._table.open_sockets, "ledger": stages},
        )

    def _name_peers(self, columns: Columns) -> list[str]:
        """Sets ``peer.name.*``; returns the table of them."""
        if self._names:
            return self._names.fill(columns, self._generations())
        rows = len(columns["socket.slot"])
        columns["peer.name.index"] = zeros(rows, np.dtype("<u4"))
        for part in ("evidence", "ambiguous"):
            columns[f"peer.name.{part}"] = zeros(rows, np.dtype("<u1"))
        return [""]


def _owned(column: np.ndarray) -> np.ndarray:
    """The column itself, or a copy of it if it is a view of the table, which the next snapshot changes."""
    return column if column.base is None or is_nothing(column) else column.copy()
