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

and of endpoints

    2023-11-14T22:13:20Z node-a shop/web -> shop/cart:8080 GET /items/* 200 requests=12 failed=0 to_server=1.1kB/s \
        to_client=6.2kB/s duration=1.2ms,8.3ms

where ``rtt``, ``connect`` and ``duration`` give the median and the 99th percentile.

Words hold no blanks: those in a name become "_", and an unknown one is "-".
"""

from datetime import UTC, datetime

from model.text.plain import word
from model.text.units import rate_word
from sinks.console.summary import LIVES, WindowSummary


def plain_lines(summary: WindowSummary) -> str:
    """The summary line, then a line per connection of the top."""
    head = f"{time_text(summary.window)} {word(summary.node)}"
    lines = [f"{head} summary {_summary(summary)}"]
    lines += [f"{head} {summary.kind.reading.line(row)}" for row in summary.top()]
    return "\n".join(lines) + "\n"


def time_text(window: int) -> str:
    """The window in UTC: ``2023-11-14T22:13:20Z``."""
    return datetime.fromtimestamp(window, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _summary(summary: WindowSummary) -> str:
    totals = summary.totals
    words = [f"rows={totals.rows}"]
    if rank := summary.kind.rank:
        words += [f"{rank}={totals.opened}"]
        words += [f"{rank}.failed={totals.failed}"] if summary.failed else []
    elif traffic := summary.kind.traffic:
        opened, sent, received = traffic.words
        words += [f"{opened}={totals.open}"]
        words += [f"{name}={getattr(totals, name)}" for name in LIVES]
        words += [f"{sent}={rate_word(totals.tx_bytes)}", f"{received}={rate_word(totals.rx_bytes)}"]
        words += [f"retransmits={totals.retransmitted_segments}"]
    words += [f"lost={sum(loss.count for loss in summary.losses)}"]
    words += [f"lost.{word(loss.stage)}.{word(loss.reason)}={loss.count}" for loss in summary.losses]
    if missing := summary.chunks - summary.chunks_seen:
        words.append(f"missing_chunks={missing}")
    return " ".join(words)
