"""What a store answers: sums of windows in columns, and who was there. Every store has the same answers.

**Time** is wall clock in whole seconds. A window begins with its first second and ends before its last
(``from_s <= second < to_s``). Older seconds are kept in steps of 10 s and 60 s: a window that begins or ends within
such a step is widened to whole steps, which the answer says (``Edges.window``).

**Identifiers** are numbers of this store alone, above 0, which stay: a workload (name, kind, namespace, zone,
version) keeps its own, and so does an edge (client workload, server workload, server port, transport), as long as
the store remembers something of it. None is used twice. To name one outside of a store, write its parts.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np

from model.kinds.workload import Workload
from store.measures import EVERYTHING, MOST, REQUEST_MEASURES, REQUEST_SUMS, SUMS, Measures

NS: Final = 1_000_000_000


class Window(NamedTuple):
    """From the second ``from_s`` up to, and without, ``to_s``; since the epoch."""

    from_s: int
    to_s: int

    @classmethod
    def of_ns(cls, from_ns: int, to_ns: int) -> "Window":
        """All seconds that the interval touches."""
        return cls(from_ns // NS, -(-to_ns // NS))

    @property
    def seconds(self) -> int:
        """How long it is; 0 if it ends before it begins."""
        return max(0, self.to_s - self.from_s)


#: Client workloads, server workloads, ports and transports of edges.
EdgeEnds = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Edges:
    """A row for each edge that had anything in the window; arrays of the same length.

    :param window: that the sums are of: that which was asked for, widened to whole steps.
    :param ids: of edges, ascending; int64.
    :param clients: workload ids; ``servers`` likewise; int64.
    :param ports: that the server listens on; uint16.
    :param transports: 6 tcp, 17 udp; uint8.
    :param measures: the sums; ``first_s`` and ``last_s`` are the first and last second with anything.
    """

    window: Window
    ids: np.ndarray
    clients: np.ndarray
    servers: np.ndarray
    ports: np.ndarray
    transports: np.ndarray
    measures: Measures

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "Edges":
        """The rows at these places, or of this mask."""
        return Edges(
            self.window,
            self.ids[rows],
            self.clients[rows],
            self.servers[rows],
            self.ports[rows],
            self.transports[rows],
            self.measures.take(rows),
        )


@dataclass(frozen=True, eq=False)
class Endpoints:
    """A row for each endpoint that had requests in the window; arrays of the same length.

    An endpoint is of one edge, and of requests that are alike (``store.measures.ENDPOINT_PARTS``).

    :param window: as in ``Edges``.
    :param ids: of endpoints, ascending; int64.
    :param edges: the id of each one's edge; int64.
    :param clients: workload ids of the edge, ``servers``, ``ports`` and ``transports`` likewise.
    :param parts: what requests were of, by its name; texts are objects.
    :param measures: the sums (``REQUEST_SUMS``, ``REQUEST_MEASURES``).
    :param folded: each request is in one row: those to proxies and from them are left out, where they were passed on.
    """

    window: Window
    ids: np.ndarray
    edges: np.ndarray
    clients: np.ndarray
    servers: np.ndarray
    ports: np.ndarray
    transports: np.ndarray
    parts: Mapping[str, np.ndarray]
    measures: Measures
    folded: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "Endpoints":
        """The rows at these places, or of this mask."""
        return Endpoints(
            self.window,
            self.ids[rows],
            self.edges[rows],
            self.clients[rows],
            self.servers[rows],
            self.ports[rows],
            self.transports[rows],
            {name: part[rows] for name, part in self.parts.items()},
            self.measures.take(rows),
            self.folded,
        )


@dataclass(frozen=True, eq=False)
class Drops:
    """A row for each edge and cause for which packets of its connections were dropped; arrays of the same length.

    :param window: as in ``Edges``.
    :param edges: the id of each one's edge; int64.
    :param parts: why and where (``store.measures.DROP_PARTS``); texts as objects.
    :param packets: how many; int64. Those of an edge add up to its ``dropped_segments``.
    """

    window: Window
    edges: np.ndarray
    parts: Mapping[str, np.ndarray]
    packets: np.ndarray

    def __len__(self) -> int:
        return len(self.edges)


@dataclass(frozen=True)
class Series:
    """A row for each edge (or endpoint) and step in which it had anything; ordered by step, then by id.

    :param window: as in ``Edges``.
    :param step_s: seconds of a step: that which was asked for, or a longer one where older seconds are kept so.
    :param begins_s: when each row's step begins, a multiple of ``step_s``; int64.
    :param ids: of edges, or endpoints; int64.
    """

    window: Window
    step_s: int
    begins_s: np.ndarray
    ids: np.ndarray
    measures: Measures

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Workloads:
    """The workloads that the store remembers; the row of an id is ``rows(ids)``.

    A store gives the same object as long as it knows the same, so that what follows from it can be kept.

    :param ids: ascending; int64.
    :param parts: name, kind, namespace, zone, version of each.
    :param first_s: the first second of each as client or server; ``last_s`` the last; int64.
    """

    ids: np.ndarray
    parts: Sequence[Workload]
    first_s: np.ndarray
    last_s: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """The places of these ids, all of them known here; int64."""
        places: np.ndarray = np.searchsorted(self.ids, ids)
        return places


class Instance(NamedTuple):
    """What a workload consists of: a process, a container or a pod on one machine. What is not known is empty.

    :param node: the machine (``k8s.node.name``, else the node that reports, else ``host.name``).
    :param pod: ``k8s.pod.name``.
    :param container: ``container.name``, else its id.
    :param process: ``process.executable.name``, else ``process.comm``.
    :param image: ``container.image.name`` and its tag: ``shop/cart:v2``.
    :param address: that it has on its own network, as text.
    :param region: ``cloud.region``.
    """

    node: str
    pod: str
    container: str
    process: str
    image: str
    address: str
    region: str = ""


@dataclass(frozen=True)
class Instances:
    """Instances with the first and the last second in which each was seen at an end of a connection.

    :param workloads: the workload that each belongs to; int64.
    :param parts: what is known of each.
    :param first_s: int64; ``last_s`` likewise.
    """

    workloads: np.ndarray
    parts: Sequence[Instance]
    first_s: np.ndarray
    last_s: np.ndarray

    def __len__(self) -> int:
        return len(self.workloads)


class ChainHop(NamedTuple):
    """One tuple that the connections of a chain had on their way. The caller's ephemeral port is no part of it.

    :param source: address as text; empty while it is the client's own, of which there may be many.
    :param rewriter: the node that made the next hop of this one; empty if nobody said, and for the last hop.
    """

    source: str
    destination: str
    destination_port: int
    rewriter: str


@dataclass(frozen=True)
class Chains:
    """The ways through NAT that connections of edges took in the window: a row for each edge and way.

    :param edges: ids; int64.
    :param hops: what the client called first; what reached the server last; at least two.
    :param connections: that took this way and were opened, failed to, or changed to it in the window; int64.
    :param both_ends: of these, those that both ends reported; int64.
    :param bytes: from client to server; ``reply_bytes`` back; int64.
    :param unaccounted_bytes: what one end sent and the other did not get, both ways, of those that ended; int64.
    :param first_s: the first second of each; ``last_s`` the last; int64.
    """

    edges: np.ndarray
    hops: Sequence[tuple[ChainHop, ...]]
    connections: np.ndarray
    both_ends: np.ndarray
    bytes: np.ndarray
    reply_bytes: np.ndarray
    unaccounted_bytes: np.ndarray
    first_s: np.ndarray
    last_s: np.ndarray

    def __len__(self) -> int:
        return len(self.edges)


class Gap(NamedTuple):
    """Seconds of which something is not known: what is missing there is not zero.

    :param node: whose reports are missing; empty: of the whole store.
    :param from_s: first second; up to, and without, ``to_s``.
    :param reason: ``away`` (nobody reported), ``not_stored`` (this store was not running, or could not write),
        ``lost`` (units that the ledger of the node counts as dropped), ``agent_too_old`` (it reports, but not all
        that is kept).
    :param lost: how many; 0 for other reasons.
    :param detail: the stage and reason of the ledger: ``kernel ring_full``; the version of an agent.
    """

    node: str
    from_s: int
    to_s: int
    reason: str
    lost: int = 0
    detail: str = ""

    @property
    def is_silence(self) -> bool:
        """Whether nothing at all is known of these seconds."""
        return self.reason in ("away", "not_stored")


class Bounds(NamedTuple):
    """How far the store reaches; all 0 if it is empty.

    :param oldest_s: the first second that is kept.
    :param newest_s: the last second of which anything came.
    :param complete_s: up to, and without, this second nothing more is to come in order; late seconds still may.
    :param steps: step in seconds -> the first second kept in steps of that length: ``{1: …, 10: …, 60: …}``.
    """

    oldest_s: int
    newest_s: int
    complete_s: int
    steps: Mapping[int, int]


class Store(Protocol):
    """Answers questions. Safe to call from any thread; another process may write meanwhile.

    A question takes milliseconds: ask from a thread, not from an event loop.
    """

    @abstractmethod
    def edges(
        self,
        window: Window,
        edges: Sequence[int] | np.ndarray | None = None,
        histograms: bool = True,
        columns: Sequence[str] = (*SUMS, *MOST),
    ) -> Edges:
        """Edges of the window: these (None: all) that had anything.

        :param histograms: whether quantiles are wanted: without them an answer of many edges takes a third of the
            time, and all quantiles are 0.
        :param columns: sums that are wanted: the fewer, the sooner the answer, and the smaller.
        :raises TailraceError: if the store cannot be read, with what to do.
        """

    @abstractmethod
    def series(
        self,
        window: Window,
        step_s: int,
        edges: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = EVERYTHING,
    ) -> Series:
        """The steps of the window, of these edges (None: of all).

        :param step_s: 1, or a multiple of 10; the answer's is the finest that is a multiple of this and kept for
            the whole window.
        :param columns: that are wanted of ``store.measures.EVERYTHING``: the fewer, the sooner the answer.
        """

    @abstractmethod
    def endpoints(
        self, window: Window, edges: Sequence[int] | np.ndarray | None = None, histograms: bool = True
    ) -> Endpoints:
        """Endpoints of these edges (None: of all) that had requests in the window.

        :param histograms: as in ``edges``.
        """

    @abstractmethod
    def request_series(
        self,
        window: Window,
        step_s: int,
        endpoints: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = (*REQUEST_SUMS, *REQUEST_MEASURES),
    ) -> Series:
        """As ``series``, of these endpoints (None: of all)."""

    @abstractmethod
    def drops(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Drops:
        """Why packets of these edges' connections were dropped in the window (None: of all)."""

    @abstractmethod
    def workloads(self) -> Workloads:
        """All that are remembered, also those that are gone."""

    @abstractmethod
    def instances(self, window: Window, workloads: Sequence[int] | np.ndarray | None = None) -> Instances:
        """Those seen in the window, of these workloads (None: of all); first and last second are not cut to it."""

    @abstractmethod
    def chains(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Chains:
        """Of these edges (None: of all). An edge whose connections nobody rewrote has none.

        Ways are kept by the minute: the window is widened to whole ones.
        """

    @abstractmethod
    def reporters(self, window: Window) -> list[str]:
        """The machines that reported anything in the window, by name, sorted."""

    @abstractmethod
    def gaps(self, window: Window) -> list[Gap]:
        """Where something is not known, ordered by time; cut to the window."""

    @abstractmethod
    def bounds(self) -> Bounds:
        """How far it reaches now."""

    @abstractmethod
    def close(self) -> None:
        """Let go. Called once."""
