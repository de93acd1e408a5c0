"""The tables in ClickHouse, as every server since 18.16 can make them.

Rows that are sums (of edges, of endpoints, of ways through NAT, of presence) come in **parts**: a part has what one
writer took in a minute. They go into a table that ends in ``_1s`` or ``_new``; when a part is full the server makes
its longer steps of it (``sealing.py``). A row is named by its writer, its part and its ``number`` in the order of
writing: one that comes twice is there once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sinks.clickhouse.tables import TTL_SINCE, quoted
from store.segments.tables import (
    CHAINS,
    DROP_CAUSES,
    DROPS,
    EDGES,
    ENDPOINTS,
    INSTANCES,
    LOSSES,
    REQUESTS,
    ROWS,
    STEPS,
    WAYS,
    WORKLOADS,
    Stepped,
)
from store.segments.tables import Table as Kind

#: Of these tables; a program refuses those of a newer one.
VERSION: Final = 1
#: Rows of one such block of seconds lie together, ordered by edge or endpoint.
BLOCK_S: Final = 600
#: Seconds for which rows are there after their time is over: parts of writers that died are sealed meanwhile.
SLACK_S: Final = 7200
_DAY: Final = 86_400
#: Inserts whose tokens a table remembers, where the server has them.
_TOKENS: Final = 10_000

#: ClickHouse's types by numpy's; ``time`` is seconds since the epoch.
TYPES: Final = {
    "<i8": "Int64", "<u8": "UInt64", "<u4": "UInt32", "<u2": "UInt16", "<u1": "UInt8", "<i2": "Int16",
    "text": "String", "time": "DateTime",
}  # fmt: skip

#: Whose a row is: writer, part, number; when the part was begun.
IDENTITY: Final = {"writer": "<u8", "part": "<u4", "number": "<u8", "written": "time"}
_NAMED: Final = ["writer", "part"]


@dataclass(frozen=True)
class ServerTable:
    """One table, of the engine ReplacingMergeTree: of rows with the same ``order`` one stays.

    :param types: of its columns, as numpy writes them, ``text``, ``time``, or a list of one: ``text[]``.
    :param version: the column whose greatest stays; empty: the row that came last.
    :param partition: an expression.
    :param step_s: it is kept for as long as rows of this step are; 0: for ever.
    """

    name: str
    types: Mapping[str, str]
    order: tuple[str, ...]
    version: str = ""
    partition: str = ""
    step_s: int = STEPS[-1]


def type_of(type_: str) -> str:
    """As ClickHouse writes it."""
    inner = type_.removesuffix("[]")
    return TYPES[inner] if inner == type_ else f"Array({TYPES[inner]})"


def _plain(kind: Kind, *without: str) -> dict[str, str]:
    return {name: type_ for name, type_ in kind.types.items() if name not in without}


_SEEN: Final = ("first_s", "last_s", "part")
_CHAIN_ROWS: Final = _plain(CHAINS, "part") | IDENTITY
_PRESENCE: Final = {"node": "text", "begin_s": "<i8", "seconds": "<u8"} | IDENTITY
_CHAIN_KEY: Final = ("begin_s", "edge", "way", *_NAMED)
_PRESENCE_KEY: Final = ("begin_s", "node", *_NAMED)
_HOUR, _MONTH = "toStartOfHour(written)", "toYYYYMM(written)"


def _in_steps(kind: Stepped) -> dict[int, ServerTable]:
    """By step in seconds."""
    types = {"block": "<i8"} | _plain(kind) | IDENTITY
    key = ("block", *kind.key, *_NAMED)
    rolled = {
        step: ServerTable(f"{kind.name}_{step}s", types, key, "number", "toYYYYMMDD(written)", step)
        for step in STEPS[1:]
    }
    return {1: ServerTable(f"{kind.name}_1s", types, (*key, "number"), "", _HOUR, 1)} | rolled


#: Rows of edges, of endpoints, and of drops: each by step in seconds.
IN_STEPS: Final = {kind.name: _in_steps(kind) for kind in (ROWS, REQUESTS, DROPS)}
#: Ways through NAT by the minute: of parts that are written, and of those that are full.
CHAINS_NEW: Final = ServerTable("chains_new", _CHAIN_ROWS, (*_CHAIN_KEY, "number"), "", _HOUR, 1)
CHAINS_FULL: Final = ServerTable("chains", _CHAIN_ROWS, _CHAIN_KEY, "number", _MONTH)
#: The seconds of a minute in which a node reported, a bit for each; of the node ``""``: in which anything was stored.
PRESENCE_NEW: Final = ServerTable("presence_new", _PRESENCE, (*_PRESENCE_KEY, "number"), "", _HOUR, 1)
PRESENCE_FULL: Final = ServerTable("presence", _PRESENCE, _PRESENCE_KEY, "number", _MONTH)

#: What ids stand for: the same in every row of one.
DEFINITIONS: Final = {
    kind.name: ServerTable(kind.name, _plain(kind, *_SEEN) | {"written": "time"}, ("id",), "written")
    for kind in (WORKLOADS, EDGES, ENDPOINTS, DROP_CAUSES, INSTANCES, WAYS)
}
#: The first (``end`` 0) and the last (1) second ``at`` of a day in which something (``what``) was seen.
SEEN: Final = ServerTable(
    "seen",
    {"what": "<u1", "id": "<i8", "day": "<i8", "end": "<u1", "at": "<i8", "rank": "<u8", "written": "time"},
    ("what", "id", "day", "end"),
    "rank",
)
WORKLOAD_SEEN: Final = 1
INSTANCE_SEEN: Final = 2
#: What ledgers count as lost: engines that see the same ledger say the same (writer 0).
LOST: Final = ServerTable(
    "losses",
    _plain(LOSSES, "part") | {"writer": "<u8", "written": "time"},
    ("node", "stage", "reason", "first_s", "writer"),
)
#: Parts: ``sealed`` 1 when longer steps are made of it. ``keep_…``: seconds from ``written`` on.
PARTS: Final = ServerTable(
    "parts",
    {
        "writer": "<u8", "part": "<u4", "sealed": "<u1", "begin_s": "<i8", "end_s": "<i8", "rank": "<u8",
        "keep_1s": "<i8", "keep_10s": "<i8", "keep_60s": "<i8", "written": "time",
    },
    ("writer", "part"),
    "rank",
)  # fmt: skip
#: How far each writer is; ``sources`` and ``seqs``: the newest batch of each source, for what comes twice.
WRITERS: Final = ServerTable(
    "writers",
    {
        "writer": "<u8", "newest_s": "<i8", "complete_s": "<i8", "number": "<u8", "sources": "text[]",
        "seqs": "<i8[]", "written": "time",
    },
    ("writer",),
    "number",
)  # fmt: skip
FORMAT: Final = ServerTable("format", {"version": "<u4"}, ("version",), step_s=0)

SERVER_TABLES: Final = (
    *(table for steps in IN_STEPS.values() for table in steps.values()),
    *(CHAINS_NEW, CHAINS_FULL, PRESENCE_NEW, PRESENCE_FULL),
    *DEFINITIONS.values(),
    *(SEEN, LOST, PARTS, WRITERS, FORMAT),
)


def creation(database: str, table: ServerTable, version: tuple[int, int], keep_s: Mapping[int, int]) -> str:
    """The statement that makes a table.

    :param version: of the server.
    :param keep_s: step in seconds -> seconds for which its rows are kept, where the server knows how.
    """
    columns = ", ".join(f"{quoted(name)} {type_of(type_)}" for name, type_ in table.types.items())
    engine = f"ReplacingMergeTree({table.version})" if table.version else "ReplacingMergeTree()"
    partition = f" PARTITION BY {table.partition}" if table.partition else ""
    settings = ["index_granularity = 8192"]
    ttl = ""
    if version >= TTL_SINCE:
        ttl = f" {ttl_of(table, keep_s)}" if table.step_s else ""
        settings.append(f"non_replicated_deduplication_window = {_TOKENS}") if version >= (22, 2) else None
    return (
        f"CREATE TABLE IF NOT EXISTS {database}.{table.name} ({columns}) ENGINE = {engine}{partition} "
        f"ORDER BY ({', '.join(table.order)}){ttl} SETTINGS {', '.join(settings)}"
    )


def ttl_of(table: ServerTable, keep_s: Mapping[int, int]) -> str:
    """When its rows end: some time after they are no longer asked for."""
    seconds = keep_s[table.step_s] + (SLACK_S if table.partition else _DAY + SLACK_S)
    return f"TTL written + toIntervalSecond({seconds})"
