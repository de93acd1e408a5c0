"""Answers that list what there is or was: names, instances, moments, values of attributes, ways through NAT."""

import msgspec

from store.queries.answers import Answer, ChangeState, Evidence, Quantiles


class Found(Answer, frozen=True):
    """Something that a search found.

    :param what: ``workload``, ``pod``, ``container``, ``process``, ``image``, ``version``, ``region``, ``zone``,
        ``node``, ``namespace``, ``address``, ``port``, ``route`` or ``host``.
    :param value: that matched; ``key`` is what ``select`` takes to look at it, with ``q`` where that is set.
    :param matched: in which way: ``exact``, ``prefix``, ``word``, ``within`` or ``similar``.
    :param workloads: how many it names.
    :param neighbours: how many talk with them in the window.
    :param gone: nothing was seen of it in the window.
    """

    what: str
    value: str
    key: str
    q: str
    matched: str
    score: float
    workloads: int
    neighbours: int
    gone: bool
    first_s: int
    last_s: int


class SearchAnswer(Answer, frozen=True):
    """What was found, the best first."""

    found: list[Found]
    of: int


class QualityFinding(Answer, frozen=True):
    """Something that is not as it should be.

    :param verdict: as of the answer, whose first finding decides.
    """

    verdict: str
    text: str


class QualityFigure(Answer, frozen=True):
    """What a verdict rests on.

    :param usual: the same in the window that it is compared with.
    """

    name: str
    value: float
    usual: float


class QualityAnswer(Answer, frozen=True):
    """Network or application?

    :param verdict: ``network``, ``backlog`` (the server's accept queue overflows), ``receiver`` (an end does not
        read), ``application``, ``well``, or ``unknown``: not enough data.
    :param edges: that it is of.
    :param usual: whether anything is known of how they usually are.
    """

    verdict: str
    sentence: str
    findings: list[QualityFinding]
    figures: list[QualityFigure]
    edges: int
    usual: bool


class EndpointChange(Answer, frozen=True):
    """Requests now and before; each pair is [before, now].

    :param score: as of edges: of the share that failed, or of requests a second.
    """

    state: ChangeState
    score: float
    requests: tuple[int, int]
    failed: tuple[int, int]
    p99: tuple[int, int]


class EndpointRow(Answer, frozen=True):
    """Requests that are alike. What ``by`` leaves out, and what was not seen, is empty or null.

    :param edge: id of the edge, where client, server and port tell rows apart; else empty.
    :param status: 0: no answer; ``status_class``: ``5xx``, or ``none``.
    :param grpc_status: null: no call of gRPC, or it was not seen.
    :param via: the proxy that requests came through, and in ``cluster`` what it calls those that it sent them to.
    :param failed: without an answer, or with one that is the server's failure.
    :param rate: requests a second, over all of the window that the store knows.
    :param client_ns: how long they took, as the client's kernel saw it; ``server_ns`` as the server's did.
    """

    client: str
    server: str
    edge: str
    port: int | None
    protocol: str
    method: str
    route: str
    host: str
    status: int | None
    status_class: str
    grpc_status: int | None
    via: str
    cluster: str
    requests: int
    failed: int
    rate: float
    request_bytes: int
    response_bytes: int
    client_ns: Quantiles | None
    server_ns: Quantiles | None
    evidence: Evidence
    change: EndpointChange | None
    first_s: int
    last_s: int


class EndpointsAnswer(Answer, frozen=True):
    """A page of what workloads ask each other for.

    :param requests: of all rows, each once: without those that a proxy passed on, unless the filter wants these;
        ``failed`` likewise.
    :param cursor: for ``cursor`` of the next page; null at the end.
    """

    endpoints: list[EndpointRow]
    of: int
    requests: int
    failed: int
    cursor: str | None


class InstanceRow(Answer, frozen=True):
    """A pod, a container or a process on one machine; what is not known is empty.

    :param key: of the node of the map that it belongs to; ``version`` and ``zone`` of its workload.
    :param first_s: the first second in which it was seen at an end of a connection; ``last_s`` the last, at most that
        of the window.
    """

    key: str
    node: str
    pod: str
    container: str
    process: str
    image: str
    address: str
    region: str
    version: str
    zone: str
    first_s: int
    last_s: int


class InstancesAnswer(Answer, frozen=True):
    """Instances that were there in the window, the one that came last first."""

    instances: list[InstanceRow]
    of: int


class Moment(Answer, frozen=True):
    """A mark on the time bar.

    :param id: ``deploy:ID`` of a version can be given to ``against``.
    :param what: ``version`` (a version of a workload was first seen), ``version_gone``, ``workload``,
        ``workload_gone``, ``instance``, ``instance_gone``, ``gap``, ``agent``, ``agent_gone``.
    :param key: of the workload; empty for what is of a node.
    :param to_s: where it ends, for gaps.
    """

    id: str
    at_s: int = msgspec.field(name="at")
    to_s: int = msgspec.field(name="to")
    what: str
    key: str
    text: str


class MomentsAnswer(Answer, frozen=True):
    """Marks in order of time."""

    moments: list[Moment]
    of: int


class Value(Answer, frozen=True):
    """A value of an attribute, and how many workloads have it."""

    value: str
    workloads: int


class AttributesAnswer(Answer, frozen=True):
    """Values, the most frequent first; without a key, the keys themselves."""

    key: str
    values: list[Value]
    of: int


class NatHop(Answer, frozen=True):
    """One tuple of a way.

    :param src: address; empty for the caller's own.
    :param dst: address and port.
    :param rewritten_by: the node that made it of the one before; empty for what was called, and where it is not
        known: rows do not say which of several nodes that report did it.
    :param service: the workload that has the address; empty if none is known to have it, such as for the address of
        a service, which no process has.
    """

    src: str
    dst: str
    rewritten_by: str
    service: str


class NatChain(Answer, frozen=True):
    """A way that connections of an edge took.

    :param flows: connections; ``both_ends`` of these were reported by both ends.
    """

    edge: str
    client: str
    server: str
    hops: list[NatHop]
    flows: int
    both_ends: int
    bytes: int
    reply_bytes: int
    unaccounted_bytes: int
    first_s: int
    last_s: int


class NatAnswer(Answer, frozen=True):
    """Ways, the one with most connections first."""

    chains: list[NatChain]
    of: int
