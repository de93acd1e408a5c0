"""What the store keeps: its tables, their columns, and how rows of the same key become one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from model.kinds.workload import MEASURES
from store.measures import DROP_PARTS, DROP_SUMS, ENDPOINT_PARTS, MOST, REQUEST_MEASURES, REQUEST_SUMS, SUMS

#: What becomes of a column when rows of one key become one.
Over = Literal["key", "sum", "most", "least", "any"]

#: Steps in seconds in which edges are kept, the finest first.
STEPS: Final = (1, 10, 60)


@dataclass(frozen=True)
class Column:
    """One column.

    :param type: as numpy writes it, ``text``, or a list of either: ``text[]``.
    """

    name: str
    type: str
    over: Over = "any"


@dataclass(frozen=True)
class Table:
    """One table; the key's columns come first in ``order``."""

    name: str
    columns: tuple[Column, ...]

    @property
    def types(self) -> dict[str, str]:
        """Of its columns."""
        return {column.name: column.type for column in self.columns}

    @property
    def key(self) -> list[str]:
        """The columns whose values name a row."""
        return [column.name for column in self.columns if column.over == "key"]

    def named(self, over: Over) -> list[str]:
        """The columns of which this becomes."""
        return [column.name for column in self.columns if column.over == over]


@dataclass(frozen=True)
class Stepped(Table):
    """Rows of something in each step in which it had anything: rolled up to longer steps, and forgotten step by step.

    :param measures: whose histograms are two lists of a row, as long as each other.
    :param folder: of the files of a step: ``{step_s}s``.
    """

    measures: tuple[str, ...]
    folder: str

    @property
    def id(self) -> str:
        """The column that says what a row is of; the other of the key is ``begin_s``."""
        return self.columns[0].name

    def summed(self, wanted: Collection[str]) -> list[str]:
        """Of its sums and largest values those that are wanted."""
        return [each.name for each in self.columns if each.over in ("sum", "most") and each.name in wanted]

    def lists(self, wanted: Collection[str]) -> list[str]:
        """The columns of the histograms of measures that are wanted."""
        return [
            f"{each}.{part}" for each in self.measures if each in wanted for part in ("buckets", "counts")
        ]


def _stepped(
    name: str, of: str, sums: Sequence[str], most: Sequence[str], measures: tuple[str, ...], folder: str
) -> Stepped:
    columns = (
        Column(of, "<i8", "key"),
        Column("begin_s", "<i8", "key"),
        *_SEEN,
        *(Column(each, "<u8", "sum") for each in sums),
        *(Column(each, "<u8", "most") for each in most),
        *(
            column
            for measure in measures
            for column in (Column(f"{measure}.buckets", "<i2[]"), Column(f"{measure}.counts", "<u8[]"))
        ),
    )
    return Stepped(name, columns, measures, folder)


_SEEN: Final = (Column("first_s", "<i8", "least"), Column("last_s", "<i8", "most"))
#: The log in which the row was last written: with those of its age the row is forgotten.
_PART: Final = Column("part", "<i8", "most")

#: A row for each edge and step in which it had anything.
ROWS: Final = _stepped("rows", "edge", SUMS, MOST, MEASURES, "{step_s}s")
#: A row for each endpoint and step in which it had requests.
REQUESTS: Final = _stepped("requests", "endpoint", REQUEST_SUMS, (), REQUEST_MEASURES, "requests_{step_s}s")
#: A row for each cause of an edge's drops and step in which packets were dropped for it.
DROPS: Final = _stepped("drops", "cause", DROP_SUMS, (), (), "drops_{step_s}s")
WORKLOADS: Final = Table(
    "workloads",
    (
        Column("id", "<i8", "key"),
        *(Column(name, "text") for name in ("name", "kind", "namespace", "zone", "version")),
        *_SEEN,
        _PART,
    ),
)
EDGES: Final = Table(
    "edges",
    (
        Column("id", "<i8", "key"),
        Column("client", "<i8"),
        Column("server", "<i8"),
        Column("port", "<u2"),
        Column("transport", "<u1"),
        *_SEEN,
        _PART,
    ),
)
#: What requests were of: of an edge, one method, route, status, and what else tells them apart.
ENDPOINTS: Final = Table(
    "endpoints",
    (
        Column("id", "<i8", "key"),
        Column("edge", "<i8"),
        *(Column(name, type_) for name, type_ in ENDPOINT_PARTS.items()),
        *_SEEN,
        _PART,
    ),
)
#: Why packets of an edge were dropped, and where.
DROP_CAUSES: Final = Table(
    "drop_causes",
    (
        Column("id", "<i8", "key"),
        Column("edge", "<i8"),
        *(Column(name, "text") for name in DROP_PARTS),
        *_SEEN,
        _PART,
    ),
)
INSTANCES: Final = Table(
    "instances",
    (
        Column("id", "<i8", "key"),
        Column("workload", "<i8"),
        *(
            Column(name, "text")
            for name in ("node", "pod", "container", "process", "image", "address", "region")
        ),
        *_SEEN,
        _PART,
    ),
)
#: A row for each edge, way and minute.
CHAINS: Final = Table(
    "chains",
    (
        Column("edge", "<i8", "key"),
        Column("way", "<i8", "key"),
        Column("begin_s", "<i8", "key"),
        *_SEEN,
        *(
            Column(name, "<i8", "sum")
            for name in ("connections", "both_ends", "bytes", "reply_bytes", "unaccounted_bytes")
        ),
        _PART,
    ),
)
#: The hops of a way through NAT: lists as long as each other.
WAYS: Final = Table(
    "ways",
    (
        Column("id", "<i8", "key"),
        Column("sources", "text[]"),
        Column("destinations", "text[]"),
        Column("ports", "<u2[]"),
        Column("rewriters", "text[]"),
        *_SEEN,
        _PART,
    ),
)
#: Seconds in which a node reported, without a hole; of the node ``""``, in which this store wrote.
PRESENCE: Final = Table(
    "presence",
    (
        Column("node", "text", "key"),
        Column("boot", "text", "key"),
        Column("begin_s", "<i8", "key"),
        *_SEEN,
        _PART,
    ),
)
#: What the ledgers of nodes say was lost; a row for each minute.
LOSSES: Final = Table(
    "losses",
    (
        Column("node", "text", "key"),
        Column("stage", "text", "key"),
        Column("reason", "text", "key"),
        Column("begin_s", "<i8", "key"),
        Column("lost", "<i8", "sum"),
        *_SEEN,
        _PART,
    ),
)

#: Those beside them: small, kept once, for as long as the coarsest rows.
SIDE: Final = (WORKLOADS, EDGES, ENDPOINTS, DROP_CAUSES, INSTANCES, CHAINS, WAYS, PRESENCE, LOSSES)
#: Those that are kept in steps.
STEPPED: Final = (ROWS, REQUESTS, DROPS)
TABLES: Final = {table.name: table for table in (*STEPPED, *SIDE)}


def types_of(table: Stepped, step_s: int) -> dict[str, str]:
    """The columns that are in files of rows of this step: of a second first and last are the second itself."""
    return {
        name: type_ for name, type_ in table.types.items() if step_s > 1 or name not in ("first_s", "last_s")
    }
