"""Flows of all sorts, as columns, for tests of what the console shows."""

import errno
from typing import Any, Final

from model.addresses import address_bytes
from model.kinds.delta import CloseReason, State
from model.kinds.flow import FlowEvidence

LEDGER: Final[dict[str, Any]] = {
    "ring": {"unit": "events", "dropped": {"full": 3}},
    "sink.jsonl": {"unit": "rows", "dropped": {"queue_full": 1200}},
    "bus": {"unit": "rows", "dropped": {}},
}

Row = dict[str, object]


def ends(client: tuple[str, int], server: tuple[str, int], service: tuple[str, int] | None = None) -> Row:
    """The columns of addresses."""
    row: Row = {}
    for end, (address, port) in (("client", client), ("server", server), ("service", service or server)):
        row |= {f"{end}.address": address_bytes(address), f"{end}.port": port}
    return row


#: Both ends known, by way of a service's address.
REWRITTEN: Final[Row] = ends(("10.0.1.77", 40112), ("10.244.3.8", 5432), ("10.96.0.10", 5432)) | {
    "evidence": FlowEvidence.BOTH,
    "nat.index": 1,
    "client.reported": 1,
    "client.node.index": 1,
    "client.process.pid": 4190233,
    "client.process.comm": b"k3s-agent-node1",
    "client.cgroup.index": 3,
    "client.connection.state": State.ESTABLISHED,
    "client.tx_bytes": 1_250_000,
    "client.rx_bytes": 48_300_000,
    "client.retransmitted_segments": 2,
    "client.rtt_ns": 187_000,
    "server.reported": 1,
    "server.node.index": 2,
    "server.process.pid": 811,
    "server.process.comm": b"postgres",
    "server.cgroup.index": 2,
    "server.connection.state": State.ESTABLISHED,
    "server.tx_bytes": 48_200_000,
    "server.rx_bytes": 1_250_000,
    "server.retransmitted_segments": 10,
    "server.rtt_ns": 200_000,
}
#: Only the server is known; a client far away reset it.
SERVER_ONLY: Final[Row] = ends(
    ("2001:db8:1f89:ffff:abcd:ef01:2345:6789", 51234), ("2001:db8:85a3:8d3:1319:8a2e:370:7348", 443)
) | {
    "evidence": FlowEvidence.ADDRESS,
    "connection.closed": 1,
    "server.reported": 1,
    "server.node.index": 1,
    "server.process.pid": 12,
    "server.process.comm": b"\x1b[31mevil name",
    "server.cgroup.index": 1,
    "server.connection.state": State.CLOSE,
    "server.connection.close_reason": CloseReason.RST_RECEIVED,
    "server.tx_bytes": 7_400,
    "server.rx_bytes": 999,
    "server.rtt_ns": 23_400_000,
}
#: Both ends are far away in letters, too.
LONG_ADDRESSES: Final[Row] = ends(
    ("2001:db8:85a3:8d3:1319:8a2e:370:7348", 51234), ("2001:db8:1f89:ffff:abcd:ef01:2345:6789", 65535)
) | {
    "evidence": FlowEvidence.ADDRESS,
    "connection.opened": 1,
    "client.reported": 1,
    "client.node.index": 1,
    "client.process.pid": 99,
    "client.process.comm": b"rsync",
    "client.connection.state": State.ESTABLISHED,
    "client.tx_bytes": 120,
}
#: The client ended it in an earlier second, its peer in this one.
HALF: Final[Row] = ends(("10.0.0.5", 60001), ("10.0.0.6", 22)) | {
    "evidence": FlowEvidence.BOTH,
    "connection.closed": 1,
    "client.node.index": 1,
    "client.process.pid": 5,
    "client.process.comm": b"ssh",
    "client.connection.state": State.CLOSE,
    "server.reported": 1,
    "server.node.index": 2,
    "server.process.pid": 6,
    "server.process.comm": b"sshd",
    "server.connection.state": State.CLOSE,
    "server.connection.close_reason": CloseReason.FIN_RECEIVED,
    "server.rx_bytes": 50,
}
FAILED: Final[Row] = ends(("10.0.0.5", 60000), ("203.0.113.255", 65535)) | {
    "evidence": FlowEvidence.ADDRESS,
    "connection.failed": 1,
    "client.reported": 1,
    "client.node.index": 1,
    "client.process.pid": 7,
    "client.process.comm": b"curl",
    "client.cgroup.index": 1,
    "client.connection.state": State.CLOSE,
    "client.error.errno": errno.ECONNREFUSED,
}
SHOWN: Final = (REWRITTEN, SERVER_ONLY, LONG_ADDRESSES, HALF, FAILED)
