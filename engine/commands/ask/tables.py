"""Answers as tables on a terminal: what people look for first."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from model.rows.words import printable
from model.text.units import bytes_text, duration_text, short_number
from store.queries.answers import (
    DiffAnswer,
    Edge,
    EdgesAnswer,
    MapAnswer,
    Path,
    SeriesAnswer,
    WhereAnswer,
)
from store.queries.listings import (
    AttributesAnswer,
    EndpointRow,
    EndpointsAnswer,
    InstancesAnswer,
    MomentsAnswer,
    NatAnswer,
    QualityAnswer,
    SearchAnswer,
)
from store.queries.questions import Answered, Question
from store.queries.status import share_text

_EDGES: Final = (
    *("CLIENT", "SERVER", "STATUS", "BYTES", "OPENED", "FAILED", "RTX", "P99"),
    *("REQUESTS", "ERRORS", "REQ P99", "CHANGE", "WHY"),
)
_RIGHT: Final = frozenset(
    {
        *("BYTES", "OPENED", "FAILED", "RTX", "P50", "P99", "SCORE", "WORKLOADS", "NEXT", "FLOWS", "BOTH"),
        *("REQUESTS", "ERRORS", "REQ P99", "RATE"),
    }
)
_WORST_FIRST: Final = ("failing", "degraded")
_MEASURED: Final = ("p50", "p99", "rtt_p50", "rtt_p99", "request_p50", "request_p99")

#: Titles, rows, and what is said below.
Rows = tuple[Sequence[str], Sequence[Sequence[str]], str]


def table_text(question: Question, answered: Answered) -> str:
    """Titles, aligned rows, and a last line with what the table does not hold."""
    titles, rows, last = _TABLES[question.name](answered.data)
    period = answered.period
    gaps = [f"{gap.node or 'the store'} {gap.reason.replace('_', ' ')}" for gap in answered.gaps]
    said = [f"{_time(period.from_s)} to {_time(period.to_s)}", last]
    if gaps:
        said.append(f"not known: {', '.join(dict.fromkeys(gaps))}")
    return _aligned(titles, rows) + f"{'; '.join(filter(None, said))}\n"


def _aligned(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [titles, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "".join(_line(row, titles, widths) for row in cells)


def _line(row: Sequence[str], titles: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if title in _RIGHT or title.islower() else cell.ljust(width)
        for cell, title, width in zip(row, titles, widths, strict=True)
    ]
    return "  ".join(padded).rstrip() + "\n"


def _edge(client: str, server: str, edge: Edge) -> Sequence[str]:
    change = f"{edge.change.state}" if edge.change and edge.change.state != "same" else "-"
    why = edge.change.what if edge.change and edge.change.state == "changed" else "; ".join(edge.reasons)
    why = "; ".join(filter(None, (why, *map(_path_text, edge.paths[:1]))))
    p99 = duration_text(edge.connect_ns.p99) if edge.connect_ns else "-"
    tail = "/udp" if edge.transport == "udp" else ""
    return (
        *(client, f"{server}:{edge.port}{tail}", edge.status, bytes_text(edge.bytes + edge.reply_bytes)),
        *(
            short_number(edge.opened),
            short_number(edge.failed),
            short_number(edge.retransmits),
            p99,
            short_number(edge.requests) if edge.requests else "-",
            share_text(edge.requests_failed, edge.requests) if edge.requests else "-",
            duration_text(edge.request_ns.p99) if edge.request_ns else "-",
            change,
            why,
        ),
    )


def _path_text(path: Path) -> str:
    """Its proxies, its hops in order, and where the time of a request went."""
    rtts = [duration_text(hop.rtt_ns.p50) if hop.rtt_ns else "-" for hop in path.hops]
    resent = [short_number(hop.retransmits) for hop in path.hops]
    times = (path.before_ns, path.upstream_ns, path.after_ns)
    before, behind, back = map(duration_text, times)
    return (
        f"via {', '.join(path.via)}: rtt {' + '.join(rtts)}, resent {' + '.join(resent)}, "
        f"{before} before, {behind} behind, {back} back"
    )


def _map(data: MapAnswer) -> Rows:
    keys = {node.id: node.key for node in data.nodes}
    edges = sorted(data.edges, key=_urgency)
    rows = [_edge(keys[edge.from_id], keys[edge.to_id], edge) for edge in edges]
    wrong = [f"{node.key} {node.status}: {node.reasons[0]}" for node in data.nodes if node.reasons]
    left = f", {data.left_out} left out by the {data.truncated_by}" if data.left_out else ""
    return _EDGES, rows, "; ".join([f"{data.shown} of {data.of} nodes{left}", *wrong[:3]])


def _urgency(edge: Edge) -> tuple[int, bool, int]:
    """What fails first, then what changed, then the busiest."""
    level = _WORST_FIRST.index(edge.status) if edge.status in _WORST_FIRST else len(_WORST_FIRST)
    same = edge.change is None or edge.change.state == "same"
    return level, same, -edge.bytes - edge.reply_bytes


def _edges(data: EdgesAnswer) -> Rows:
    rows = [_edge(row.client, row.server, row.edge) for row in data.rows]
    more = f", --cursor {data.cursor} for more" if data.cursor else ""
    return _EDGES, rows, f"{len(rows)} of {data.of} edges{more}"


def _diff(data: DiffAnswer) -> Rows:
    rows = [(f"{row.score:.1f}", *_edge(row.client, row.server, row.edge)) for row in data.rows]
    counts = f"{data.new} new, {data.gone} gone, {data.changed} changed, {data.same} the same"
    against = f"against {_time(data.against.from_s)} to {_time(data.against.to_s)}"
    return ("SCORE", *_EDGES), rows, f"{against}; {counts}"


def _search(data: SearchAnswer) -> Rows:
    rows = [
        (
            *(found.what, found.value, found.key or found.q, found.matched, str(found.workloads)),
            *(str(found.neighbours), _time(found.last_s), "gone" if found.gone else ""),
        )
        for found in data.found
    ]
    titles = ("WHAT", "NAME", "SELECT", "MATCHED", "WORKLOADS", "NEXT", "LAST SEEN", "")
    return titles, rows, f"{len(rows)} of {data.of}"


def _endpoints(data: EndpointsAnswer) -> Rows:
    rows = [_endpoint(row) for row in data.endpoints]
    titles = (
        "CLIENT",
        "SERVER",
        "METHOD",
        "ENDPOINT",
        "CODE",
        "RATE",
        "ERRORS",
        "P50",
        "P99",
        "VIA",
        "CHANGE",
    )
    more = f", --cursor {data.cursor} for more" if data.cursor else ""
    failed = f"{share_text(data.failed, data.requests)} of {short_number(data.requests)} requests failed"
    return titles, rows, f"{len(rows)} of {data.of} endpoints{more}; {failed}"


def _endpoint(row: EndpointRow) -> Sequence[str]:
    took = row.client_ns or row.server_ns
    code = row.status_class if row.status is None else str(row.status or "none")
    code += f" grpc {row.grpc_status}" if row.grpc_status is not None else ""
    port = "" if row.port is None else f":{row.port}"
    return (
        *(row.client or "-", f"{row.server or '-'}{port}", row.method or "-"),
        *(f"{row.host}{row.route}" or "-", code, f"{row.rate:.3g}/s"),
        share_text(row.failed, row.requests),
        *(duration_text(took.p50) if took else "-", duration_text(took.p99) if took else "-"),
        *(row.via or "-", row.change.state if row.change else "-"),
    )


def _series(data: SeriesAnswer) -> Rows:
    names = list(data.columns)
    rows = [
        (_time(at), *(_number(name, data.columns[name][place]) for name in names))
        for place, at in enumerate(data.begins_s)
    ]
    return ("TIME", *names), rows, f"steps of {data.step_s} s"


def _number(name: str, value: int | None) -> str:
    if value is None:
        return "?"
    return duration_text(value) if name in _MEASURED else f"{value:.0f}"


def _where(data: WhereAnswer) -> Rows:
    rows = [
        (
            *(by.attribute, share.value, short_number(share.failed), short_number(share.attempts)),
            *(
                f"{100 * share.rate:.1f} %",
                f"{100 * share.share:.0f} %",
                f"{100 * share.share_of_opens:.0f} %",
            ),
            f"{share.lift:.1f}",
        )
        for by in data.by
        for share in by.values
    ]
    what = {"connects": "opens", "drops": "packets"}.get(data.of, data.of)
    bad = "dropped" if data.of == "drops" else "failed"
    titles = (
        "ATTRIBUTE",
        "VALUE",
        bad.upper(),
        what.upper(),
        "RATE",
        "OF FAILURES",
        f"OF {what.upper()}",
        "LIFT",
    )
    return titles, rows, f"{data.failed} of {data.attempts} {what} {bad}"


def _quality(data: QualityAnswer) -> Rows:
    """The verdict stands below what was found."""
    return ("CAUSE", "FINDING"), [(each.verdict, each.text) for each in data.findings], data.sentence


def _nat(data: NatAnswer) -> Rows:
    rows = [
        (
            *(chain.client, chain.server),
            " → ".join(
                hop.dst + (f" by {hop.rewritten_by}" if hop.rewritten_by else "") for hop in chain.hops
            ),
            *(str(chain.flows), str(chain.both_ends)),
        )
        for chain in data.chains
    ]
    return ("CLIENT", "SERVER", "WAY", "FLOWS", "BOTH"), rows, f"{len(rows)} of {data.of} ways"


def _instances(data: InstancesAnswer) -> Rows:
    rows = [
        (
            *(one.key, one.pod or one.container or one.address, one.process, one.node, one.image),
            *(_time(one.first_s), _time(one.last_s)),
        )
        for one in data.instances
    ]
    titles = ("WORKLOAD", "INSTANCE", "PROCESS", "NODE", "IMAGE", "FIRST SEEN", "LAST SEEN")
    return titles, rows, f"{len(rows)} of {data.of} instances"


def _moments(data: MomentsAnswer) -> Rows:
    rows = [(_time(moment.at_s), moment.what, moment.id, moment.text) for moment in data.moments]
    return ("TIME", "WHAT", "ID", "TEXT"), rows, f"{len(rows)} of {data.of} moments"


def _attributes(data: AttributesAnswer) -> Rows:
    return ("VALUE", "WORKLOADS"), [(value.value, str(value.workloads)) for value in data.values], ""


def _time(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_TABLES: Final[dict[str, Callable[[Any], Rows]]] = {
    "map": _map,
    "search": _search,
    "edges": _edges,
    "endpoints": _endpoints,
    "series": _series,
    "diff": _diff,
    "where": _where,
    "quality": _quality,
    "nat": _nat,
    "instances": _instances,
    "moments": _moments,
    "attributes": _attributes,
}
