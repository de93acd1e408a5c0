"""Requests that proxies passed on: rows from a proxy's client to the server whose answer was given to it.

The proxy's node tells which of its connections answered which. Where the connection to the server is known here, too,
its flow says who the server is; else (another engine may join it) what the proxy's node knows of it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from actors.join.counted import Counted
from actors.join.flow_rows import fill_names
from actors.join.flow_table import SERVER_SIDE, FlowTable
from actors.join.names import Names
from actors.join.rows import Rows
from actors.join.socket_places import Places
from actors.nat.tuple_index import NOWHERE, hashed, make_keys
from model.arrays import Columns
from model.chains import Chains
from model.enricher import Entity
from model.handshake import Handshake
from model.kinds.request import ENDS, REQUEST, VIA, Via, ViaEvidence
from model.kinds.workload.names import named

#: In place of a side: what is counted at no end of the row, but between the two.
BETWEEN: Final = 2
#: What the proxy's kernel knows of its two connections.
TRANSPORT: Final = ("rtt_ns", "retransmitted_segments")


@dataclass(frozen=True)
class PassedOn:
    """Rows of requests that were passed on, one for each pair of connections.

    :param flows: columns as of flows: of the proxy's client to the proxy, but for the server.
    :param via: columns of ``REQUEST`` that tell of the proxy.
    :param vias: to which ``via.index`` points; the first is none.
    :param entries: what was counted, of these rows.
    """

    flows: Columns
    via: Columns
    vias: list[Via]
    entries: Counted

    def __len__(self) -> int:
        return len(self.flows["connection.id"])


class Upstreams:
    """Finds out to whom proxies passed requests on."""

    def __init__(
        self,
        table: FlowTable,
        places: Places,
        names: Names,
    ) -> None:
        self._table, self._places, self._names = table, places, names
        self._identity = names.identity

    def passed_on(self, flows: Columns, entries: Counted, rows: Rows, window: int) -> PassedOn:
        """The rows of what was passed on.

        :param flows: of the entries, with ids of the joiner.
        :param entries: what ends counted; those with an upstream are looked at.
        """
        upstreams = rows.requests.upstreams
        links = np.flatnonzero(entries.columns["upstream"])
        pairs = entries.flow[links] * len(upstreams) + entries.columns["upstream"][links]
        pair, numbers = np.unique(pairs, return_inverse=True)
        downstream, upstream = np.divmod(pair, len(upstreams))
        mine = {name: column[downstream] for name, column in flows.items()}
        via = _downstream(mine)
        ends = self._ends(mine, upstreams[upstream])
        tls = self._tls(ends)
        vias, via["via.index"] = self._vias(mine, tls, window)
        self._fill_server(mine, via, ends, upstreams[upstream], rows, window)
        self._name_servers(mine, ends, tls)
        columns = {name: column[links] for name, column in entries.columns.items()}
        side, counts = np.full(len(links), BETWEEN), np.ones(len(links), np.bool_)
        return PassedOn(mine, via, vias, Counted(numbers, side, counts, columns))

    def _tls(self, ends: np.ndarray) -> np.ndarray:
        """What is known of the handshakes with the servers, by its id; 0: nothing."""
        found = np.zeros(len(ends), np.uint32)
        known = np.flatnonzero(ends != NOWHERE)
        called, answered = (end.last["tls.index"][ends[known] // 2] for end in self._table.ends)
        found[known] = np.where(called, called, answered)
        return found

    def _vias(self, flows: Columns, tls: np.ndarray, window: int) -> tuple[list[Via], np.ndarray]:
        """The proxies, named as workloads are, with their clusters, and which of them each row has."""
        words = np.zeros(len(tls), [("entity", "<u4"), ("comm", "S16"), ("tls", "<u4")])
        words["entity"], words["comm"] = flows["server.entity.index"], flows["server.process.comm"]
        words["tls"] = tls
        some, numbers = np.unique(words, return_inverse=True)
        entities = self._identity.entities(some["entity"].tolist(), window)
        handshakes = self._names.handshakes(some["tls"].tolist())
        found = [_named(*each) for each in zip(entities, some["comm"].tolist(), handshakes, strict=True)]
        vias = {Via(): 0}
        places = [vias.setdefault(via, len(vias)) for via in found]
        return [*vias], np.array(places, np.uint32)[numbers]

    def _fill_server(
        self,
        flows: Columns,
        via: Columns,
        ends: np.ndarray,
        upstreams: np.ndarray,
        rows: Rows,
        window: int,
    ) -> None:
        """Puts the server in the place of the proxy."""
        known = np.flatnonzero(ends != NOWHERE)
        at = ends[known] // 2
        server = self._table.ends[SERVER_SIDE]
        hops = np.ascontiguousarray(upstreams["tuple"])
        hops.view("V36")[known] = self._table.final.view("V36")[at]
        for part in ("address", "port"):
            flows[f"server.{part}"] = np.ascontiguousarray(hops[f"destination_{part}"])
        node = flows["server.node.index"]
        crc = _crc(rows)[node]
        via["via.connection.id"] = hashed(
            make_keys(hops, flows["network.transport"], flows["server.netns.id"], crc)
        )
        via["via.connection.id"][known] = self._table.id[at]
        for name in TRANSPORT:
            via[f"via.upstream.{name}"] = upstreams[name]
        via["via.evidence"] = np.where(ends != NOWHERE, ViaEvidence.CONNECTION, ViaEvidence.ADDRESS)
        for name in ENDS:
            column = flows[f"server.{name}"] = np.zeros_like(flows[f"server.{name}"])
            column[known] = server.node[at] if name == "node.index" else server.last[name][at]
        alone = np.flatnonzero(flows["server.entity.index"] == 0)
        found = self._identity.at_addresses(flows["server.address"][alone].tolist(), window)
        flows["server.entity.index"][alone] = found

    def _name_servers(self, flows: Columns, ends: np.ndarray, tls: np.ndarray) -> None:
        """As the proxy calls them, where its connection is known."""
        known = np.flatnonzero(ends != NOWHERE)
        names: Columns = {}
        fill_names(names, self._table, ends[known] // 2)
        names["tls.index"] = tls[known]
        self._names.name_by_tls(names)
        del names["tls.index"]
        for name, column in names.items():
            flows[name] = np.zeros(len(ends), column.dtype)
            flows[name][known] = column

    def _ends(self, flows: Columns, upstreams: np.ndarray) -> np.ndarray:
        """The end of the flow that each socket to a server is, or NOWHERE."""
        columns = {
            "socket.slot": upstreams["slot"],
            "socket.generation": upstreams["generation"],
            "network.transport": flows["network.transport"],
        }
        node = flows["server.node.index"]
        nothing = np.zeros(len(node), np.uint32)
        return self._places.find(Rows(columns, node, nothing, nothing, Chains()), self._table)


def _named(entity: Entity, comm: bytes, handshake: Handshake) -> Via:
    workload = named(entity).workload
    cluster = cluster_of(handshake.server_name)
    if workload:
        return Via("/".join(part for part in (workload.namespace, workload.name) if part), cluster)
    return Via(comm.decode(errors="replace"), cluster)


def cluster_of(server_name: str) -> str:
    """The proxy's own name for where it sends requests, where it calls the server by a name made of that; else "".

    Istio does so for TLS between its proxies: ``outbound_.9080_.v1_.reviews.shop.svc.cluster.local`` is the cluster
    ``outbound|9080|v1|reviews.shop.svc.cluster.local`` (istio/istio: pilot/pkg/model, BuildDNSSrvSubsetKey).
    """
    parts = server_name.split("_.", 3)
    return "|".join(parts) if len(parts) == 4 and parts[0] in ("outbound", "inbound") else ""


def _crc(rows: Rows) -> np.ndarray:
    """By the joiner's number of a node the number that it has everywhere."""
    crc = np.zeros(int(rows.node.max(initial=0)) + 1, np.uint32)
    crc[rows.node] = rows.crc
    return crc


def _downstream(flows: Columns) -> Columns:
    """What the proxy's end of a flow says of the proxy."""
    via = {f"via.{name}": flows[f"server.{name}"] for name in ("process.pid", "process.comm")}
    return via | {f"via.downstream.{name}": flows[f"server.{name}"] for name in TRANSPORT}


def with_passed(entries: Counted, passed: PassedOn | None, flows: int) -> Counted:
    """All of them, those of what was passed on as entries of the last of so many flows."""
    if not passed:
        return entries
    more = passed.entries
    first = flows - len(passed)
    return Counted(
        np.concatenate((entries.flow, more.flow + first)),
        np.concatenate((entries.side, more.side)),
        np.concatenate((entries.counts, more.counts)),
        {name: np.concatenate((column, more.columns[name])) for name, column in entries.columns.items()},
    )


def fill_via(columns: Columns, flows: int, rows: np.ndarray, passed: PassedOn | None) -> list[Via]:
    """The columns of proxies, 0 in rows that are of one connection; returns the proxies, the first none.

    :param rows: the flow of each row, of so many ``flows``.
    """
    columns |= {name: np.zeros(len(rows), kind) for name, kind in REQUEST.types.items() if name in VIA}
    if not passed:
        return [Via()]
    place = rows - (flows - len(passed))
    mine = np.flatnonzero(place >= 0)
    for name, column in passed.via.items():
        columns[name][mine] = column[place[mine]]
    return passed.vias


def fill_times(columns: Columns, entries: Counted, numbers: np.ndarray, count: int) -> None:
    """Where the time went of what was passed on.

    :param numbers: the row of each entry, of ``count``.
    """
    values = entries.columns
    passed_on = values["upstream"] != 0
    before, upstream = (np.where(passed_on, values[f"{part}_ns"], 0) for part in ("before", "upstream"))
    after = np.where(passed_on, values["latency_ns"], 0) - before - upstream
    for part, time in (("before", before), ("upstream", upstream), ("after", after)):
        columns[f"via.{part}_ns"] = entries.sums(time, numbers, count)
