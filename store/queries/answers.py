"""What answers look like: JSON of the API, ``-o json`` of commands, and the OpenAPI file are made from these types.

Times are whole seconds since the epoch, durations nanoseconds, as names say (``_s``, ``_ns``).
"""

from typing import Any, Literal

import msgspec

Status = Literal["failing", "degraded", "ok", "silent", "unknown"]
ChangeState = Literal["new", "gone", "changed", "same"]


class Answer(msgspec.Struct, frozen=True):
    """Base of all: unset fields are not left out, so that rows of a table have the same columns."""


class Period(Answer, frozen=True):
    """The seconds that an answer is of: from ``from_s`` up to, and without, ``to_s``.

    :param step_s: in which the store keeps the oldest of them.
    :param complete: nothing more is to come: the answer stays as it is.
    """

    from_s: int = msgspec.field(name="from")
    to_s: int = msgspec.field(name="to")
    step_s: int
    complete: bool


class GapOf(Answer, frozen=True):
    """Seconds of which something is not known.

    :param node: empty: of the whole store.
    :param reason: ``away``, ``not_stored``, ``lost`` or ``agent_too_old``.
    """

    node: str
    from_s: int = msgspec.field(name="from")
    to_s: int = msgspec.field(name="to")
    reason: str
    lost: int
    detail: str


class Ledger(Answer, frozen=True):
    """What the answer cannot know."""

    gaps: list[GapOf]


class Quantiles(Answer, frozen=True):
    """Of a measured time; nanoseconds, within 4.5 %."""

    p50: int
    p99: int


class Evidence(Answer, frozen=True):
    """Shares of the flows: both ends reported, the client's alone, the server's alone."""

    both: float
    client: float
    server: float


class Change(Answer, frozen=True):
    """An edge or node now and before; each pair is [before, now].

    :param score: how surprising: the natural logarithm of the ratio that changed most, less its uncertainty.
    :param what: the ratio that it is of, in words.
    """

    state: ChangeState
    score: float
    what: str
    bytes: tuple[int, int]
    opened: tuple[int, int]
    failed: tuple[int, int]
    retransmits: tuple[int, int]
    p99: tuple[int, int]
    requests: tuple[int, int]
    requests_failed: tuple[int, int]
    request_p99: tuple[int, int]


class Why(Answer, frozen=True):
    """Why a node is shown.

    :param edge: that brought it in.
    :param path: ids of nodes from the selection to it.
    """

    edge: str
    path: list[int]


class LeftOut(Answer, frozen=True):
    """How many neighbours of a node are not shown: those that call it, those that it calls."""

    up: int
    down: int


class Node(Answer, frozen=True):
    """A workload, or a group of them.

    :param id: stays as long as the store remembers it.
    :param key: names it for ``select``.
    :param hop: edges from the selection.
    :param column: from left to right: callers stand left of whom they call, where that can be.
    :param reasons: of the status, in words.
    :param why: null for what was selected.
    :param stack: null here; the page puts those that are alike together.
    :param requests: that it was asked, by all its callers; the other two as of edges.
    :param first_s: first second that the store remembers; ``last_s`` the last.
    """

    id: int
    key: str
    name: str
    kind: str
    namespace: str
    zones: list[str]
    versions: list[str]
    hop: int
    column: int
    status: Status
    reasons: list[str]
    why: Why | None
    left_out: LeftOut
    stack: dict[str, Any] | None
    requests: int
    requests_failed: int
    request_ns: Quantiles | None
    first_s: int
    last_s: int
    change: ChangeState | None


class Hop(Answer, frozen=True):
    """One connection of a path.

    :param id: of its edge; ``client`` and ``server`` are the keys of its nodes.
    :param sent: segments sent, of which ``retransmits`` again.
    """

    id: str
    client: str
    server: str
    rtt_ns: Quantiles | None
    retransmits: int
    sent: int


class Path(Answer, frozen=True):
    """A way that requests took through proxies.

    :param via: keys of the proxies, from the client on.
    :param before_ns: of one request, on average, as the first proxy has it: until the request's head was on its way
        to the next hop; ``upstream_ns``: from then on until the answer's head was back; ``after_ns``: until that was
        on its way to the client.
    :param hops: from the client to the server, each with all of its traffic.
    """

    via: list[str]
    requests: int
    requests_failed: int
    before_ns: int
    upstream_ns: int
    after_ns: int
    hops: list[Hop]


class DropCause(Answer, frozen=True):
    """Why packets were dropped, and where.

    :param category: ``netfilter``, ``receive_buffer``, ...; ``reason`` is the kernel's name, ``function`` its place.
    :param hook: in whose chains a rule of netfilter dropped; empty for other categories, and where it is not known.
    :param node: the machine that dropped them.
    """

    category: str
    reason: str
    hook: str
    function: str
    node: str
    packets: int


class Edge(Answer, frozen=True):
    """Who called whom on which port.

    :param id: ``3>9:50051``, ``3>9:53/udp``: ids of its nodes, which ``/edges`` and others take too.
    :param opened: connections that were established; ``failed`` those that were not.
    :param failures: why, by reason.
    :param attempts: connects with a known end: opened and failed.
    :param sent: segments sent, of which ``retransmits`` again.
    :param datagrams: of UDP, sent by both ends; ``datagrams_lost`` of these did not come to the other end, and for
        ``datagrams_dropped`` a receive buffer had no room.
    :param dropped: packets of its connections that a kernel dropped; ``drops`` why, the most frequent first.
    :param broken: established connections that ended by a reset or time-out.
    :param requests: of HTTP and gRPC; ``requests_failed`` had no answer, or one that is the server's failure.
    :param request_ns: how long they took, as the client saw it, else the server; null if nothing was measured.
    :param queries: of DNS; ``queries_failed`` had no answer, or one that is the server's failure.
    :param change: null without ``against``.
    :param paths: where proxies are folded: how requests got there, the largest first, at most 8; they are in none of
        the numbers of connections, which are those of its hops.
    """

    id: str
    from_id: int = msgspec.field(name="from")
    to_id: int = msgspec.field(name="to")
    port: int
    transport: str
    status: Status
    reasons: list[str]
    bytes: int
    reply_bytes: int
    opened: int
    closed: int
    failed: int
    failures: dict[str, int]
    retransmits: int
    sent: int
    datagrams: int
    datagrams_lost: int
    datagrams_dropped: int
    dropped: int
    drops: list[DropCause]
    broken: int
    active: int
    connect_ns: Quantiles | None
    rtt_ns: Quantiles | None
    requests: int
    requests_failed: int
    request_ns: Quantiles | None
    queries: int
    queries_failed: int
    evidence: Evidence
    change: Change | None
    first_s: int
    last_s: int
    paths: list[Path] = []


class MapAnswer(Answer, frozen=True):
    """A neighbourhood.

    :param selection: ids of the nodes that were selected; empty: an overview.
    :param of: nodes within reach; ``shown + left_out == of``.
    :param truncated_by: ``budget``, ``fan``, or null if everything is shown.
    """

    selection: list[int]
    nodes: list[Node]
    edges: list[Edge]
    shown: int
    left_out: int
    of: int
    truncated_by: str | None
    group: str


class EdgeRow(Answer, frozen=True):
    """An edge in a table: with the keys of both nodes."""

    client: str
    server: str
    edge: Edge


class EdgesAnswer(Answer, frozen=True):
    """A page of the table of edges.

    :param of: edges that match.
    :param cursor: for ``cursor`` of the next page; null at the end.
    """

    rows: list[EdgeRow]
    of: int
    cursor: str | None


class SeriesAnswer(Answer, frozen=True):
    """Columns of equal length; a step without a row in the store is 0, one that is not known is null.

    :param begins_s: of each step.
    :param columns: by the name of the metric.
    """

    step_s: int
    begins_s: list[int]
    columns: dict[str, list[int | None]]


class Share(Answer, frozen=True):
    """What one value of an attribute has of all.

    :param share: of the failures; ``share_of_opens``: of the attempts.
    :param lift: the first divided by the second: 1 if failures do not care for this value.
    :param rate: failures of its own attempts; ``low`` and ``high`` bound it with 95 %.
    """

    value: str
    failed: int
    attempts: int
    share: float
    share_of_opens: float
    lift: float
    rate: float
    low: float
    high: float


class By(Answer, frozen=True):
    """The values of one attribute, the most suspect first.

    :param attribute: ``client.zone``, ``server.version``, …
    """

    attribute: str
    values: list[Share]


class JustBefore(Answer, frozen=True):
    """What was first seen shortly before a cause began.

    :param what: ``version``, ``workload``, ``agent`` (a machine) or ``instance``.
    """

    at_s: int = msgspec.field(name="at")
    what: str
    text: str


class CauseFound(Answer, frozen=True):
    """Values that separate the bad from the healthy.

    :param where: value by attribute; empty: everything.
    :param explains: its part of all failures beyond what is normal, 0..1.
    :param score: evidence for it, in nats.
    :param rate_outside: failures of attempts where no cause is; ``rate_expected`` what is normal inside.
    :param also_known_as: other names of the same traffic.
    :param began_s: null if it was so all the time that was looked at: the window, and 15 minutes before.
    :param before: what is of the cause and began at most 15 minutes before it.
    """

    where: dict[str, str]
    explains: float
    score: float
    bad: int
    total: int
    rate_inside: float
    rate_outside: float
    rate_expected: float
    also_known_as: list[dict[str, str]]
    began_s: int | None = msgspec.field(name="began")
    before: list[JustBefore]


class WhereAnswer(Answer, frozen=True):
    """Where failures are.

    :param of: ``connects`` or ``requests``: what is counted.
    :param causes: best first; ``not``: attributes in which nothing differs beside them.
    """

    of: str
    failed: int
    attempts: int
    causes: list[CauseFound]
    no_difference: list[str] = msgspec.field(name="not")
    by: list[By]


class DiffRow(Answer, frozen=True):
    """An edge that is another than before."""

    client: str
    server: str
    edge: Edge
    score: float


class DiffAnswer(Answer, frozen=True):
    """What changed, the most surprising first.

    :param against: the window that it is compared with.
    """

    against: Period
    rows: list[DiffRow]
    of: int
    new: int
    gone: int
    changed: int
    same: int
