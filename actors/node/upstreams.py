"""The connections of proxies to servers, on the node of the proxy: which rows of a second they are. Pure."""

from dataclasses import replace

import numpy as np

from actors.node.requests import rows_of
from model.batch import Batch

#: What is known of an upstream's socket, and the column of delta rows that says it.
_TUPLE = {
    "source_address": "connection.source.address",
    "source_port": "connection.source.port",
    "destination_address": "connection.destination.address",
    "destination_port": "connection.destination.port",
}
_PLAIN = {
    "service_address": "network.peer.address",
    "service_port": "network.peer.port",
    "rtt_ns": "rtt_ns",
    "retransmitted_segments": "retransmitted_segments",
}


def with_upstreams(batch: Batch) -> Batch:
    """The batch with what its rows say of the sockets to which requests were passed on: they may part from here on.

    :param batch: of deltas, rewrites known.
    """
    requests = batch.tables["requests"]
    if len(requests.upstreams) == 1:
        return batch
    upstreams = requests.upstreams.copy()
    rows = rows_of(upstreams, batch.columns)
    known = np.flatnonzero(rows >= 0)
    known = known[known > 0]
    for name, column in _TUPLE.items():
        upstreams["tuple"][name][known] = batch.columns[column][rows[known]]
    for name, column in _PLAIN.items():
        upstreams[name][known] = batch.columns[column][rows[known]]
    return replace(batch, tables={**batch.tables, "requests": replace(requests, upstreams=upstreams)})
