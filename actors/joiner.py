"""The joiner: delta rows of both ends of connections in, one flow row per connection and second out."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from actors.flow_rows import REPORTED, flow_columns
from actors.flow_table import CLIENT_SIDE, FLOWS, SERVER_SIDE, FlowTable
from actors.identity import PATIENCE, Cluster, Identity
from actors.known import Numbers, Places, used
from actors.resolver import callers
from actors.tuple_index import NOWHERE, make_keys
from engine.batch import DeltaBatch
from engine.chains import HOP, Chains
from engine.enricher import Entity
from engine.flow_batch import NOWHERE as NOWHERE_NODE
from engine.flow_batch import FlowBatch, Node, flow_chunks
from engine.flow_schema import SIDES, empty_flows
from engine.ledger import Ledger
from engine.schema import DELTA_COLUMNS, Columns, flags

_TCP: Final = 6
CGROUPS: Final = tuple(f"{side}.cgroup.index" for side in SIDES)
NODES: Final = tuple(f"{side}.node.index" for side in SIDES)
ENTITIES: Final = tuple(f"{side}.entity.index" for side in SIDES)


@dataclass(frozen=True)
class Rows:
    """Delta rows of one window, of any nodes, with numbers that hold in the joiner.

    :param columns: of the delta schema; ``cgroup.index`` is the joiner's.
    :param node: the joiner's number of the node of each row.
    :param crc: a number of the node that holds everywhere.
    :param seq: of the delta message of each row.
    :param chains: what ``nat.index`` points into.
    """

    columns: Columns
    node: np.ndarray
    crc: np.ndarray
    seq: np.ndarray
    chains: Chains

    def __len__(self) -> int:
        return len(self.node)

    def take(self, rows: np.ndarray, names: Iterable[str] = DELTA_COLUMNS) -> "Rows":
        """Some of them, with these columns of theirs."""
        if len(rows) == len(self):
            return self
        columns = {name: self.columns[name].take(rows) for name in names}
        return replace(
            self,
            columns=columns,
            node=self.node.take(rows),
            crc=self.crc.take(rows),
            seq=self.seq.take(rows),
        )

    def hops(self) -> np.ndarray:
        """The resolved tuples; ``HOP``."""
        hops = np.empty(len(self), HOP)
        for part in ("address", "port"):
            hops[f"source_{part}"] = self.columns[f"connection.source.{part}"]
            hops[f"destination_{part}"] = self.columns[f"connection.destination.{part}"]
        return hops


class Joiner:
    """Pairs the two ends of each connection by its resolved tuple. Pure: batches in, batches out.

    :param node: who joins, and ``boot``, since when: they name the batches.
    :param flows: connections at once.
    :param cluster: knows more than the nodes do of who is at an end.
    """

    def __init__(
        self, node: str, boot: str, ledger: Ledger, flows: int = FLOWS, cluster: Cluster | None = None
    ) -> None:
        self._name = Node(node, boot)
        self._stage = ledger.stage("join", "rows")
        self._table = FlowTable(flows, self._stage)
        self._places = Places()
        self._paths = Numbers("")
        self._nodes = Numbers(NOWHERE_NODE)
        self._starts: dict[str, int] = {}  # the newest of each node
        self._identity = Identity(cluster)
        self._near: dict[bytes, None] = {}
        self._waiting: dict[int, list[DeltaBatch]] = {}
        self._scratch = np.zeros(2 * flows, np.int32)
        self._seq = 0

    def __len__(self) -> int:
        """Connections known."""
        return len(self._table)

    @property
    def windows(self) -> list[int]:
        """Windows of which rows wait, the oldest first."""
        return sorted(self._waiting)

    def add(self, batch: DeltaBatch) -> None:
        """Takes rows in; they wait until their window is closed."""
        self._stage.received += len(batch)
        self._stage.queued += len(batch)
        self._waiting.setdefault(batch.window, []).append(batch)

    def close(self, window: int, ledger: dict[str, Any] | None = None) -> Iterator[FlowBatch]:
        """The flows of a window, in at least one batch; what comes of it later is a batch of its own."""
        batches = self._waiting.pop(window, [])
        parts = list(self._join(self._collect(batches), window)) if batches else []
        columns = _concatenated(parts)
        chains = _chain_table(
            self._table, columns
        )  # before flows that have ended, and their hops, are forgotten
        self._table.expire(window)
        columns, paths, nodes, entities = self._tables(columns, window)
        whole = FlowBatch(
            *self._name,
            self._seq,
            window,
            columns,
            paths,
            nodes,
            chains,
            entities,
            open_sockets=max((batch.open_sockets for batch in batches), default=0),
            ledger=ledger or {},
        )
        for batch in flow_chunks(whole):
            self._seq = batch.seq + 1
            yield batch
        rows = sum(map(len, batches))
        self._stage.queued -= rows
        self._stage.delivered += rows

    def _tables(self, columns: Columns, window: int) -> tuple[Columns, list[str], list[Node], list[Entity]]:
        """Columns that point into tables of what they need, and these."""
        columns, paths = used(columns, CGROUPS, len(self._paths))
        columns, nodes = used(columns, NODES, len(self._nodes))
        columns, entities = used(columns, ENTITIES, len(self._identity.numbers))
        names = [self._paths.values[number] for number in paths]
        starts = [self._nodes.values[number] for number in nodes]
        return columns, names, starts, self._identity.entities(entities, window)

    def _make_room(self) -> None:
        """Gives up numbers that no flow holds, before they run out."""
        if self._paths.full:
            self._paths.release(self._table.in_use("cgroup.index"))
        if self._identity.numbers.full:
            self._identity.release(self._table.in_use("entity.index"))
        if self._nodes.full:
            newest = np.fromiter(self._starts.values(), np.uint32)
            in_use = np.concatenate((self._table.in_use("node"), newest))
            self._places.forget(self._nodes.release(in_use))
        for name, numbers in (
            ("paths", self._paths),
            ("nodes", self._nodes),
            ("entities", self._identity.numbers),
        ):
            self._stage.note(f"{name}_refused", numbers.refused)
            numbers.refused = 0

    def _node(self, batch: DeltaBatch) -> int:
        """The number of the batch's node; of an earlier start of it nothing is left."""
        number = self._nodes.number(Node(batch.node, batch.boot))
        before = self._starts.get(batch.node, number)
        if before != number:
            self._table.forget_node(before)
            self._stage.note("restarts")
        self._starts[batch.node] = number
        return number

    def _collect(self, batches: list[DeltaBatch]) -> Rows:
        """The rows of all batches, with the joiner's numbers."""
        columns = {name: np.concatenate([batch.columns[name] for batch in batches]) for name in DELTA_COLUMNS}
        self._make_room()
        for name, numbers in (("cgroup.index", self._path_numbers), ("entity.index", self._identity.learn)):
            columns[name] = np.concatenate([numbers(batch)[batch.columns[name]] for batch in batches])
        chains, shifts = Chains.joined([batch.chains for batch in batches])
        counts = [len(batch) for batch in batches]
        if len(chains) > 1:
            shift = np.repeat(np.array(shifts, np.uint32), counts)
            columns["nat.index"] = np.where(columns["nat.index"], columns["nat.index"] + shift, 0)
        return Rows(
            columns,
            np.repeat(np.array([self._node(batch) for batch in batches], np.uint32), counts),
            np.repeat(np.array([zlib.crc32(batch.node.encode()) for batch in batches], np.uint32), counts),
            np.repeat(np.array([batch.seq for batch in batches], np.uint64), counts),
            chains,
        )

    def _path_numbers(self, batch: DeltaBatch) -> np.ndarray:
        """The number of each of the batch's paths; at least one."""
        return np.array([self._paths.number(path) for path in batch.cgroups] or [0], np.uint32)

    def _join(self, rows: Rows, window: int) -> Iterator[Columns]:
        """Flow columns; rows of a socket that has several in this window, each of its own second, come apart."""
        late = rows.columns["window.late_s"]
        self._stage.note("late", int(np.count_nonzero(late)))
        for seconds in np.flatnonzero(np.bincount(late)):
            left = rows.take(np.flatnonzero(late == seconds))
            while len(left):
                ends, later = self._ends(left, window)
                now = left.take(np.flatnonzero(~later))
                if len(now):
                    yield self._flows(now, ends[~later], window)
                left = left.take(np.flatnonzero(later))

    def _ends(self, rows: Rows, window: int) -> tuple[np.ndarray, np.ndarray]:
        """The end of a flow (flow × 2 + side) that each row is about, and which rows must wait for a later turn."""
        ends = self._places.find(rows, self._table)
        later = np.zeros(len(rows), np.bool_)
        moved = self._moved(rows, ends)
        new = np.flatnonzero((ends == NOWHERE) | moved)
        if len(new):
            again = self._places.repeated(rows, new)
            later[new[again]] = True
            new = new[~again]
            before = ends[new]
            ends[new] = self._pair(rows.take(new), window)
            self._leave(before, ends[new], window)
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

    def _leave(self, before: np.ndarray, after: np.ndarray, window: int) -> None:
        """Ends that moved to another flow leave the one they were in, which ends if nobody else is there."""
        had = np.flatnonzero(before != NOWHERE)
        flows = before[had] // 2
        table = self._table
        table.opened[after[had] // 2] |= table.opened[flows]
        table.ends[CLIENT_SIDE].clear(flows)
        alone = flows[table.ends[SERVER_SIDE].node[flows] == 0]
        table.retire(alone, window - 10**6)
        self._stage.note("moved", len(had))

    def _pair(self, rows: Rows, window: int) -> np.ndarray:
        """Ends for sockets that are new: clients first, so that servers of the same second find them."""
        columns, hops = rows.columns, rows.hops()
        keys = make_keys(hops, _TCP, columns["netns.id"], rows.crc)
        opened_at = columns["connection.opened_at_ns"].astype(np.int64)
        calls = callers(columns)
        self._meet(columns["network.local.address"])
        ends = np.empty(len(rows), np.int64)
        for side in (CLIENT_SIDE, SERVER_SIDE):
            mine = np.flatnonzero(calls == (side == CLIENT_SIDE))
            flows = self._table.pair(side, keys.take(mine), opened_at[mine], window)
            self._introduce(side, flows, rows.take(mine), hops.take(mine), window)
            ends[mine] = flows.astype(np.int64) * 2 + side
        self._places.learn(rows, ends)
        return ends

    def _introduce(self, side: int, flows: np.ndarray, rows: Rows, hops: np.ndarray, window: int) -> None:
        """What a socket that is new says of its flow for good."""
        table = self._table
        other = table.ends[1 - side].node[flows] != 0
        self._stage.note("met_later", int(np.count_nonzero(other & (table.met[flows] < window))))
        table.met[flows[~other]] = window
        table.final.view("V36")[flows] = hops.view("V36")
        table.ends[side].node[flows] = rows.node
        table.type[flows] = rows.columns["network.type"]
        self._learn_chains(side, flows, rows, hops)
        alone = flows[~other]
        self._identity.find_strangers(table, 1 - side, alone, window)
        absent = table.final["destination_address"] if side == CLIENT_SIDE else table.called["source_address"]
        table.near[alone] = [address in self._near for address in absent[alone].tolist()]

    def _learn_chains(self, side: int, flows: np.ndarray, rows: Rows, hops: np.ndarray) -> None:
        """How the tuple was rewritten; the client's word goes before the server's."""
        table, index = self._table, rows.columns["nat.index"]
        unknown = table.rewrites[flows] == 0
        plain = flows[unknown & (index == 0)]
        table.called.view("V36")[plain] = hops.view("V36")[unknown & (index == 0)]
        told = np.flatnonzero((index != 0) & (unknown | (side == CLIENT_SIDE)))
        if not len(told):
            return
        chains, numbers = rows.chains, index[told]
        lengths = chains.lengths(numbers)
        table.learn_chain(flows[told], chains.first(numbers), lengths - np.uint8(1))
        for place in np.flatnonzero(lengths > 2).tolist():
            table.between[int(flows[told[place]])] = chains.hops(int(numbers[place]))[1:-1]

    def _meet(self, addresses: np.ndarray) -> None:
        """Remembers addresses of sockets that report: at the limit the oldest are forgotten."""
        self._near |= dict.fromkeys(addresses.tolist())
        while len(self._near) > 65536:
            del self._near[next(iter(self._near))]

    def _flows(self, rows: Rows, ends: np.ndarray, window: int) -> Columns:
        """Takes rows in, no two of one end, and makes flow columns of them."""
        table, flows, sides = self._table, ends // 2, ends % 2
        client, server = (np.flatnonzero(sides == side) for side in (CLIENT_SIDE, SERVER_SIDE))
        said = rows.take(client, REPORTED), rows.take(server, REPORTED)
        self._learn_later(flows, rows, server)
        table.say(CLIENT_SIDE, flows[client], said[CLIENT_SIDE].columns)
        table.say(SERVER_SIDE, flows[server], said[SERVER_SIDE].columns)
        place = np.arange(len(flows), dtype=np.int32)
        self._scratch[flows] = place
        chosen = flows[self._scratch[flows] == place]
        self._scratch[chosen] = place[: len(chosen)]
        reports = tuple(
            (self._scratch[flows[mine]], part.columns, part.seq)
            for mine, part in zip((client, server), said, strict=True)
        )
        self._find_late(chosen, window)
        columns = flow_columns(table, chosen, (reports[0], reports[1]))
        columns["window.late_s"][:] = rows.columns["window.late_s"][0]
        table.touch(chosen, window)
        ended = flags(columns, "connection.closed", "connection.failed")
        lonely = (table.ends[0].node[chosen] == 0) | (table.ends[1].node[chosen] == 0)
        self._stage.note("one_end_only", int(np.count_nonzero(ended & lonely)))
        table.retire(chosen[ended | self._whole(chosen)], window)
        return columns

    def _find_late(self, flows: np.ndarray, window: int) -> None:
        """Asks again who the other end of a young connection is, that nobody knew."""
        young = flows[self._table.met[flows] > window - PATIENCE]
        for side, end in enumerate(self._table.ends):
            absent = young[(end.node[young] == 0) & (end.said["entity.index"][young] == 0)]
            self._identity.find_strangers(self._table, side, absent, window)

    def _whole(self, flows: np.ndarray) -> np.ndarray:
        """Which have two ends that have both ended."""
        one, other = self._table.ends
        whole: np.ndarray = (
            (one.node[flows] != 0) & (other.node[flows] != 0) & one.closed[flows] & other.closed[flows]
        )
        return whole

    def _learn_later(self, flows: np.ndarray, rows: Rows, server: np.ndarray) -> None:
        """A server's node learnt of the rewriting after its first row."""
        told = rows.columns["nat.index"][server] != 0
        late = server[told & (self._table.rewrites[flows[server]] == 0)]
        if len(late):
            said = rows.take(late)
            self._learn_chains(SERVER_SIDE, flows[late], said, said.hops())


def _concatenated(parts: list[Columns]) -> Columns:
    if not parts:
        return empty_flows() | {"flow": np.zeros(0, np.int32)}
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _chain_table(table: FlowTable, columns: Columns) -> Chains:
    """The chains of the flows in the column ``flow``, which is taken out; sets ``nat.index``."""
    flows = cast(npt.NDArray[np.int64], columns.pop("flow"))
    rewrites = table.rewrites[flows]
    rows = np.flatnonzero(rewrites)
    columns["nat.index"][rows] = np.arange(1, len(rows) + 1)
    flows, rewrites = flows[rows], rewrites[rows]
    longer = np.flatnonzero(rewrites > 1)
    between = {
        place: table.between[flow]
        for place, flow in zip(longer.tolist(), flows[longer].tolist(), strict=True)
        if flow in table.between
    }
    return Chains.of(table.called.take(flows), table.final.take(flows), rewrites, between)
