"""Drops of packets joined with the flows that they belong to, whichever node and namespace dropped them."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from actors.join.drop_reasons import DropReasons
from actors.join.flow_table import CLIENT_SIDE, SERVER_SIDE, FlowTable
from actors.join.names import Names
from actors.join.waiting_drops import WaitingDrops
from actors.nat.tuple_index import NOWHERE, make_keys
from model.arrays import Columns
from model.batch import Batch
from model.chains import HOP
from model.enricher import Entity
from model.kinds.drop import Dropped, DropTransport, said
from model.ledger import Stage
from model.partition import hash_of_ends

#: Transports that flows may have.
_OF_FLOWS: Final = (DropTransport.TCP, DropTransport.UDP)


class DroppedPackets:
    """Finds the flows of drops: by the packet's tuple, by what conntrack says was called, either way round.

    Flows remember how many of their packets were dropped since their last row, and why. Drops whose flow is not known
    yet wait some seconds for it.

    :param stage: in which those are counted that found no flow.
    """

    def __init__(self, table: FlowTable, names: Names, stage: Stage) -> None:
        self._table = table
        self._names = names
        self._stage = stage
        self._waiting = WaitingDrops()
        self._why = DropReasons(table)

    @property
    def expects(self) -> bool:
        """Whether drops wait for flows that are new."""
        return len(self._waiting) > 0

    def take(self, batches: Sequence[Batch], window: int) -> None:
        """Counts drops of a window, before its flows are made."""
        if self._names.dropped.full:
            held = (self._table.drop[self._table.used], self._waiting.reasons, self._why.reasons)
            self._names.dropped.release(np.unique(np.concatenate(held)))
        for batch in batches:
            columns = batch.columns
            flows = self._flows(batch.node, columns)
            reasons = self._names.dropped.ids(_said(batch))
            found = np.flatnonzero(flows != NOWHERE)
            self._count(flows[found], columns["drops"][found], reasons[found])
            lost = np.flatnonzero((flows == NOWHERE) & np.isin(columns["network.transport"], _OF_FLOWS))
            self._waiting.add(_hashes(columns, lost), columns["drops"][lost], reasons[lost], window)

    def rows(self, batches: Sequence[Batch], window: int) -> list[Batch]:
        """The same rows with their flow and who is at both ends, once the window's flows are made."""
        return [self._joined(batch, window) for batch in batches if len(batch)]

    def _joined(self, batch: Batch, window: int) -> Batch:
        columns = dict(batch.columns)
        flows = self._flows(batch.node, columns)
        columns["connection.id"] = np.where(flows != NOWHERE, self._table.id[flows], np.uint64(0))
        self._stage.note("drops_without_flow", int(np.count_nonzero(flows == NOWHERE)))
        entities = self._fill_ends(columns, flows, window)
        return replace(batch, columns=columns, tables={**batch.tables, "entities": entities})

    def _count(self, flows: np.ndarray, drops: np.ndarray, reasons: np.ndarray) -> None:
        np.add.at(self._table.dropped, flows, drops)
        self._table.drop[flows] = reasons
        self._why.add(flows, drops, reasons)

    def _flows(self, node: str, columns: Columns) -> np.ndarray:
        """The flow of each row, the newest of its tuple, or NOWHERE."""
        count = len(columns["drops"])
        flows = np.full(count, NOWHERE, np.int32)
        for begin in ("", "connection."):
            for ends in (("source", "destination"), ("destination", "source")):
                left = np.flatnonzero(flows == NOWHERE)
                if len(left):
                    flows[left] = self._table.newest(_keys(node, columns, begin, ends, left))
        left = np.flatnonzero(flows == NOWHERE)
        if len(left) and (self._table.rewrites.any()):
            flows[left] = self._called(columns, left)
        return flows

    def _called(self, columns: Columns, rows: np.ndarray) -> np.ndarray:
        """Flows that are rewritten, by what their clients called: the packet was dropped before that."""
        table = self._table
        flows = np.flatnonzero(table.used & (table.rewrites != 0))
        known = _hashes_of(table.called.take(flows), table.transport[flows])
        order = np.argsort(known, kind="stable")
        wanted = _hashes(columns, rows)
        places = np.searchsorted(known[order], wanted, side="right") - 1
        there = places >= 0
        there[there] = known[order[places[there]]] == wanted[there]
        found = np.full(len(rows), NOWHERE, np.int32)
        found[there] = flows[order[places[there]]]
        return found

    def meet(self, flows: np.ndarray) -> None:
        """Flows that are new get what was dropped of them before they were known."""
        if not self.expects or not len(flows):
            return
        table = self._table
        for hops in (table.final, table.called):
            which, drops, reasons = self._waiting.take(_hashes_of(hops.take(flows), table.transport[flows]))
            self._count(flows[which], drops, reasons)

    def expire(self, window: int) -> None:
        """Forgets what has waited too long."""
        self._waiting.expire(window)

    def fill(self, columns: Columns, flows: np.ndarray) -> None:
        """What flow rows say of it; counts begin anew."""
        table = self._table
        self._why.settle(flows)
        columns["dropped_segments"] = table.dropped[flows]
        columns["drop.index"] = table.drop[flows]
        table.dropped[flows] = 0

    def _fill_ends(self, columns: Columns, flows: np.ndarray, window: int) -> list[Entity]:
        """Who is at both ends, by flow, else by address; returns the table."""
        identity = self._names.identity
        found: list[np.ndarray] = []
        called = self._sides(columns, flows)
        for end, way in (("source", called), ("destination", 1 - called)):
            addresses = columns[f"{end}.address"]
            by_address = identity.at_addresses([bytes(address) for address in addresses.tolist()], window)
            clients, servers = (side.last["entity.index"].take(flows) for side in self._table.ends)
            of_flow = np.where(way == CLIENT_SIDE, clients, servers)
            found.append(np.where((flows != NOWHERE) & (of_flow != 0), of_flow, by_address))
        renumbered, used = identity.known.used(*found)
        columns["source.entity.index"], columns["destination.entity.index"] = renumbered
        return identity.entities(used, window)

    def _sides(self, columns: Columns, flows: np.ndarray) -> np.ndarray:
        """Which side of its flow each packet came from."""
        table = self._table
        same = np.ascontiguousarray(table.called["source_address"][flows]) == columns["source.address"]
        same &= table.called["source_port"][flows] == columns["source.port"]
        same |= table.final["source_port"][flows] == columns["source.port"]
        return np.where(same, CLIENT_SIDE, SERVER_SIDE)


def _keys(node: str, columns: Columns, begin: str, ends: tuple[str, str], rows: np.ndarray) -> np.ndarray:
    """``KEY`` of the rows' tuples.

    :param begin: of the names of columns: of the packet's own tuple, or of what was called.
    :param ends: which end calls.
    """
    hops = np.zeros(len(rows), HOP)
    for part in ("address", "port"):
        for to, end in zip(("source", "destination"), ends, strict=True):
            hops[f"{to}_{part}"] = columns[f"{begin}{end}.{part}"][rows]
    netns, number = columns["netns.id"][rows], zlib.crc32(node.encode())
    return make_keys(hops, columns["network.transport"][rows].astype(np.uint32), netns, number)


def _hashes(columns: Columns, rows: np.ndarray) -> np.ndarray:
    """A hash of the ends of each of these rows, without regard to who calls; uint64."""
    names = [f"connection.{end}.{part}" for end in ("source", "destination") for part in ("address", "port")]
    return hash_of_ends({name: columns[name][rows] for name in (*names, "network.transport")})


def _hashes_of(hops: np.ndarray, transport: np.ndarray) -> np.ndarray:
    """The same of tuples."""
    columns: Columns = {"network.transport": transport}
    for end in ("source", "destination"):
        columns[f"connection.{end}.address"] = np.ascontiguousarray(hops[f"{end}_address"])
        columns[f"connection.{end}.port"] = hops[f"{end}_port"]
    return hash_of_ends(columns)


#: What tells reasons apart.
_REASON: Final = ("drop.category", "drop.reason", "netfilter.hook", "drop.function", "netns.id")


def _said(batch: Batch) -> list[Dropped]:
    """Why, in words, of each row."""
    rows = list(zip(*(batch.columns[name].tolist() for name in _REASON), strict=True))
    known = {row: said(batch.node, *row) for row in set(rows)}
    return [known[row] for row in rows]
