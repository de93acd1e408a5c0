"""Metrics of rows of queries, drops and listeners, for sinks that send metrics: what is counted, by which attributes.

``dns.lookup.duration`` is OpenTelemetry's (https://opentelemetry.io/docs/specs/semconv/dns/dns-metrics); the other
names are ours. Rows that have the same attributes are one group.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from model.arrays import Array
from model.batch import Batch
from model.kinds.drop import DROP, DropCategory, DropTransport, NetfilterHook
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY, ResponseCode
from model.kinds.workload import OTHER, PARTS, Workload
from model.rows.same import same_rows
from model.rows.words import words_of
from model.transport import Transport
from sinks.ends import RowEnds
from sinks.request_metrics import Attribute

Attributes = tuple[Attribute, ...]
#: What tells rows of each kind apart, as far as attributes say it; made for one row of each group alone.
_RESOLVED: Final = (
    *(
        f"{side}.{name}"
        for side in ("client", "server")
        for name in ("entity.index", "process.comm", "address")
    ),
    *("server.port", "network.transport", "dns.response.code"),
)
_TOLD_APART: Final = {
    QUERY.name: _RESOLVED,
    DROP.name: (
        *("drop.category", "drop.reason", "network.transport", "netfilter.hook"),
        *("source.entity.index", "destination.entity.index"),
    ),
    LISTENER.name: ("entity.index", "process.comm", "network.local.port"),
}
#: Seconds after which a name that nobody asks for makes room for another one.
NAME_SECONDS: Final = 300
#: What stands for names beyond the limit.
OTHER_NAME: Final = "other"
_RCODES: Final = words_of(ResponseCode)
_TRANSPORTS: Final = words_of(Transport)
_DROP_TRANSPORTS: Final = words_of(DropTransport)
_CATEGORIES: Final = words_of(DropCategory)
_HOOKS: Final = words_of(NetfilterHook)


class Grouped(NamedTuple):
    """Rows by their attributes.

    :param numbers: the group of each row; shape (rows,).
    """

    attributes: list[Attributes]
    numbers: np.ndarray

    def sums(self, values: Array) -> np.ndarray:
        """The sum of each group; uint64."""
        total = np.zeros(len(self.attributes), np.uint64)
        np.add.at(total, self.numbers, values.astype(np.uint64))
        return total


class RowSum(NamedTuple):
    """A sum of rows."""

    column: str
    name: str
    unit: str
    description: str


#: Sums by the name of their kind of rows.
ROW_SUMS: Final = {
    QUERY.name: (
        RowSum("queries", "tailrace.dns.queries", "{query}", "Queries of DNS, by response code."),
        RowSum(
            "dns.retries", "tailrace.dns.retries", "{query}", "Queries that repeat one without an answer."
        ),
        RowSum("dns.truncated", "tailrace.dns.truncated", "{query}", "Queries whose answer was cut off."),
    ),
    DROP.name: (
        RowSum("drops", "tailrace.drops", "{packet}", "Packets that a kernel dropped, by its reason."),
    ),
    LISTENER.name: (
        RowSum(
            "listener.accepted",
            "tailrace.listener.accepted",
            "{connection}",
            "Handshakes that ended at listeners.",
        ),
        RowSum(
            "listener.overflows",
            "tailrace.listener.overflows",
            "{segment}",
            "Segments of handshakes that full accept queues dropped.",
        ),
    ),
}
#: OpenTelemetry's histogram of queries, in seconds.
LOOKUP: Final = "dns.lookup.duration"
LOOKUP_DESCRIPTION: Final = "Measures the time taken to perform a DNS lookup."
#: Gauges of listeners.
GAUGES: Final = (
    RowSum(
        "listener.queue",
        "tailrace.listener.queue",
        "{connection}",
        "Connections that wait for accept(), of the fullest listener.",
    ),
    RowSum(
        "listener.limit",
        "tailrace.listener.limit",
        "{connection}",
        "How many may wait at this listener.",
    ),
)


class QuestionNames:
    """Names that are attributes: so many at once, the first that were asked for; all others are ``other``.

    :ivar folded: rows whose name found no room.
    """

    def __init__(self, limit: int) -> None:
        self.folded = 0
        self._limit = limit
        self._seen: dict[str, int] = {}  # name → newest second

    def __len__(self) -> int:
        return len(self._seen)

    def told(self, names: Iterable[str], window: int) -> dict[str, str]:
        """What stands for each of these."""
        return {name: self._one(name, window) for name in names}

    def _one(self, name: str, window: int) -> str:
        if not name or name == OTHER_NAME:
            return name
        if name not in self._seen and len(self._seen) >= self._limit:
            self._seen = {each: at for each, at in self._seen.items() if at > window - NAME_SECONDS}
            if len(self._seen) >= self._limit:
                return OTHER_NAME
        self._seen[name] = max(window, self._seen.get(name, 0))
        return name


class RowGroups:
    """Groups rows of each kind.

    :param names: of questions that are attributes at most.
    :param parts: of workloads that are attributes, by their places in ``PARTS``.
    """

    def __init__(self, names: int, parts: Sequence[int] = range(len(PARTS))) -> None:
        self.names = QuestionNames(names)
        self._parts = parts
        self._ends = RowEnds()
        self._attributes: dict[str, Callable[[Batch], Iterable[Attributes]]] = {
            QUERY.name: self._of_queries,
            DROP.name: self._of_drops,
            LISTENER.name: self._of_listeners,
        }

    def of(self, batch: Batch) -> Grouped:
        """Rows by what their sums and gauges are told apart by."""
        return _grouped(batch, _TOLD_APART[batch.kind.name], self._attributes[batch.kind.name])

    def of_lookups(self, batch: Batch) -> Grouped:
        """Queries by what OpenTelemetry tells lookups apart by, and by who asked whom."""
        questions, names = batch.tables["questions"], batch.columns["question.index"]
        used, counts = np.unique(names, return_counts=True)
        told = self.names.told([questions[name] for name in used.tolist()], batch.window)
        self.names.folded += sum(
            count
            for name, count in zip(used.tolist(), counts.tolist(), strict=True)
            if told[questions[name]] == OTHER_NAME != questions[name]
        )

        def attributes(few: Batch) -> Iterable[Attributes]:
            asked, rcodes = (few.columns[name].tolist() for name in ("question.index", "dns.response.code"))
            for ends, name, rcode in zip(self._of_resolvers(few), asked, rcodes, strict=True):
                error = (("error.type", _word(_RCODES, rcode)),) if rcode else ()
                yield (*ends, ("dns.question.name", told[questions[name]]), *error)

        return _grouped(batch, (*_RESOLVED, "question.index"), attributes)

    def _of_queries(self, batch: Batch) -> Iterable[Attributes]:
        rcodes = batch.columns["dns.response.code"].tolist()
        for ends, rcode in zip(self._of_resolvers(batch), rcodes, strict=True):
            yield (*ends, ("dns.response.code", _word(_RCODES, rcode)))

    def _of_resolvers(self, batch: Batch) -> Iterable[Attributes]:
        """Who asked whom, and how."""
        columns = batch.columns
        clients = self._ends.workloads(batch, "client.", "client.address")
        servers = self._ends.workloads(batch, "server.", "server.address")
        ports, codes = columns["server.port"].tolist(), columns["network.transport"].tolist()
        for client, server, port, code in zip(clients, servers, ports, codes, strict=True):
            yield (
                *self._whose("client", client),
                *self._whose("server", server),
                ("server.port", port),
                ("network.transport", _word(_TRANSPORTS, code)),
            )

    def _of_drops(self, batch: Batch) -> Iterable[Attributes]:
        columns = batch.columns
        ends = [self._ends.workloads(batch, f"{end}.") for end in ("source", "destination")]
        names = ("drop.category", "drop.reason", "network.transport", "netfilter.hook")
        told = [columns[name].tolist() for name in names]
        for source, destination, category, reason, transport, hook in zip(*ends, *told, strict=True):
            yield (
                ("host.name", batch.node),
                ("drop.category", _word(_CATEGORIES, category)),
                ("drop.reason", reason.decode(errors="replace")),
                ("network.transport", _word(_DROP_TRANSPORTS, transport)),
                *((("netfilter.hook", _word(_HOOKS, hook)),) if hook else ()),
                *self._whose("source", source),
                *self._whose("destination", destination),
            )

    def _of_listeners(self, batch: Batch) -> Iterable[Attributes]:
        ports = batch.columns["network.local.port"].tolist()
        for workload, port in zip(self._ends.workloads(batch, ""), ports, strict=True):
            yield (("host.name", batch.node), *self._whose("server", workload), ("server.port", port))

    def _whose(self, side: str, workload: Workload) -> Attributes:
        if workload == OTHER:
            return ()
        return tuple((f"{side}.{PARTS[part]}", workload[part]) for part in self._parts if workload[part])


def _grouped(
    batch: Batch, names: Sequence[str], attributes: Callable[[Batch], Iterable[Attributes]]
) -> Grouped:
    """Rows by their attributes, which are made of rows that differ in these columns alone."""
    if not len(batch):
        return Grouped([], np.zeros(0, np.int64))
    firsts, numbers = same_rows([batch.columns[name] for name in names])
    groups: dict[Attributes, int] = {}
    few = [groups.setdefault(each, len(groups)) for each in attributes(batch.take(firsts))]
    return Grouped(list(groups), np.array(few, np.int64)[numbers])


def lookups(batch: Batch) -> tuple[Array, Array]:
    """Of each row of queries the sum and the index of its histogram: the client's, else the server's."""
    columns = batch.columns
    mine = columns["dns.client.lookup.duration_ns.index"] != 0
    sums, indexes = (
        np.where(mine, *(columns[f"dns.{side}.lookup.duration_ns.{part}"] for side in ("client", "server")))
        for part in ("sum", "index")
    )
    return sums, indexes


def fullest(batch: Batch, groups: Grouped) -> np.ndarray:
    """The row of the listener of each group whose queue is fullest for its limit; shape (groups,)."""
    columns = batch.columns
    queues, limits = columns["listener.queue"].astype(float), columns["listener.limit"]
    order = np.lexsort((queues / np.maximum(1, limits), groups.numbers))
    found: np.ndarray = order[np.flatnonzero(np.diff(groups.numbers[order], append=len(groups.attributes)))]
    return found


def _word(words: dict[int, str], code: int) -> str:
    return words.get(code, str(code))
