"""What can be asked, in which words: parameters of the API, options of commands, and the OpenAPI file."""

import inspect
import re
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

Group = Literal["workload", "version", "zone", "namespace", "node"]
Proxies = Literal["shown", "folded"]
Direction = Literal["both", "up", "down"]
Rank = Literal["mixed", "traffic", "errors", "change"]
EdgeOrder = Literal[
    "bytes",
    "failed",
    "opened",
    "retransmits",
    "dropped",
    "p99",
    "score",
    "-bytes",
    "-failed",
    "-opened",
    "-retransmits",
    "-dropped",
    "-p99",
    "-score",
    "requests",
    "requests_failed",
    "-requests",
    "-requests_failed",
]
EndpointOrder = Literal[
    "requests", "failed", "p50", "p99", "bytes", "-requests", "-failed", "-p50", "-p99", "-bytes"
]
EndpointPart = Literal[
    "client",
    "server",
    "port",
    "protocol",
    "method",
    "route",
    "host",
    "status",
    "status_class",
    "grpc_status",
    "via",
    "cluster",
]
Change = Literal["new", "gone", "changed", "same"]
Attribute = Literal["version", "region", "zone", "node", "instance", "process", "port"]
FailureKind = Literal["connects", "requests", "drops"]
Metric = Literal[
    "bytes",
    "reply_bytes",
    "opened",
    "closed",
    "failed",
    "retransmits",
    "sent",
    "dropped",
    "active",
    "p50",
    "p99",
    "rtt_p50",
    "rtt_p99",
    "requests",
    "requests_failed",
    "request_p50",
    "request_p99",
]

_Time = Annotated[str, Meta(max_length=64)]
_Words = Annotated[str, Meta(max_length=2000)]
_Name = Annotated[str, Meta(max_length=512)]
_Names = Annotated[list[_Name], Meta(max_length=200)]
_Limit = Annotated[int, Meta(ge=1, le=10_000)]


class Times(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """When.

    :param from_time: begin of the window: 2026-11-29T03:07:40Z, 03:07 (of today), 10m (ago), or seconds; in UTC
    :param to: its end; now without it
    :param at: end of a window that is as long as ``window`` says
    :param window: how long it is: 5m, 30s, 1h
    :param against: what to compare it with: a time, -1d (so long before), FROM/TO, or deploy:ID of a moment
    """

    from_time: _Time = msgspec.field(name="from", default="")
    to: _Time = ""
    at: _Time = ""
    window: _Time = "5m"
    against: Annotated[str, Meta(max_length=130)] = ""


class Scope(Times, kw_only=True):
    """Which edges.

    :param select: workloads: shop/cart, cart, shop/*, or the id or key of a node
    :param q: filter of edges: failed>0 port:5432 ns:shop zone:a pod:cart-7
    :param group: what a node is
    """

    select: _Names = []
    q: _Words = ""
    group: Group = "workload"


class FoldingScope(Scope, kw_only=True):
    """Which edges, with proxies or without them.

    :param proxies: folded: an edge from who asked to who answered, in place of those to a proxy and from it
    """

    proxies: Proxies = "shown"


class MapParameters(FoldingScope, kw_only=True):
    """A neighbourhood.

    :param hops: edges from the selection
    :param direction: up: who calls it; down: whom it calls
    :param rank: what comes first
    :param budget: nodes at most
    :param fan: healthy neighbours of one node and direction at most
    :param keep: ids of nodes that stay if they are within reach
    :param hide: words of the filter that are left out: kind:address
    """

    hops: Annotated[int, Meta(ge=1, le=4)] = 2
    direction: Direction = "both"
    rank: Rank = "mixed"
    budget: Annotated[int, Meta(ge=1, le=500)] = 40
    fan: Annotated[int, Meta(ge=1, le=500)] = 8
    keep: Annotated[list[int], Meta(max_length=500)] = []
    hide: _Names = []


class SearchParameters(Times, kw_only=True):
    """Search.

    :param q: words to look for, and filter words: check zone:a
    :param group: what a workload is
    :param limit: found things at most
    """

    q: _Words = ""
    group: Group = "workload"
    limit: Annotated[int, Meta(ge=1, le=500)] = 20


class EdgesParameters(FoldingScope, kw_only=True):
    """The table of edges.

    :param sort: largest first; with - before it, smallest first
    :param limit: rows at most
    :param cursor: as the page before says
    """

    sort: EdgeOrder = "bytes"
    limit: _Limit = 100
    cursor: Annotated[str, Meta(max_length=64)] = ""


class EndpointsParameters(FoldingScope, kw_only=True):
    """What workloads ask each other for.

    :param edge: as in series
    :param direction: of a selection: up: what it is asked for; down: what it asks for
    :param by: what tells rows apart; fewer of these add rows up
    :param sort: largest first; with - before it, smallest first
    :param limit: rows at most
    :param cursor: as the page before says
    """

    edge: _Names = []
    direction: Direction = "both"
    by: list[EndpointPart] = msgspec.field(
        default_factory=lambda: [each for each in get_args(EndpointPart) if each != "status_class"]
    )
    sort: EndpointOrder = "requests"
    limit: _Limit = 100
    cursor: Annotated[str, Meta(max_length=64)] = ""


class SeriesParameters(Scope, kw_only=True):
    """Columns over time.

    :param edge: 3>9:50051, or shop/cart>shop/db:5432
    :param metrics: which
    :param step: auto, or seconds: 1, or a multiple of 10
    """

    edge: _Names = []
    metrics: list[Metric] = msgspec.field(default_factory=lambda: ["bytes", "failed", "p99"])
    step: Annotated[str, Meta(pattern=r"^(auto|\d{1,6})$")] = "auto"


class DiffParameters(FoldingScope, kw_only=True):
    """What changed between two windows; the window before by default.

    :param state: which changes
    :param min_change: score at least
    :param limit: rows at most
    """

    state: list[Change] = msgspec.field(default_factory=lambda: ["new", "gone", "changed"])
    min_change: Annotated[float, Meta(ge=0)] = 0.0
    limit: _Limit = 100


class WhereParameters(Scope, kw_only=True):
    """Where failures are.

    :param edge: as in series
    :param of: what failed
    :param by: attributes
    """

    edge: _Names = []
    of: FailureKind = "connects"
    by: list[Attribute] = msgspec.field(default_factory=lambda: list(get_args(Attribute)))


class QualityParameters(Scope, kw_only=True):
    """Network or application.

    :param edge: as in series
    """

    edge: _Names = []


class NatParameters(Scope, kw_only=True):
    """Ways through NAT.

    :param edge: as in series
    :param limit: ways at most
    """

    edge: _Names = []
    limit: _Limit = 100


class InstancesParameters(Scope, kw_only=True):
    """Who the workloads consist of.

    :param edge: as in series: both ends
    :param limit: instances at most
    """

    edge: _Names = []
    limit: _Limit = 100


class MomentsParameters(Times, kw_only=True):
    """What began and ended.

    :param select: workloads; none: all
    :param limit: moments at most, the newest
    """

    select: _Names = []
    window: _Time = "1h"
    limit: _Limit = 200


class AttributesParameters(Times, kw_only=True):
    """Values for completion.

    :param key: of the filter: zone, version, ns, workload, kind, pod, container, process, image, node, address, port,
        method, route, host, status
    :param prefix: of the values
    :param limit: values at most
    """

    key: _Name = ""
    prefix: _Name = ""
    limit: _Limit = 100


#: Each question with its purpose, in one line for help.
PURPOSES: Final[dict[str, tuple[str, type[Times]]]] = {
    "map": ("who talks to whom around a selection", MapParameters),
    "search": ("find names of all sorts, also what is gone since yesterday", SearchParameters),
    "edges": ("the table of edges", EdgesParameters),
    "endpoints": ("what workloads ask each other for: method, route, status", EndpointsParameters),
    "series": ("sums over time", SeriesParameters),
    "diff": ("what changed between two windows", DiffParameters),
    "where": ("which version, zone or node failures are of", WhereParameters),
    "quality": ("network or application: what is wrong with an edge or a workload", QualityParameters),
    "nat": ("the ways that connections took through NAT", NatParameters),
    "instances": ("the pods, containers and processes of workloads", InstancesParameters),
    "moments": ("what began and ended: deploys, instances, gaps", MomentsParameters),
    "attributes": ("values of attributes, for completion", AttributesParameters),
}


def is_list(kind: Any) -> bool:
    """Whether a parameter may be said more than once."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_origin(kind) is list


def meanings_of(kind: type) -> dict[str, str]:
    """What ``:param NAME: …`` of a type and its bases say."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        text = inspect.cleandoc(each.__dict__.get("__doc__") or "")
        for name, meaning in re.findall(r"^:param (\w+): (.*(?:\n {4}.*)*)", text, re.M):
            found[name] = " ".join(meaning.replace("``", "").split())
    return found
