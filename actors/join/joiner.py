"""The joiner: delta rows of both ends of connections in, one flow row per connection and second out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from actors.items import Window
from actors.join.chain_table import chain_table
from actors.join.counted import GROUPS, Counted, counted, fill_flows
from actors.join.datagram_ends import TURNS, Called, agreed, alone, joinable, waits
from actors.join.dropped import DroppedPackets
from actors.join.flow_rows import REPORTED, flow_columns
from actors.join.flow_table import CLIENT_SIDE, FLOWS, SERVER_SIDE, FlowTable
from actors.join.identity import Cluster
from actors.join.names import BLOCK_ROWS, Names
from actors.join.passed_on import PassedOn, Upstreams
from actors.join.query_rows import QUERY_GROUPS, fill_queries, query_batch
from actors.join.request_rows import RequestRows
from actors.join.routes import Routes
from actors.join.rows import Rows
from actors.join.socket_places import Places
from actors.nat.resolver import callers
from actors.nat.tuple_index import NOWHERE, hashed, make_keys
from model.actor import Actor
from model.arrays import Columns, concatenated
from model.batch import Batch, published
from model.chains import HOP
from model.clock import SECOND_NS
from model.kind import Kind
from model.kinds.delta import began_at, flags
from model.kinds.drop import DROP
from model.kinds.flow import FLOW, Node
from model.ledger import Ledger


class Joiner(Actor):
    """Pairs the two ends of each connection by its resolved tuple. Pure: windows of deltas in, of flows out.

    :param node: who joins, and ``boot``, since when: they name the batches.
    :param flows: connections at once.
    :param cluster: knows more than the nodes do of who is at an end.
    :param block_rows: of a window, about, that are joined at once.
    :param routes: names the routes of requests, whose rows are made beside the flows; none are without.
    :param queries: whether rows of queries are made beside the flows.
    """

    def __init__(
        self,
        node: str,
        boot: str,
        ledger: Ledger,
        flows: int = FLOWS,
        cluster: Cluster | None = None,
        block_rows: int = BLOCK_ROWS,
        routes: Routes | None = None,
        *,
        queries: bool = False,
    ) -> None:
        self._name = Node(node, boot)
        self._stage = ledger.stage("join", "rows")
        self._table = FlowTable(flows, self._stage)
        self._places = Places()
        self._names = Names(self._table, self._places, self._stage, cluster, block_rows)
        self._requests = RequestRows(routes) if routes else None
        self._queries = queries
        self._upstreams = Upstreams(self._table, self._places, self._names)
        self._dropped = DroppedPackets(self._table, self._names, self._stage)
        self._near: dict[bytes, None] = {}
        self._waiting: dict[int, list[Batch]] = {}
        self._scratch = np.zeros(2 * flows, np.int32)
        self._seq = 0
        self._seqs: dict[str, int] = {}

    def __len__(self) -> int:
        """Connections known."""
        return len(self._table)

    @property
    def windows(self) -> list[int]:
        """Windows of which rows wait, the oldest first."""
        return sorted(self._waiting)

    def handle(self, item: Any) -> Iterator[Any]:
        """A window of flows for one of deltas."""
        match item:
            case Window():
                for batch in item.batches:
                    self.add(batch)
                yield replace(item, batches=tuple(self.close(item.number)))
            case _:
                yield item

    def add(self, batch: Batch) -> None:
        """Takes rows in; they wait until their window is closed."""
        self._stage.received += len(batch)
        self._stage.queued += len(batch)
        self._waiting.setdefault(batch.window, []).append(batch)

    def close(self, window: int) -> Iterator[Batch]:
        """The flows of a window, in at least one batch, requests and drops; what comes later is another batch."""
        waiting = self._waiting.pop(window, [])
        batches = [batch for batch in waiting if batch.kind is not DROP]
        drops = [batch for batch in waiting if batch.kind is DROP]
        self._dropped.take(drops, window)
        head = Batch(FLOW, *self._name, self._seq, window, FLOW.empty())
        counts: dict[Kind, list[Batch]] = {}
        found = self._names.rows(batches) if batches else ()
        blocks = [self._block(head, rows, counts) for rows in found] or [head]
        drops = self._dropped.rows(drops, window)
        self._table.expire(window)
        for batch in published(blocks):
            self._seq = batch.seq + 1
            yield batch
        for made in counts.values():
            yield from self._numbered(made)
        yield from drops
        self._dropped.expire(window)
        rows = sum(map(len, waiting))
        self._stage.queued -= rows
        self._stage.delivered += rows

    def _numbered(self, made: list[Batch]) -> Iterator[Batch]:
        """Batches of one kind of counted things, with numbers of their own."""
        name = made[0].kind.name
        first = replace(made[0], seq=self._seqs.get(name, 0))
        for batch in published([first, *made[1:]]):
            self._seqs[name] = batch.seq + 1
            yield batch

    def _block(self, head: Batch, rows: Rows, counts: dict[Kind, list[Batch]]) -> Batch:
        """The flows of some rows, with the tables of what they point into, in a batch like ``head``.

        :param counts: gets requests and queries of the flows, by their kinds.
        """
        columns = _concatenated(list(self._join(rows, head.window)))
        count = len(columns["flow"])
        self._names.name_by_tls(columns)
        entries, queries = self._counted(columns, rows), self._queried(columns, rows)
        passed = self._passed_on(columns, entries, rows, head.window)
        if passed:
            columns = {name: concatenated([columns[name], passed.flows[name]]) for name in columns}
        chains = chain_table(self._table, columns)
        columns, tables = self._names.tables(columns, head.window)
        tables = {**tables, "chains": chains}
        if self._requests and entries:
            batch = self._requests.batch(head, columns, tables, entries.own, rows.requests, passed)
            counts.setdefault(batch.kind, []).append(batch)
        if queries and self._queries:
            batch = query_batch(head, columns, tables, queries, rows.queries)
            counts.setdefault(batch.kind, []).append(batch)
        if passed:
            columns = {name: column[:count] for name, column in columns.items()}
        return replace(head, columns=columns, tables=tables)

    def _passed_on(
        self, columns: Columns, entries: Counted | None, rows: Rows, window: int
    ) -> PassedOn | None:
        """Rows of what proxies passed on; None if there is nothing, or nobody wants it."""
        if not self._requests or not entries or not entries.columns["upstream"].any():
            return None
        return self._upstreams.passed_on(columns, entries, rows, window)

    def _counted(self, columns: Columns, rows: Rows) -> Counted | None:
        """What the rows' sockets counted of requests, whose sums go into ``columns``; None if nothing."""
        entries = counted(columns, rows.requests, self._table) if len(rows.requests) > 1 else None
        if entries:
            fill_flows(columns, entries.own)
        for name in GROUPS:
            del columns[name]
        return entries

    def _queried(self, columns: Columns, rows: Rows) -> Counted | None:
        """The same of queries."""
        queries = rows.queries
        entries = counted(columns, queries, self._table, QUERY_GROUPS) if len(queries) > 1 else None
        if entries:
            fill_queries(columns, entries)
        for name in QUERY_GROUPS:
            del columns[name]
        return entries

    def _join(self, rows: Rows, window: int) -> Iterator[Columns]:
        """Flow columns, those of earlier seconds first; several rows of a socket in one second come apart."""
        late = rows.columns["window.late_s"]
        self._stage.note("late", int(np.count_nonzero(late)))
        for seconds in np.flatnonzero(np.bincount(late))[::-1]:
            left, turn = rows.take(np.flatnonzero(late == seconds)), 0
            while len(left):
                ends, later = self._ends(left, window, turn)
                turn += 1
                now = left.take(np.flatnonzero(~later))
                if len(now):
                    yield self._flows(now, ends[~later], window)
                left = left.take(np.flatnonzero(later))

    def _ends(self, rows: Rows, window: int, turn: int) -> tuple[np.ndarray, np.ndarray]:
        """The end of a flow (flow × 2 + side) that each row is about, and which rows must wait for a later turn."""
        ends = self._places.find(rows, self._table)
        later = np.zeros(len(rows), np.bool_)
        moved = self._moved(rows, ends)
        new = np.flatnonzero((ends == NOWHERE) | moved)
        if len(new):
            again = self._places.repeated(rows, new)
            if turn < TURNS and joinable(rows).any():
                again |= waits(rows, ends, new, self._called(rows))
            later[new[again]] = True
            new = new[~again]
            before = ends[new]
            ends[new] = self._pair(rows.take(new), window)
            self._leave(before, ends[new])
        place = np.arange(len(rows), dtype=np.int32)
        valid = np.flatnonzero(~later)
        self._scratch[ends[valid][::-1]] = place[valid][::-1]
        later[valid] = self._scratch[ends[valid]] != place[valid]
        return ends, later

    def _moved(self, rows: Rows, ends: np.ndarray) -> np.ndarray:
        """Which known clients turn out to have been rewritten after all."""
        index = np.maximum(ends, 0)
        moved: np.ndarray = (ends >= 0) & (index % 2 == CLIENT_SIDE) & (rows.columns["nat.index"] != 0)
        known = np.flatnonzero(moved)
        if len(known):
            moved[known] = self._other_than(rows, known, index[known] // 2)
        return moved

    def _other_than(self, rows: Rows, known: np.ndarray, flows: np.ndarray) -> np.ndarray:
        """Which of these rows have another resolved tuple than their flows."""
        finals = self._table.final.take(flows)
        other = np.zeros(len(known), np.bool_)
        for end in ("source", "destination"):
            other |= finals[f"{end}_port"] != rows.columns[f"connection.{end}.port"][known]
            now = rows.columns[f"connection.{end}.address"].take(known).view("<u8").reshape(-1, 2)
            then = np.ascontiguousarray(finals[f"{end}_address"]).view("<u8").reshape(-1, 2)
            other |= (now[:, 0] != then[:, 0]) | (now[:, 1] != then[:, 1])
        return other

    def _leave(self, before: np.ndarray, after: np.ndarray) -> None:
        """Ends that moved to another flow leave the one they were in, which ends if nobody else is there."""
        had = np.flatnonzero(before != NOWHERE)
        flows = before[had] // 2
        table = self._table
        table.opened[after[had] // 2] |= table.opened[flows]
        table.previous[after[had] // 2] = table.id[flows]
        table.ends[CLIENT_SIDE].clear(flows)
        alone = flows[table.ends[SERVER_SIDE].node[flows] == 0]
        table.give_up(np.unique(alone))
        self._stage.note("moved", len(had))

    def _pair(self, rows: Rows, window: int) -> np.ndarray:
        """Ends for sockets that are new: clients first, so that servers of the same second find them."""
        columns, called = rows.columns, agreed(rows, self._called(rows), self._table)
        opened_at = columns["connection.opened_at_ns"].astype(np.int64)
        single = alone(rows)
        self._meet(columns["network.local.address"])
        ends = np.empty(len(rows), np.int64)
        for side in (CLIENT_SIDE, SERVER_SIDE):
            mine = np.flatnonzero(called.calls == (side == CLIENT_SIDE))
            keys, nodes = called.keys.take(mine), rows.node[mine]
            flows = self._table.pair(side, keys, opened_at[mine], nodes, window, single[mine])
            self._introduce(side, flows, rows.take(mine), called.hops.take(mine), window)
            ends[mine] = flows.astype(np.int64) * 2 + side
        self._places.learn(rows, ends)
        return ends

    @staticmethod
    def _called(rows: Rows) -> Called:
        """Who called whom, as the rows say."""
        columns, hops = rows.columns, rows.hops()
        keys = make_keys(hops, columns["network.transport"], columns["netns.id"], rows.crc)
        return Called(callers(columns), hops, keys)

    def _introduce(self, side: int, flows: np.ndarray, rows: Rows, hops: np.ndarray, window: int) -> None:
        """What a socket that is new says of its flow for good."""
        table = self._table
        other = table.ends[1 - side].node[flows] != 0
        self._stage.note("met_later", int(np.count_nonzero(other & (table.met[flows] < window))))
        table.met[flows[~other]] = window
        began = began_at(rows.columns)[~other]
        table.since[flows[~other]] = np.where(began != 0, began, (window + 1) * SECOND_NS)
        table.final.view("V36")[flows] = hops.view("V36")
        table.ends[side].node[flows] = rows.node
        table.transport[flows] = rows.columns["network.transport"]
        table.type[flows] = rows.columns["network.type"]
        for name, column in table.sort.items():
            column[flows] = rows.columns[name]
        self._learn_chains(side, flows, rows, hops)
        self._dropped.meet(flows)
        if side == CLIENT_SIDE:
            self._remember_first(flows, rows)
        alone = flows[~other]
        self._names.identity.find_by_address(table, 1 - side, alone, window)
        absent = table.final["destination_address"] if side == CLIENT_SIDE else table.called["source_address"]
        table.near[alone] = [address in self._near for address in absent[alone].tolist()]

    def _remember_first(self, flows: np.ndarray, rows: Rows) -> None:
        """Under which id clients that are new here were told of before their rewriting was learnt; another engine may
        have done so."""
        index, known = rows.columns["nat.index"], rows.columns["nat.known_first"]
        learnt = np.flatnonzero((known != 0) & (index != 0))
        if not len(learnt):
            return
        begins, hops = rows.chains.flat(index[learnt])
        last = begins[1:] - 1
        first = hops.view("V36")[np.minimum(begins[:-1] + known[learnt] - 1, last)].view(HOP)
        transport, netns = (rows.columns[name][learnt] for name in ("network.transport", "netns.id"))
        self._table.previous[flows[learnt]] = hashed(make_keys(first, transport, netns, rows.crc[learnt]))

    def _learn_chains(self, side: int, flows: np.ndarray, rows: Rows, hops: np.ndarray) -> None:
        """How the tuple was rewritten; the client's word goes before the server's."""
        table, index = self._table, rows.columns["nat.index"]
        unknown = table.rewrites[flows] == 0
        plain = flows[unknown & (index == 0)]
        table.called.view("V36")[plain] = hops.view("V36")[unknown & (index == 0)]
        rewritten = np.flatnonzero((index != 0) & (unknown | (side == CLIENT_SIDE)))
        if not len(rewritten):
            return
        chains, numbers = rows.chains, index[rewritten]
        lengths = chains.lengths(numbers)
        table.learn_chain(flows[rewritten], chains.first(numbers), lengths - np.uint8(1))
        for place in np.flatnonzero(lengths > 2).tolist():
            table.between[int(flows[rewritten[place]])] = chains.hops(int(numbers[place]))[1:-1]

    def _meet(self, addresses: np.ndarray) -> None:
        """Remembers addresses of sockets that report: at the limit the oldest are forgotten."""
        self._near |= dict.fromkeys(addresses.tolist())
        while len(self._near) > 65536:
            del self._near[next(iter(self._near))]

    def _flows(self, rows: Rows, ends: np.ndarray, window: int) -> Columns:
        """Takes rows in, no two of one end, and makes flow columns of them."""
        table, flows, sides = self._table, ends // 2, ends % 2
        client, server = (np.flatnonzero(sides == side) for side in (CLIENT_SIDE, SERVER_SIDE))
        chosen, server, places = self._ordered(flows, client, server)
        clients, servers = rows.take(client, REPORTED), rows.take(server, REPORTED)
        self._learn_later(flows, rows, server)
        protocol = table.sort["network.protocol.name"]
        protocol[flows] = np.maximum(protocol[flows], rows.columns["network.protocol.name"])
        table.ends[CLIENT_SIDE].learn(flows[client], clients.columns)
        table.ends[SERVER_SIDE].learn(flows[server], servers.columns)
        reports = (
            (np.arange(len(client)), clients.columns, clients.seq),
            (places, servers.columns, servers.seq),
        )
        self._find_late(chosen, window)
        columns = flow_columns(table, chosen, reports)
        self._dropped.fill(columns, chosen)
        for names, index in ((GROUPS, "requests.index"), (QUERY_GROUPS, "queries.index")):
            for name, (places, report, _) in zip(names, reports, strict=True):
                columns[name] = np.zeros(len(chosen), np.uint32)
                columns[name][places] = report[index]
        columns["window.late_s"][:] = rows.columns["window.late_s"][0]
        table.touch(chosen, window)
        ended = flags(columns, "connection.closed", "connection.failed")
        lonely = (columns["client.node.index"] == 0) | (columns["server.node.index"] == 0)
        self._stage.note("one_end_only", int(np.count_nonzero(ended & lonely)))
        whole = ~lonely & table.ends[0].closed[chosen] & table.ends[1].closed[chosen]
        table.retire(chosen[ended | whole], window)
        return columns

    def _ordered(
        self, flows: np.ndarray, client: np.ndarray, server: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The flows, those that a client reports first; the rows of servers in their order, and places among them.

        So nearly all columns of an end are columns of the flows already.
        """
        called, answered = flows[client], flows[server]
        self._scratch[answered] = NOWHERE
        self._scratch[called] = np.arange(len(client), dtype=np.int32)
        places = self._scratch[answered]
        alone = np.flatnonzero(places == NOWHERE)
        places[alone] = np.arange(len(client), len(client) + len(alone), dtype=np.int32)
        order = np.argsort(places)
        return np.concatenate((called, answered[alone])), server[order], places[order]

    def _find_late(self, flows: np.ndarray, window: int) -> None:
        """Asks again who the other end is, where no socket reports it."""
        identity = self._names.identity
        again = flows[identity.due(self._table.met[flows], window)]
        for side, end in enumerate(self._table.ends):
            identity.find_by_address(self._table, side, again[end.node[again] == 0], window)

    def _learn_later(self, flows: np.ndarray, rows: Rows, server: np.ndarray) -> None:
        """A server's node learnt of the rewriting after its first row."""
        rewritten = rows.columns["nat.index"][server] != 0
        late = server[rewritten & (self._table.rewrites[flows[server]] == 0)]
        if len(late):
            reports = rows.take(late)
            self._learn_chains(SERVER_SIDE, flows[late], reports, reports.hops())


def _concatenated(parts: list[Columns]) -> Columns:
    if not parts:
        return FLOW.empty() | {name: np.zeros(0, np.int64) for name in ("flow", *GROUPS, *QUERY_GROUPS)}
    return {name: concatenated([part[name] for part in parts]) for name in parts[0]}
