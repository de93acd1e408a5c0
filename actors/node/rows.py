"""Delta rows from kernel structs, whole columns at a time."""

import errno
from typing import Any

import numpy as np

from model.addresses import is_ipv4
from model.arrays import Array, Columns
from model.column import Column
from model.kinds.delta import DELTA, RESOLVED, CloseReason
from model.transport import NetworkType
from probes.kernel.layout import enums

_FLAGS = enums("tcp")["event_flag"]
ADOPTED = _FLAGS["FLAG_ADOPTED"]

#: TCP states, as in the kernel (include/net/tcp_states.h).
SYN_SENT, FIN_WAIT2, CLOSE, LAST_ACK, CLOSING = 2, 5, 7, 9, 11

_RESET = (errno.ECONNRESET, errno.EPIPE)


#: A column of rows on their way through the node alone: the number of the owner's program (``struct owner``), which
#: says with the pid who it is.
PROGRAM = "process.program"
#: Likewise, until names are given: ``struct description.started_ns``.
STARTED = "connection.started_ns"
COLUMNS = (*DELTA.columns, Column(PROGRAM, "<u8"), Column(STARTED, "<u8"))
#: Column name -> numpy type.
TYPES = {column.name: column.type for column in COLUMNS}

#: Columns that a ``struct description`` fills, and what names the socket.
DESCRIBED = (
    "socket.slot",
    "socket.generation",
    "network.type",
    "network.local.address",
    "network.local.port",
    "network.peer.address",
    "network.peer.port",
    "netns.id",
    "process.pid",
    PROGRAM,
    "thread.id",
    "process.comm",
    "user.id",
    "cgroup.id",
    "cgroup.index",
    "owner.evidence",
    "connection.role",
    "connection.adopted",
    "connection.mptcp.token",
    "connection.opened_at_ns",
    "connection.connect_latency_ns",
    STARTED,
)


#: Structs of which all fields are read before the next ones: they stay in the processor's nearest cache.
BLOCK_ROWS = 2048


def spread(rows: np.ndarray, columns: Columns) -> Columns:
    """Fields of ``rows`` as columns of their own: column after column over all structs would fetch each struct from
    main memory once for every field.

    :param columns: where they are written: each has the name of a field, and at least as many elements.
    """
    for begin in range(0, len(rows), BLOCK_ROWS):
        block = rows[begin : begin + BLOCK_ROWS]
        for name, column in columns.items():
            column[begin : begin + len(block)] = block[name]
    return {name: column[: len(rows)] for name, column in columns.items()}


def growth(now: np.ndarray, last: np.ndarray, into: np.ndarray | None = None) -> np.ndarray:
    """What a counter grew by; a 32-bit one may have wrapped.

    A 64-bit counter that stands below its last value grew by nothing: a reading while a FIN was on its way may be
    one short of the next (bpf/counters.h), never above the truth.

    :param into: where it is written; ``now`` itself if that is not needed any more and has 32 bits.
    """
    grown: np.ndarray = np.subtract(now, last, out=into)
    if grown.dtype == np.uint64:
        below = now < last
        if below.any():
            grown[below] = 0
    return grown


def describe(columns: Columns, sockets: np.ndarray | dict[str, Any], offset_ns: int) -> None:
    """Fills what a ``struct description`` says.

    :param sockets: structs, or their fields by name.
    """
    columns["network.type"] = np.where(is_ipv4(sockets["peer_address"]), NetworkType.IPV4, NetworkType.IPV6)
    columns["network.local.address"] = sockets["local_address"]
    columns["network.local.port"] = sockets["local_port"]
    columns["network.peer.address"] = sockets["peer_address"]
    columns["network.peer.port"] = sockets["peer_port"]
    columns["netns.id"] = sockets["netns"]
    owners = sockets["owner"]
    columns["process.pid"] = owners["tgid"]
    columns[PROGRAM] = owners["program"]
    columns["thread.id"] = owners["pid"]
    columns["process.comm"] = owners["comm"]
    columns["user.id"] = owners["uid"]
    columns["cgroup.id"] = owners["cgroup_id"]
    columns["owner.evidence"] = sockets["evidence"]
    columns["connection.role"] = sockets["role"]
    adopted = (sockets["flags"] & ADOPTED) != 0
    columns["connection.adopted"] = adopted.astype(np.uint8)
    columns["connection.mptcp.token"] = sockets["mptcp_token"]
    established, started = sockets["established_ns"], sockets["started_ns"]
    columns[STARTED] = started
    seen = (established != 0) & ~adopted
    columns["connection.opened_at_ns"] = np.where(seen, established + np.uint64(offset_ns), np.uint64(0))
    columns["connection.connect_latency_ns"] = np.where(seen, established - started, np.uint64(0))


def gauge(columns: Columns, counters: np.ndarray | Columns) -> None:
    """Fills how the connection stands."""
    columns["tx_bytes_total"] = counters["tx_bytes"]
    columns["rx_bytes_total"] = counters["rx_bytes"]
    columns["rtt_ns"] = np.multiply(counters["rtt_us"], 1000, dtype=np.uint64)
    # The kernel starts the minimum at ~0 and replaces it by the first sample.
    columns["rtt_min_ns"] = np.multiply(counters["rtt_min_us"], 1000, dtype=np.uint64)
    columns["rtt_min_ns"][counters["rtt_min_us"] == 0xFFFFFFFF] = 0
    columns["cwnd_segments"] = counters["cwnd_segments"]
    columns["zero_window"] = (counters["zero_window"] != 0).astype(np.uint8)
    interval = counters["rate_interval_us"]
    rate = np.multiply(counters["rate_segments"], counters["mss_bytes"], dtype=np.uint64)
    rate *= np.uint64(1_000_000)
    rate //= np.maximum(interval, 1)
    rate[interval == 0] = 0
    columns["delivery_rate_bytes_per_second"] = rate


def close_reasons(old_states: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Whose doing an end was, from the state before it and sk_err: a reset or time-out, else the first FIN."""
    reasons = np.full(len(old_states), CloseReason.RST_SENT, np.uint8)
    reasons[(old_states == FIN_WAIT2) | (old_states == CLOSING)] = CloseReason.FIN_SENT
    reasons[old_states == LAST_ACK] = CloseReason.FIN_RECEIVED
    reasons[old_states == CLOSE] = CloseReason.UNSEEN
    if not errors.any():
        return reasons
    reasons[errors != 0] = CloseReason.ERROR
    reasons[np.isin(errors, _RESET)] = CloseReason.RST_RECEIVED
    reasons[errors == errno.ETIMEDOUT] = CloseReason.TIMED_OUT
    return reasons


def concatenate(parts: list[Columns]) -> Columns:
    """The rows of ``parts``, one after the other, as the schema types them; what a part lacks has its default."""
    columns = [column for column in COLUMNS if column.name not in RESOLVED]
    if not parts:
        return {column.name: column.filled(0) for column in columns}
    if len(parts) == 1:
        return {
            column.name: _of_part(parts[0], column).astype(column.dtype, copy=False) for column in columns
        }
    return {
        column.name: np.concatenate(
            [_of_part(part, column) for part in parts], dtype=column.dtype, casting="unsafe"
        )
        for column in columns
    }


def _of_part(part: Columns, column: Column) -> Array:
    found = part.get(column.name)
    return column.filled(len(part["socket.slot"])) if found is None else found
