"""Rows of UDP flows from what the kernel counted, whole columns at a time."""

from typing import Final, NamedTuple

import numpy as np

from actors.node.rows import CLOSE, describe, growth
from model.arrays import Columns
from model.kinds.delta import CloseReason, NetworkProtocol, Role, State
from model.transport import NetworkType, Transport
from probes.kernel.layout import enums, structs

END: Final = enums("udp")["udp_end"]
EVENT: Final = structs("udp")["datagram_event"]
COUNTERS: Final = structs("udp")["udp_counters"]
#: A client that nobody answers has opened a flow after so long: until then the network may say that it cannot be
#: delivered. A host that does not answer ARP is told of after 3 s.
PATIENCE_NS: Final = 5_000_000_000

#: Counters of delta rows, and what they count of a flow.
_COUNTERS: Final = {
    "tx_bytes": "tx_bytes",
    "rx_bytes": "rx_bytes",
    "tx_segments": "tx_datagrams",
    "rx_segments": "rx_datagrams",
    "drops": "dropped_datagrams",
}
_TOTALS: Final = {
    "tx_bytes_total": "tx_bytes",
    "rx_bytes_total": "rx_bytes",
    "tx_datagrams_total": "tx_datagrams",
    "rx_datagrams_total": "rx_datagrams",
}
_REASONS: Final = np.zeros(max(END.values()) + 1, np.uint8)
_REASONS[END["UDP_IDLE"]] = CloseReason.IDLE
_REASONS[END["UDP_CLOSED"]] = CloseReason.RELEASED
_REASONS[END["UDP_MOVED"]] = CloseReason.MOVED
_APPLICATIONS: Final = enums("udp")["udp_application"]
_PROTOCOLS: Final = np.zeros(256, np.uint8)
_PROTOCOLS[_APPLICATIONS["APPLICATION_QUIC"]] = NetworkProtocol.QUIC
_PROTOCOLS[_APPLICATIONS["APPLICATION_DNS"]] = NetworkProtocol.DNS


class Last(NamedTuple):
    """What flows were when they were last reported, zeros where they never were; arrays of shape (n,).

    :param counters: ``struct udp_counters``.
    :param opened_at_ns: as their rows tell it; uint64.
    :param told: whether one told that they were opened; bool.
    """

    counters: np.ndarray
    opened_at_ns: np.ndarray
    told: np.ndarray


def flow_rows(events: np.ndarray, last: Last, offset_ns: int) -> Columns:
    """What flows did since they were last reported; without slot and cgroup.

    :param events: ``struct datagram_event``; shape (n,).
    :param offset_ns: wall clock minus monotonic clock.
    """
    sockets, counters = events["socket"], events["counters"]
    columns: Columns = {"socket.generation": events["header"]["generation"]}
    describe(columns, sockets, offset_ns)
    columns["network.type"] = np.where(
        sockets["family"] == NetworkType.IPV6, NetworkType.IPV6, NetworkType.IPV4
    )
    columns["network.transport"] = np.full(len(events), Transport.UDP, np.uint8)
    columns["network.cast"], columns["network.folded"] = events["cast"], events["folded"]
    columns["network.protocol.name"] = _PROTOCOLS[events["application"]]
    for name, counter in _COUNTERS.items():
        columns[name] = growth(counters[counter], last.counters[counter])
    for name, counter in _TOTALS.items():
        columns[name] = counters[counter]
    opened_at = columns["connection.opened_at_ns"]
    columns["connection.opened_at_ns"] = np.where(last.opened_at_ns != 0, last.opened_at_ns, opened_at)
    answered = (counters["first_reply_ns"] != 0) & (columns["connection.adopted"] == 0)
    answered &= columns["connection.role"] == Role.CLIENT
    waited = np.where(answered, counters["first_reply_ns"] - sockets["started_ns"], 0)
    columns["connection.connect_latency_ns"] = waited
    _fill_life(columns, events, last, offset_ns)
    return columns


def _fill_life(columns: Columns, events: np.ndarray, last: Last, offset_ns: int) -> None:
    """Whether a flow was opened, failed, or ended, and why."""
    counters, ended = events["counters"], events["end"] != END["UDP_OPEN"]
    client = columns["connection.role"] == Role.CLIENT
    alone = client & (counters["rx_datagrams"] == 0)
    refused = alone & (counters["errors"] != 0)
    unseen = ~last.told & (columns["connection.adopted"] == 0)
    failed = ended & refused & unseen
    waits = alone & (events["header"]["at_ns"] - events["socket"]["started_ns"] < PATIENCE_NS)
    columns["connection.state"] = np.where(ended, CLOSE, State.ESTABLISHED).astype(np.uint8)
    columns["connection.failed"] = failed.astype(np.uint8)
    columns["connection.closed"] = (ended & ~failed).astype(np.uint8)
    columns["connection.opened"] = (unseen & ~failed & (ended | ~(waits | refused))).astype(np.uint8)
    reasons = np.where(refused, CloseReason.ERROR, _REASONS[np.minimum(events["end"], len(_REASONS) - 1)])
    columns["connection.close_reason"] = np.where(ended, reasons, CloseReason.OPEN).astype(np.uint8)
    more = counters["errors"] != last.counters["errors"]
    columns["error.errno"] = np.where(more | (ended & refused), counters["error"], 0).astype(np.uint16)
    at_ns = events["header"]["at_ns"] + np.uint64(offset_ns)
    at_ns = np.maximum(at_ns, columns["connection.opened_at_ns"])
    columns["connection.closed_at_ns"] = np.where(ended, at_ns, np.uint64(0))
