"""The workload schema: what one workload had to do with another in one second (``docs/schema.md``)."""

from typing import Final, NamedTuple

import numpy as np

from model.kinds.delta import Columns
from model.kinds.flow import FlowEvidence


class Workload(NamedTuple):
    """Who is at one end, as far as it matters for sums; the parts that are not known are empty.

    :param kind: what names it: a kind of Kubernetes (``Deployment``), or one of ``KINDS``.
    :param namespace: within which the name holds: of Kubernetes, an ECS cluster, a compose project.
    :param zone: the availability zone of this end.
    :param version: of the service, else its image's tag.
    """

    name: str
    kind: str
    namespace: str = ""
    zone: str = ""
    version: str = ""


#: Kinds beside those of Kubernetes, the surest first (``actors.workloads.names``).
KINDS: Final = ("ecs", "compose", "container", "systemd", "name", "process", "node", "address", "other")

#: Both ends of the row that holds what the limit of pairs left no row for.
OTHER: Final = Workload("", "other")

#: How many flows rest on what; they add up to the flow rows.
EVIDENCE: Final = {f"evidence.{grade.name.lower()}": grade for grade in FlowEvidence}

#: Column name -> numpy type, little-endian.
WORKLOAD_COLUMNS: Final[dict[str, str]] = {
    "network.transport": "<u1",  # 6: TCP
    "client.workload.index": "<u4",  # into the batch's table of workloads; 0: other
    "server.workload.index": "<u4",
    "server.port": "<u2",
    "window.late_s": "<u2",  # seconds by which the row's window lies before the batch's
    "bytes": "<u8",  # from client to server: the client's figures, or the server's where it alone reports
    "reply_bytes": "<u8",  # from server to client
    "retransmitted_segments": "<u8",  # by both ends
    "connections.active": "<u8",  # that have a flow row in this window, and did not fail
    "connections.opened": "<u8",
    "connections.closed": "<u8",
    "connections.failed": "<u8",
    "rtt_ns.sum": "<u8",  # of the values in the histogram
    "rtt_ns.index": "<u4",  # into the batch's table of histograms; 0: no value
    "connect_latency_ns.sum": "<u8",
    "connect_latency_ns.index": "<u4",
} | dict.fromkeys(EVIDENCE, "<u8")


def empty_workloads(rows: int = 0) -> Columns:
    """All workload columns, zeroed, with ``rows`` rows."""
    return {name: np.zeros(rows, dtype) for name, dtype in WORKLOAD_COLUMNS.items()}
