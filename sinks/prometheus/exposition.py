"""Names, help and text of what Prometheus scrapes; names follow OpenTelemetry's metrics as far as there are any.

The text format is that of https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from model.arrays import Array
from model.rows.words import printable
from sinks.row_metrics import GAUGES, LOOKUP, LOOKUP_DESCRIPTION, ROW_SUMS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: Bounds of buckets as exponents of 2, in nanoseconds: bounds of OpenTelemetry's buckets of any scale, so that no
#: value is moved.
EXPONENTS: Final = (16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30, 32, 34)
#: The same as labels, in seconds.
BOUNDS: Final = (*(repr(2**exponent / 1e9) for exponent in EXPONENTS), "+Inf")


class Counter(NamedTuple):
    """A counter of pairs.

    :param labels: that tell counters of one metric apart, as text: ``network_io_direction="transmit"``.
    """

    column: str
    metric: str
    labels: str = ""


class Measure(NamedTuple):
    """A histogram of pairs."""

    column: str
    metric: str


COUNTERS: Final = (
    Counter("bytes", "tailrace_network_io_bytes_total", 'network_io_direction="transmit"'),
    Counter("reply_bytes", "tailrace_network_io_bytes_total", 'network_io_direction="receive"'),
    Counter("retransmitted_segments", "tailrace_network_retransmitted_segments_total"),
    Counter("sent_segments", "tailrace_network_sent_segments_total"),
    Counter("datagrams", "tailrace_network_datagrams_total"),
    Counter("datagrams.lost", "tailrace_network_lost_datagrams_total"),
    Counter("datagrams.dropped", "tailrace_network_dropped_datagrams_total"),
    Counter("zero_windows", "tailrace_network_zero_windows_total", 'network_io_direction="transmit"'),
    Counter("reply_zero_windows", "tailrace_network_zero_windows_total", 'network_io_direction="receive"'),
    Counter("listener.overflows", "tailrace_network_listener_overflows_total"),
    Counter("dropped_segments", "tailrace_network_dropped_segments_total"),
    Counter("connections.opened", "tailrace_network_connections_opened_total"),
    Counter("connections.closed", "tailrace_network_connections_closed_total"),
    Counter(
        "connections.failed.refused", "tailrace_network_connections_failed_total", 'error_type="refused"'
    ),
    Counter(
        "connections.failed.timed_out", "tailrace_network_connections_failed_total", 'error_type="timed_out"'
    ),
    Counter(
        "connections.failed.unreachable",
        "tailrace_network_connections_failed_total",
        'error_type="unreachable"',
    ),
    Counter("connections.failed.reset", "tailrace_network_connections_failed_total", 'error_type="reset"'),
    Counter(
        "connections.failed.gave_up", "tailrace_network_connections_failed_total", 'error_type="gave_up"'
    ),
    Counter("connections.failed", "tailrace_network_connections_failed_total", 'error_type="other"'),
)
MEASURES: Final = (
    Measure("rtt_ns", "tailrace_network_rtt_seconds"),
    Measure("connect_latency_ns", "tailrace_network_connect_duration_seconds"),
)
HELP: Final = {
    "tailrace_network_io_bytes_total": "Payload between a client and a server: transmit is to the server.",
    "tailrace_network_retransmitted_segments_total": "TCP segments that either end sent again.",
    "tailrace_network_sent_segments_total": "TCP segments that either end sent, also those sent again.",
    "tailrace_network_datagrams_total": "Datagrams of UDP that either end sent.",
    "tailrace_network_lost_datagrams_total": "Datagrams of UDP that did not come to the other end.",
    "tailrace_network_dropped_datagrams_total": "Datagrams of UDP for which a receive buffer had no room.",
    "tailrace_network_zero_windows_total": "Connections held up at the end of a second by an end that does not read.",
    "tailrace_network_listener_overflows_total": "Segments of handshakes that a full accept queue dropped.",
    "tailrace_network_dropped_segments_total": "Packets of connections that a kernel dropped.",
    "tailrace_network_connections_opened_total": "Connections that were opened.",
    "tailrace_network_connections_closed_total": "Connections that were closed.",
    "tailrace_network_connections_failed_total": "Connects that failed, by what the client was told.",
    "tailrace_network_rtt_seconds": "Smoothed round-trip time of each connection and second.",
    "tailrace_network_connect_duration_seconds": "Time to connect, or to fail.",
    "http_server_request_duration_seconds": "Duration of HTTP server requests.",
    "http_client_request_duration_seconds": "Duration of HTTP client requests.",
    "rpc_server_call_duration_seconds": "Duration of incoming calls of gRPC.",
    "rpc_client_call_duration_seconds": "Duration of outgoing calls of gRPC.",
    "tailrace_request_series": "Series of requests' durations, of all metrics.",
    "tailrace_request_rows_folded_total": "Rows of endpoints that found no series, of all metrics.",
    f"{LOOKUP.replace('.', '_')}_seconds": LOOKUP_DESCRIPTION,
    **{
        f"{each.name.replace('.', '_')}_total": each.description
        for sums in ROW_SUMS.values()
        for each in sums
    },
    **{each.name.replace(".", "_"): each.description for each in GAUGES},
    "tailrace_row_series": "Series of queries' durations, queries, drops and listeners, by kind.",
    "tailrace_row_series_folded_total": "Rows that found no series, or whose name found no room, by kind.",
    "tailrace_workload_pairs": "Pairs of workloads that have series.",
    "tailrace_workload_rows_folded_total": "Rows of workloads that were counted as other.",
}


def escaped(text: str) -> str:
    """The value of a label as it is written."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def name_of(name: str) -> str:
    """A metric or an attribute of OpenTelemetry as Prometheus calls it, without the suffix of its unit."""
    return name.replace(".", "_")


def labels_text(attributes: Iterable[tuple[str, object]]) -> str:
    """Attributes as labels, as they are written."""
    return ",".join(f'{name_of(name)}="{escaped(printable(str(value)))}"' for name, value in attributes)


def head(metric: str, kind: str) -> str:
    """What comes before the samples of a metric."""
    return f"# HELP {metric} {HELP[metric]}\n# TYPE {metric} {kind}\n"


def counter_lines(counter: Counter, labels: Sequence[str], values: Array) -> str:
    """A sample for each series; those that never counted are left out."""
    more = f",{counter.labels}" if counter.labels else ""
    prefix, end = f"{counter.metric}{{", f"{more}}} "
    numbers = values.tolist()
    return "".join(
        [f"{prefix}{label}{end}{number}\n" for label, number in zip(labels, numbers, strict=True) if number]
    )


def histogram_lines(metric: str, labels: Sequence[str], sums: Array, counts: np.ndarray) -> Iterator[str]:
    """The buckets, the sum and the count of each series that has values.

    :param sums: nanoseconds.
    :param counts: values in each bucket; shape (series, buckets).
    """
    totals = np.cumsum(counts, axis=1).tolist()
    begins, ends = f"{metric}_bucket{{", [f',le="{bound}"}} ' for bound in BOUNDS]
    for label, nanoseconds, held in zip(labels, sums.tolist(), totals, strict=True):
        if not held[-1]:
            continue
        begin = begins + label
        yield "".join([f"{begin}{end}{count}\n" for end, count in zip(ends, held, strict=True)])
        yield f"{metric}_sum{{{label}}} {nanoseconds / 1e9!r}\n{metric}_count{{{label}}} {held[-1]}\n"
