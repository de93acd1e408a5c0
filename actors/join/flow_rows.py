"""Flow columns from the flow table and what its ends report in a window."""

from typing import Final

import numpy as np

from actors.join.flow_table import CLIENT_SIDE, KNOWN, SERVER_SIDE, FlowTable
from model.arrays import Array, Columns, is_nothing, zeros
from model.kinds.delta import COUNTERS, flags
from model.kinds.flow import DROPS, FLOW, GAUGES, OWNER, REQUESTS, SIDES, FlowEvidence
from model.transport import Transport

#: What an end says of a window and not of itself: zero where it does not report.
_MOMENTARY: Final = (
    "window.missed_s",
    "connection.opened",
    "connection.closed",
    "connection.close_reason",
    "error.errno",
    *COUNTERS,
    *GAUGES,
)
_LASTING: Final = (
    *OWNER,
    "connection.state",
    "connection.adopted",
    "connection.mptcp.token",
    "nat.evidence",
    "tls.visibility",
)
#: Delta columns of which flows are made, once it is known whose they are.
REPORTED: Final = (
    *_LASTING,
    *_MOMENTARY,
    "requests.index",
    "queries.index",
    *KNOWN,
    "connection.failed",
    "connection.opened_at_ns",
    "connection.closed_at_ns",
    "connection.connect_latency_ns",
    "tx_bytes_total",
    "rx_bytes_total",
    "tx_datagrams_total",
    "rx_datagrams_total",
)

#: Rows of the result that an end reports, ascending, its delta columns, and the numbers of its messages.
Report = tuple[np.ndarray, Columns, np.ndarray]


def flow_columns(table: FlowTable, flows: np.ndarray, reports: tuple[Report, Report]) -> Columns:
    """Flow columns of ``flows``, and ``flow``: their places in the table. Marks what they report as reported.

    :param reports: of the clients, of the servers.
    """
    count = len(flows)
    columns: Columns = {"flow": flows}
    _fill_head(columns, table, flows)
    for side, (rows, report, seq) in enumerate(reports):
        _fill_end(columns, table, flows, side, report if len(rows) == count else None)
        _fill_report(columns, SIDES[side], count, rows, report, seq)
    _fill_life(columns, table, flows, reports)
    _fill_unaccounted(columns, table, flows)
    columns["evidence"] = _evidence(columns, table, flows)
    return {"flow": flows} | {
        name: columns[name].astype(kind, copy=False) for name, kind in FLOW.types.items()
    }


def _fill_head(columns: Columns, table: FlowTable, flows: np.ndarray) -> None:
    called, final = table.called.take(flows), table.final.take(flows)
    columns["connection.id"] = table.id[flows]
    columns["connection.previous_id"] = table.previous[flows]
    table.previous[flows[columns["connection.previous_id"] != 0]] = 0
    columns["network.transport"] = table.transport[flows]
    columns["network.type"] = table.type[flows]
    for name, sort in table.sort.items():
        columns[name] = sort[flows]
    for part in ("address", "port"):
        columns[f"client.{part}"] = np.ascontiguousarray(called[f"source_{part}"])
        columns[f"service.{part}"] = np.ascontiguousarray(called[f"destination_{part}"])
        columns[f"server.{part}"] = np.ascontiguousarray(final[f"destination_{part}"])
    columns["nat.index"] = np.zeros(len(flows), np.uint32)
    columns["window.late_s"] = np.zeros(len(flows), np.uint16)
    for column in (*REQUESTS, *DROPS):
        columns[column.name] = zeros(len(flows), column.dtype)
    called, answered = (end.last["tls.index"].take(flows) for end in table.ends)
    columns["tls.index"] = np.where(called, called, answered)
    fill_names(columns, table, flows)


def fill_names(columns: Columns, table: FlowTable, flows: np.ndarray) -> None:
    """What the clients of flows call their servers."""
    for part in ("index", "evidence", "ambiguous"):
        columns[f"server.name.{part}"] = table.ends[CLIENT_SIDE].last[f"peer.name.{part}"].take(flows)


def _fill_end(
    columns: Columns, table: FlowTable, flows: np.ndarray, side: int, report: Columns | None
) -> None:
    """Who is at an end, also where it does not report now.

    :param report: what it says, where it does in all flows.
    """
    end = table.ends[side]
    columns[f"{SIDES[side]}.node.index"] = end.node[flows]
    for name in _LASTING:
        columns[f"{SIDES[side]}.{name}"] = report[name] if report else end.last[name].take(flows)


def _fill_report(
    columns: Columns, side: str, count: int, rows: np.ndarray, report: Columns, seq: np.ndarray
) -> None:
    """What an end says of the window; zero where it does not report."""
    whole = {name: report[name] for name in _MOMENTARY} | {
        "seq": seq,
        "reported": np.ones(len(rows), np.uint8),
    }
    for name, column in whole.items():
        columns[f"{side}.{name}"] = column if len(rows) == count else _spread(column, rows, count)


def _spread(column: Array, rows: np.ndarray, count: int) -> Array:
    if is_nothing(column):
        return zeros(count, column.dtype)
    spread: Array = np.zeros(count, column.dtype)
    spread[rows] = column
    return spread


def _fill_life(columns: Columns, table: FlowTable, flows: np.ndarray, reports: tuple[Report, Report]) -> None:
    client, server = table.ends
    opened = flags(columns, "client.connection.opened", "server.connection.opened")
    columns["connection.opened"] = opened & ~table.opened[flows]
    table.opened[flows[opened]] = True
    failed = np.zeros(len(flows), np.bool_)
    for side in (CLIENT_SIDE, SERVER_SIDE):
        rows, report, _ = reports[side]
        failed[rows[np.flatnonzero(report["connection.failed"])]] = True
        _remember_times(table, flows[rows], report, waited=side == CLIENT_SIDE)
    ended = (client.closed[flows] | (columns["client.node.index"] == 0)) & (
        server.closed[flows] | (columns["server.node.index"] == 0)
    )
    before = table.over[flows]
    columns["connection.failed"] = failed & ~before
    columns["connection.closed"] = ended & ~failed & ~before
    table.over[flows[ended | failed]] = True
    columns["connection.opened_at_ns"] = table.opened_at[flows]
    columns["connection.connect_latency_ns"] = table.latency[flows]
    columns["connection.closed_at_ns"] = np.where(ended | failed, table.closed_at[flows], 0)


def _remember_times(table: FlowTable, flows: np.ndarray, report: Columns, *, waited: bool) -> None:
    """When it was opened: the first time reported stays; how long that took: who ``waited`` knows best."""
    opened_at = report["connection.opened_at_ns"].astype(np.int64)
    takes = (opened_at != 0) & (table.opened_at[flows] == 0)
    table.opened_at[flows[takes]] = opened_at[takes]
    latency, closed_at = report["connection.connect_latency_ns"], report["connection.closed_at_ns"]
    took, ended = np.flatnonzero(latency), np.flatnonzero(closed_at)
    if not waited:
        took = took[table.latency[flows[took]] == 0]
    table.latency[flows[took]] = latency[took]
    table.closed_at[flows[ended]] = np.maximum(table.closed_at[flows[ended]], closed_at[ended])


def _fill_unaccounted(columns: Columns, table: FlowTable, flows: np.ndarray) -> None:
    """What is missing at the other end: of TCP so far, of UDP once both ends have ended."""
    client, server = table.ends
    both = (columns["client.node.index"] != 0) & (columns["server.node.index"] != 0)
    udp = columns["network.transport"] == Transport.UDP
    both &= ~flags(columns, "client.connection.adopted", "server.connection.adopted") | (
        udp & _begun(columns)
    )
    over = both & (columns["connection.closed"] if udp.any() else False)
    for name, (sender, receiver) in {"": (client, server), "reply_": (server, client)}.items():
        missing = sender.sent[flows].astype(np.int64) - receiver.received[flows].astype(np.int64)
        columns[f"{name}bytes_unaccounted"] = np.where(np.where(udp, over, both), missing, 0)
        missing = np.subtract(sender.sent_datagrams[flows], receiver.received_datagrams[flows]).view(np.int64)
        columns[f"{name}datagrams_unaccounted"] = np.where(over & udp, missing, 0)


def _begun(columns: Columns) -> np.ndarray:
    """Flows of UDP that began after the start though the socket of one end was open before: of one node, for there
    both ends are counted since the same moment; shape (n,), bool."""
    client, server = (columns[f"{side}.connection.adopted"] != 0 for side in SIDES)
    begun: np.ndarray = ~(client & server) & (columns["client.node.index"] == columns["server.node.index"])
    return begun


def _evidence(columns: Columns, table: FlowTable, flows: np.ndarray) -> np.ndarray:
    """Who reports; where one end may have been rewritten unseen, the address that it sees need not be the other's."""
    client, server = (columns[f"{side}.node.index"] != 0 for side in SIDES)
    complete = np.where(client, *(columns[f"{side}.nat.evidence"] == 0 for side in SIDES))
    one = np.where(client, FlowEvidence.CLIENT, FlowEvidence.SERVER)
    less = np.where(table.rewrites[flows] != 0, FlowEvidence.NAT, FlowEvidence.ADDRESS)
    evidence: np.ndarray = np.where(
        client & server, FlowEvidence.BOTH, np.where(table.near[flows] & complete, one, less)
    )
    return evidence.astype(np.uint8)
