"""PublicRow rows as JSON lines have them, for tests of what is shown."""

from typing import Any, Final

from model.public import PublicRow
from tailrace.testing.deltas import WINDOW

#: Both ends known, called by the address of a service.
BOTH: Final[dict[str, Any]] = {
    "network.type": "ipv4",
    "client.address": "10.0.0.1",
    "client.port": 40000,
    "service.address": "10.96.0.10",
    "service.port": 443,
    "server.address": "2001:db8::7",
    "server.port": 8099,
    "evidence": "both",
    "client.reported": True,
    "client.node": "node-a",
    "client.process.comm": "curl",
    "client.process.pid": 7,
    "client.connection.state": "established",
    "client.tx_bytes": 925,
    "client.rx_bytes": 3_500_000,
    "client.rtt_ns": 27_000,
    "server.reported": True,
    "server.node": "db.7",
    "server.process.comm": "nginx",
    "server.process.pid": 24036,
    "server.connection.state": "established",
    "server.tx_bytes": 3_500_000,
    "server.rx_bytes": 900,
}
#: A connect that failed; nobody is known at the other end.
FAILED: Final[dict[str, Any]] = {
    "network.type": "ipv4",
    "client.address": "10.0.0.1",
    "client.port": 50123,
    "service.address": "10.0.9.9",
    "service.port": 443,
    "server.address": "10.0.9.9",
    "server.port": 443,
    "evidence": "address",
    "connection.failed": True,
    "client.reported": True,
    "client.node": "node-a",
    "client.process.comm": "k3s-agent-node1",
    "client.process.pid": 7,
    "client.connection.state": "close",
    "client.error.type": "ECONNREFUSED",
}
#: The server alone reports, and the client ended it.
SERVER_ONLY: Final[dict[str, Any]] = {
    "network.type": "ipv6",
    "client.address": "2001:db8:85a3:8d3:1319:8a2e:370:7348",
    "client.port": 51234,
    "service.address": "2001:db8::7",
    "service.port": 22,
    "server.address": "2001:db8::7",
    "server.port": 22,
    "evidence": "server",
    "connection.closed": True,
    "server.reported": True,
    "server.node": "db.7",
    "server.process.comm": "sshd",
    "server.process.pid": 811,
    "server.connection.state": "close",
    "server.connection.close_reason": "fin_received",
    "server.tx_bytes": 999,
    "server.rx_bytes": 7_400,
}


def flow(row: dict[str, Any] = BOTH) -> PublicRow:
    """One flow of the window that tests use."""
    return PublicRow("flow", "engine-0", "boot-1", 3, WINDOW, row)
