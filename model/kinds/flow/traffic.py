"""What moved in flows, whole columns at a time, each connection once though both of its ends count."""

from typing import Final

import numpy as np

from model.arrays import Columns
from model.kinds.delta import flags
from model.kinds.flow.codes import FlowEvidence
from model.traffic import RowTraffic, Traffic


def flow_traffic(columns: Columns) -> RowTraffic:
    """The client's figures, or the server's mirrored where it alone reports; retransmits of both."""
    mirrored, tx, rx = mirrors(columns), columns["client.tx_bytes"], columns["client.rx_bytes"]
    if mirrored.any():
        tx = np.where(mirrored, columns["server.rx_bytes"], tx)
        rx = np.where(mirrored, columns["server.tx_bytes"], rx)
    return RowTraffic(
        tx,
        rx,
        np.add(columns["client.retransmitted_segments"], columns["server.retransmitted_segments"]),
        np.where(columns["client.rtt_ns"] == 0, columns["server.rtt_ns"], columns["client.rtt_ns"]),
    )


def mirrors(columns: Columns) -> np.ndarray:
    """In which rows the server speaks for both; shape (n,), bool.

    Not where both ends report but the client has nothing new: it counts what moved in its own seconds.
    """
    marked: np.ndarray = (columns["client.reported"] == 0) & (columns["evidence"] != FlowEvidence.BOTH)
    return marked


TRAFFIC: Final = Traffic(flow_traffic, lambda columns, life: flags(columns, f"connection.{life}"))
