"""What people read of UDP: never a state of TCP, always the transport."""

from typing import Any

import pytest

from model.kinds.delta.text import state_text as socket_state
from model.kinds.flow.cells import state_text as flow_state
from model.kinds.workload.cells import called_text

UDP: dict[str, Any] = {"network.transport": "udp"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"connection.state": "established"}, "udp open"),
        ({"connection.closed": True, "connection.close_reason": "idle"}, "udp idle"),
        ({"connection.failed": True, "error.type": "ECONNREFUSED"}, "ECONNREFUSED"),
    ],
)
def test_an_end_says_what_became_of_its_flow(row: dict[str, Any], words: str) -> None:
    """Open, what ended it, or the network's error."""
    assert socket_state(UDP | row) == words


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"client.connection.state": "established"}, "udp open"),
        ({"client.connection.state": "close", "server.connection.state": "established"}, "udp open"),
        ({"connection.closed": True, "server.connection.close_reason": "released"}, "udp released"),
        ({"connection.failed": True, "client.error.type": "EHOSTUNREACH"}, "EHOSTUNREACH"),
    ],
)
def test_a_flow_says_what_became_of_it(row: dict[str, Any], words: str) -> None:
    """By what either end says."""
    assert flow_state(UDP | row) == words
    assert len(words) <= 12


def test_a_port_of_udp_is_told_from_that_of_tcp() -> None:
    """As edges of the map are called."""
    row = {"server.workload.name": "coredns", "server.port": 53}
    assert (called_text(row), called_text(UDP | row)) == ("coredns:53", "coredns:53/udp")
