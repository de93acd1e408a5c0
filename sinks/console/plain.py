r"""A second as plain lines for pipes and files: the same words at the same places of each line.

    2023-11-14T22:13:20Z node-a summary rows=3 open_sockets=2 opened=1 closed=0 failed=1 to_server=6.2kB/s ...
    2023-11-14T22:13:20Z node-a curl/7 run.scope 10.0.0.9:4711 -> nginx/17 nginx.service 10.0.0.1:80 \
        service=- established to_server=6.2kB/s to_client=0B/s retransmits=0 rtt=85us evidence=both

and of deltas

    2023-11-14T22:13:20Z node-a summary rows=3 open=2 opened=1 closed=0 failed=1 tx=6.2kB/s rx=0B/s ...
    2023-11-14T22:13:20Z node-a nginx/17 nginx.service 10.0.0.1:80 <- 10.0.0.9:4711 established tx=6.2kB/s ...

and of workloads

    2023-11-14T22:13:20Z node-a shop/cart Deployment zone=a -> shop/db:5432 StatefulSet zone=b to_server=6.2kB/s \
        to_client=0B/s active=3 opened=1 closed=0 failed=0 retransmits=0 rtt=85us,1.2ms connect=99us,2.3ms

where ``rtt`` and ``connect`` give the median and the 99th percentile.

Words hold no blanks: those in a name become "_", and an unknown one is "-".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from model.rows.words import ROLES, cgroup_tail, printable
from model.text import flow_cells, workload_cells
from model.text.delta_cells import local_text, peer_text, process_text, state_text
from model.text.units import duration_text, rate_text
from sinks.console.summary import Second

_ARROWS: Final = {"client": "->", "server": "<-"}


def plain_lines(second: Second) -> str:
    """The summary line, then a line per connection of the top."""
    head = f"{time_text(second.window)} {_word(second.node)}"
    lines = [f"{head} summary {_summary(second)}"]
    lines += [f"{head} {_ROW[second.stage](row)}" for row in second.top()]
    return "\n".join(lines) + "\n"


def time_text(window: int) -> str:
    """The window in UTC: ``2023-11-14T22:13:20Z``."""
    return datetime.fromtimestamp(window, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _summary(second: Second) -> str:
    totals = second.totals
    opened, sent, received = ("open", "tx", "rx")
    if second.stage != "deltas":
        opened, sent, received = ("open_sockets", "to_server", "to_client")
    words = [f"rows={totals.rows}", f"{opened}={totals.open}"]
    words += [f"{name}={getattr(totals, name)}" for name in ("opened", "closed", "failed")]
    words += [f"{sent}={_rate(totals.tx_bytes)}", f"{received}={_rate(totals.rx_bytes)}"]
    words += [f"retransmits={totals.retransmitted_segments}"]
    words += [f"lost={sum(loss.count for loss in second.losses)}"]
    words += [f"lost.{_word(loss.stage)}.{_word(loss.reason)}={loss.count}" for loss in second.losses]
    if missing := second.chunks - second.chunks_seen:
        words.append(f"missing_chunks={missing}")
    return " ".join(words)


def _socket(row: Mapping[str, Any]) -> str:
    rtt = duration_text(row["rtt_ns"]) if row["rtt_ns"] else "-"
    words = [
        _word(process_text(row)),
        _word(cgroup_tail(row["cgroup.path"])),
        local_text(row),
        _ARROWS.get(ROLES.get(row["connection.role"], ""), "--"),
        peer_text(row),
        state_text(row),
        f"tx={_rate(row['tx_bytes'])}",
        f"rx={_rate(row['rx_bytes'])}",
        f"retransmits={row['retransmitted_segments']}",
        f"rtt={rtt}",
    ]
    return " ".join(words)


def _flow(row: Mapping[str, Any]) -> str:
    words = [
        *_end(row, "client"),
        "->",
        *_end(row, "server"),
        f"service={flow_cells.service_text(row) or '-'}",
        flow_cells.state_text(row),
        f"to_server={_rate(flow_cells.bytes_to_server(row))}",
        f"to_client={_rate(flow_cells.bytes_to_client(row))}",
        f"retransmits={flow_cells.retransmits(row)}",
        f"rtt={flow_cells.rtt_text(row)}",
        f"evidence={row['evidence']}",
    ]
    return " ".join(words)


def _workloads(row: Mapping[str, Any]) -> str:
    counts = ("active", "opened", "closed", "failed")
    words = [
        *(_word(workload_cells.workload_text(row, "client")), *_sort_of(row, "client"), "->"),
        *(_word(workload_cells.called_text(row)), *_sort_of(row, "server")),
        f"to_server={_rate(row.get('bytes', 0))}",
        f"to_client={_rate(row.get('reply_bytes', 0))}",
        *(f"{name}={row.get(f'connections.{name}', 0)}" for name in counts),
        f"retransmits={row.get('retransmitted_segments', 0)}",
        *(f"{word}={_quantiles(row, measure)}" for word, measure in _MEASURES.items()),
    ]
    return " ".join(words)


def _sort_of(row: Mapping[str, Any], side: str) -> list[str]:
    return [_word(workload_cells.kind_text(row, side)), f"zone={_word(workload_cells.place_text(row, side))}"]


def _quantiles(row: Mapping[str, Any], measure: str) -> str:
    return ",".join(workload_cells.quantile_text(row, measure, share) for share in (0.5, 0.99))


def _end(row: Mapping[str, Any], side: str) -> list[str]:
    container = _word(cgroup_tail(row.get(f"{side}.cgroup.path", "")))
    return [_word(flow_cells.process_text(row, side)), container, flow_cells.address_text(row, side)]


def _rate(value: int) -> str:
    return rate_text(value).replace(" ", "")


def _word(text: str) -> str:
    return "_".join(printable(text).split()) or "-"


_MEASURES: Final = {"rtt": "rtt_ns", "connect": "connect_latency_ns"}
_ROW: Final = {"deltas": _socket, "flows": _flow, "workloads": _workloads}
