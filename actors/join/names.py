"""Numbers in place of names in the joiner: nodes, cgroup paths, entities; and back into tables of batches."""

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from actors.join.flow_table import FlowTable
from actors.join.identity import Cluster, Identity
from actors.join.rows import Rows
from actors.join.server_names import ServerNames
from actors.join.socket_places import Places
from model.arrays import Columns, Tables, concatenated, is_nothing, taken
from model.batch import Batch
from model.chains import Chains
from model.dictionary import Dictionary
from model.handshake import NO_HANDSHAKE, Handshake
from model.kinds.delta import DELTA
from model.kinds.drop import Dropped
from model.kinds.flow import NOWHERE as NOWHERE_NODE
from model.kinds.flow import SIDES, Node
from model.ledger import Stage
from model.partition import block_of
from model.queries import Queries
from model.requests import Requests

#: Rows joined at once, about: columns of them stay in the processor's cache.
BLOCK_ROWS: Final = 131_072
#: Blocks of one window at most.
BLOCKS: Final = 64

CGROUPS: Final = tuple(f"{side}.cgroup.index" for side in SIDES)
NODES: Final = tuple(f"{side}.node.index" for side in SIDES)
ENTITIES: Final = tuple(f"{side}.entity.index" for side in SIDES)
HANDSHAKES: Final = ("tls.index",)
SERVERS: Final = ("server.name.index",)
DROPPED: Final = ("drop.index",)

#: Columns whose numbers grow where tables of several batches are joined.
_SHIFTED: Final = ("nat.index", "requests.index", "queries.index")


class Names:
    """What the joiner calls by id.

    :param table: whose flows hold ids; ``places`` does too.
    :param stage: in which names that found no id are noted.
    :param block_rows: that come at once, about.
    """

    def __init__(
        self,
        table: FlowTable,
        places: Places,
        stage: Stage,
        cluster: Cluster | None,
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        self._block_rows = block_rows
        self._table = table
        self._places = places
        self._stage = stage
        self._paths = Dictionary("")
        self._handshakes = Dictionary(NO_HANDSHAKE)
        self._servers = ServerNames()
        self._nodes = Dictionary(NOWHERE_NODE)
        #: Why packets were dropped.
        self.dropped: Dictionary[Dropped] = Dictionary(Dropped())
        self._starts: dict[str, tuple[int, int]] = {}  # the newest of each node, and a window of it
        self.identity = Identity(cluster)

    def tables(self, columns: Columns, window: int) -> tuple[Columns, Tables]:
        """Columns that point into tables of what they need, and these."""
        used = {}
        for names, known in (
            (CGROUPS, self._paths),
            (NODES, self._nodes),
            (ENTITIES, self.identity.known),
            (HANDSHAKES, self._handshakes),
            (SERVERS, self._servers.known),
            (DROPPED, self.dropped),
        ):
            renumbered, used[names] = known.used(*(columns[name] for name in names))
            columns = columns | dict(zip(names, renumbered, strict=True))
        return columns, {
            "cgroups": [self._paths.values[id_] for id_ in used[CGROUPS]],
            "nodes": [self._nodes.values[id_] for id_ in used[NODES]],
            "entities": self.identity.entities(used[ENTITIES], window),
            "handshakes": [self._handshakes.values[id_] for id_ in used[HANDSHAKES]],
            "names": [self._servers.known.values[id_] for id_ in used[SERVERS]],
            "dropped": [self.dropped.values[id_] for id_ in used[DROPPED]],
        }

    def name_by_tls(self, columns: Columns) -> None:
        """Gives servers that have no name for sure the one that their clients said in the TLS handshake."""
        self._servers.name_by_tls(columns, self.handshakes)

    def handshakes(self, ids: list[int]) -> list[Handshake]:
        """What is known of handshakes, by the joiner's ids."""
        return [self._handshakes.values[id_] for id_ in ids]

    def _make_room(self) -> None:
        """Gives up ids that no flow holds, before they run out."""
        if self._paths.full:
            self._paths.release(self._table.in_use("cgroup.index"))
        if self._handshakes.full:
            self._handshakes.release(self._table.in_use("tls.index"))
        if self._servers.known.full:
            self._servers.release(self._table.in_use("peer.name.index"))
        if self.identity.known.full:
            self.identity.release(self._table.in_use("entity.index"))
        if self._nodes.full:
            newest = np.array([number for number, _ in self._starts.values()], np.uint32)
            in_use = np.concatenate((self._table.in_use("node"), newest))
            self._places.forget(self._nodes.release(in_use))
        for name, known in (
            ("paths", self._paths),
            ("handshakes", self._handshakes),
            ("names", self._servers.known),
            ("drop_reasons", self.dropped),
            ("nodes", self._nodes),
            ("entities", self.identity.known),
        ):
            self._stage.note(f"{name}_refused", known.refused)
            known.refused = 0

    def _node(self, batch: Batch) -> int:
        """The number of the batch's node; of an earlier start of it nothing is left, but what comes of it late."""
        number = self._nodes.id(Node(batch.node, batch.boot))
        newest, window = self._starts.get(batch.node, (number, batch.window))
        if newest == number:
            self._starts[batch.node] = number, max(window, batch.window)
        elif batch.window > window:
            self._table.forget_node(newest)
            self._stage.note("restarts")
            self._starts[batch.node] = number, batch.window
        return number

    def rows(self, batches: list[Batch]) -> Iterator[Rows]:
        """The rows of all batches, with the joiner's numbers; both ends of a connection come at once."""
        self._make_room()
        chains, hops = Chains.joined([batch.tables["chains"] for batch in batches])
        requests, counted = Requests.joined([batch.tables["requests"] for batch in batches])
        queries, asked = Queries.joined([batch.tables["queries"] for batch in batches])
        grown = zip(hops, counted, asked, strict=True)
        parts = [self._numbered(*each) for each in zip(batches, grown, strict=True)]
        heads = [(self._node(batch), zlib.crc32(batch.node.encode()), batch.seq) for batch in batches]
        blocks = min(BLOCKS, -(-sum(map(len, batches)) // self._block_rows))
        groups = zip(*(_divided(part, blocks) for part in parts), strict=True) if blocks > 1 else [parts]
        for group in groups:
            columns = {name: concatenated([part[name] for part in group]) for name in group[0]}
            node, crc, seq = _spread(heads, [len(part["nat.index"]) for part in group])
            yield Rows(columns, node, crc, seq, chains, requests, queries)

    def _numbered(self, batch: Batch, grown: tuple[int, ...]) -> Columns:
        """The batch's columns with the joiner's numbers.

        :param grown: by how much numbers of chains grow, of groups of requests, and of groups of queries.
        """
        columns = {name: batch.columns[name] for name in DELTA.types}
        for name, numbers in (("cgroup.index", self._path_ids), ("entity.index", self.identity.learn)):
            columns[name] = numbers(batch)[columns[name]]
        if not is_nothing(columns["tls.index"]):
            columns["tls.index"] = self._handshakes.ids(batch.tables["handshakes"])[columns["tls.index"]]
        if not is_nothing(columns["peer.name.index"]):
            columns["peer.name.index"] = self._servers.ids(batch.tables["names"])[columns["peer.name.index"]]
        for name, shift in zip(_SHIFTED, grown, strict=True):
            if shift and not is_nothing(columns[name]):
                places = columns[name]
                columns[name] = np.where(places, np.add(places, np.uint32(shift)), np.uint32(0))
        return columns

    def _path_ids(self, batch: Batch) -> np.ndarray:
        """The id of each of the batch's paths; at least one."""
        return self._paths.ids(batch.tables["cgroups"])


def _spread(heads: list[tuple[int, int, int]], rows: list[int]) -> list[np.ndarray]:
    """Columns of node, crc and seq (see ``Rows``), from those of each batch and its number of rows."""
    types = ("<u4", "<u4", "<u8")
    return [
        np.repeat(np.array(values, kind), rows)
        for values, kind in zip(zip(*heads, strict=True), types, strict=True)
    ]


def _divided(columns: Columns, blocks: int) -> list[Columns]:
    """The rows of each block."""
    places = block_of(columns, blocks)
    order = np.argsort(places, kind="stable")
    ends = np.cumsum(np.bincount(places, minlength=blocks)).tolist()
    ordered = {name: taken(column, order) for name, column in columns.items()}
    return [
        {name: column[begin:end] for name, column in ordered.items()} for begin, end in pairwise([0, *ends])
    ]
