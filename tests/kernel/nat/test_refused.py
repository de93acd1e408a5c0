"""Connects that fail behind NAT."""

import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.beds.network import FAMILIES, Bed, Family, bed, execute, inside
from tests.beds.rules import rules_of
from tests.beds.scenes import SERVICE_PORT, place
from tests.beds.watch import Watch

pytestmark = pytest.mark.kernel

#: At which no server of the bed answers.
PORT: Final = 8001
CALLS: Final = 5
#: Prints the port from which each refused call came.
CALL: Final = """
import errno, socket, sys
family, address, port, calls = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for _ in range(calls):
    with socket.socket(family, socket.SOCK_STREAM) as caller:
        caller.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
        print(caller.getsockname()[1])
        assert caller.connect_ex((address, port)) == errno.ECONNREFUSED
"""


def calls(made: Bed, family: Family, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All flows from the client to the service."""
    flows = [row for row in rows if row["kind"] == "flow"]
    return [row for row in flows if row["service.address"] == made.service(1, family)]


def test_a_refused_call_names_the_backend_that_refused_it(tmp_path: Path) -> None:
    """What was called, who refused, the rewriting in between and the error; each call once."""
    ports: dict[Family, list[int]] = {}
    with bed() as made, Watch.started(tmp_path / "flows.jsonl") as watch:
        rules = rules_of("nftables", place(made, "router").namespace)
        for number, family in ((2, FAMILIES[0]), (10, FAMILIES[1])):
            service = (made.service(1, family), SERVICE_PORT)
            rules.dnat("prerouting", family, service, [made.server1.address(family)], PORT)
            program = [sys.executable, "-c", CALL, str(number), *map(str, service), str(CALLS)]
            said = execute(*inside(place(made, "client").namespace), *program)
            ports[family] = [int(line) for line in said.split()]
        rows = watch.rows()
    for family in FAMILIES:
        flows = calls(made, family, rows)
        assert sorted(flow["client.port"] for flow in flows) == sorted(ports[family])
        for flow in flows:
            assert flow["connection.failed"]
            assert (flow["server.address"], flow["server.port"]) == (made.server1.address(family), PORT)
            assert (flow["client.error.type"], flow["evidence"]) == ("ECONNREFUSED", "nat")
            hops = [hop["destination.address"] for hop in flow["nat"]]
            assert hops == [made.service(1, family), made.server1.address(family)]
