"""The sums of each pair of workloads, and its histograms, from columns of flows."""

import numpy as np

from actors.workloads.pairs import Pairs
from model.arrays import Columns
from model.histogram import Histograms
from model.kinds.delta import flags
from model.kinds.flow import REQUESTS, SIDES
from model.kinds.workload import BREAKS, EVIDENCE, FAILURES, MEASURES
from model.traffic import RowTraffic
from model.transport import Transport


def fill_sums(columns: Columns, flows: Columns, pairs: Pairs, moved: RowTraffic) -> None:
    """Bytes, connections and evidence of each pair, into ``columns``."""
    columns["bytes"] = pairs.sums(moved.tx_bytes)
    columns["reply_bytes"] = pairs.sums(moved.rx_bytes)
    columns["retransmitted_segments"] = pairs.sums(moved.retransmitted_segments)
    for name, side in (("zero_windows", "client"), ("reply_zero_windows", "server")):
        columns[name] = pairs.sums(flows[f"{side}.zero_window"])
    columns["dropped_segments"] = pairs.sums(flows["dropped_segments"])
    sent = np.add(flows["client.tx_segments"], flows["server.tx_segments"])
    udp = flows["network.transport"] == Transport.UDP
    if udp.any():
        _fill_datagrams(columns, flows, pairs, udp, sent)
        sent = np.where(udp, 0, sent)
    columns["sent_segments"] = pairs.sums(sent)
    for column in REQUESTS:
        columns[column.name] = pairs.sums(flows[column.name])
    lives = ("opened", "closed", "failed")
    bits = sum((flows[f"connection.{life}"] != 0).astype(np.uint8) << bit for bit, life in enumerate(lives))
    cells = pairs.counts(np.asarray(bits, np.uint8))
    for bit, life in enumerate(lives):
        columns[f"connections.{life}"] = cells[:, [code for code in range(8) if code >> bit & 1]].sum(1)
    columns["connections.active"] = cells.sum(1) - columns["connections.failed"]
    if columns["connections.failed"].any():
        _fill_failures(columns, flows, pairs)
    if columns["connections.closed"].any():
        _fill_breaks(columns, flows, pairs)
    grades = pairs.counts(flows["evidence"])
    for name, grade in EVIDENCE.items():
        columns[name] = grades[:, grade]


def _fill_datagrams(
    columns: Columns, flows: Columns, pairs: Pairs, udp: np.ndarray, sent: np.ndarray
) -> None:
    """Datagrams of UDP, and what became of them; one that the network doubled makes up for none that it lost."""
    columns["datagrams"] = pairs.sums(np.where(udp, sent, 0))
    lost = sum(np.maximum(flows[f"{way}datagrams_unaccounted"], 0) for way in ("", "reply_"))
    columns["datagrams.lost"] = pairs.sums(np.asarray(lost, np.uint64))
    dropped = np.add(flows["client.drops"], flows["server.drops"])
    columns["datagrams.dropped"] = pairs.sums(np.where(udp, dropped, 0))


def _fill_failures(columns: Columns, flows: Columns, pairs: Pairs) -> None:
    """Failed connects by what the client was told, else the server."""
    failed = np.flatnonzero(flows["connection.failed"])
    client, server = (flows[f"{side}.error.errno"][failed] for side in SIDES)
    errors = np.where(client == 0, server, client)
    codes = np.zeros(len(flows["connection.failed"]), np.uint8)
    for code, numbers in enumerate(FAILURES.values(), 1):
        codes[failed[np.isin(errors, numbers)]] = code
    cells = pairs.counts(codes)
    for code, name in enumerate(FAILURES, 1):
        columns[name] = cells[:, code]


def _fill_breaks(columns: Columns, flows: Columns, pairs: Pairs) -> None:
    """Connections that were established and broke; a reset counts before a time-out."""
    ended = np.flatnonzero((flows["connection.closed"] != 0) & (flows["connection.failed"] == 0))
    codes = np.zeros(len(flows["connection.closed"]), np.uint8)
    reasons = [flows[f"{side}.connection.close_reason"][ended] for side in SIDES]
    for code, numbers in reversed([*enumerate(BREAKS.values(), 1)]):
        for reason in reasons:
            codes[ended[np.isin(reason, numbers)]] = code
    if codes.any():
        cells = pairs.counts(codes)
        for code, name in enumerate(BREAKS, 1):
            columns[name] = cells[:, code]


def fill_measures(columns: Columns, flows: Columns, pairs: Pairs, moved: RowTraffic) -> Histograms:
    """A round trip for each flow that has one, a latency for each connection that was opened or failed.

    :return: what the columns of ``columns`` that are filled here point into.
    """
    began = flags(flows, "connection.opened", "connection.failed")
    values = (moved.rtt_ns, np.where(began, flows["connection.connect_latency_ns"], 0))
    count, numbers = len(pairs), pairs.numbers + 1
    histograms = Histograms.of(
        np.concatenate((numbers, numbers + count)),
        np.concatenate([each[pairs.order] for each in values]),
        2 * count + 1,
    )
    held = np.diff(histograms.begins) != 0
    for part, (measure, each) in enumerate(zip(MEASURES, values, strict=True)):
        places = np.arange(1, count + 1) + part * count
        columns[f"{measure}.sum"] = pairs.sums(each)
        columns[f"{measure}.index"] = np.where(held[places], places, 0)
    return histograms
