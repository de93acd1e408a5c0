"""Rows of UDP flows on a bed: what programs sent and got, through NAT, with what was lost on the way."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.beds.network import Bed, Place, bed, execute, inside
from tests.beds.watch import Territory, Watch
from tests.kernel import quic_traffic

pytestmark = pytest.mark.kernel

#: Where the routed service is answered, where that of the client's own rule is, where nobody answers, and QUIC.
ROUTED, OWN, ONE_WAY, CLOSED, QUIC = 6000, 6001, 6002, 6003, 6004
#: Datagrams of each exchange: as many replies, but to ONE_WAY.
SOCKETS, DATAGRAMS = 20, 7
#: Payload that the router lets through to ONE_WAY, and what it does not.
SMALL, LARGE = 100, 900

SERVER: Final = """
import json, socket, sys
echo = sys.argv[2] == "echo"
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, peer = server.recvfrom(2000)
    if echo:
        server.sendto(data, peer)
"""
CLIENT: Final = """
import json, socket, sys
address, port, sockets, sizes, answered = json.loads(sys.argv[1])
errors = 0
for _ in range(sockets):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.connect((address, port))
        for size in sizes:
            try:
                client.send(b"x" * size)
                if answered:
                    assert len(client.recv(2000)) == size
            except ConnectionRefusedError:
                errors += 1
print(errors)
"""


def serve(place: Place, port: int, how: str) -> "subprocess.Popen[str]":
    """A server, which is ready."""
    command = [*inside(place.namespace), sys.executable, "-c", SERVER, str(port), how]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    assert server.stdout.readline() == "ready\n"
    return server


def call(place: Place, address: str, port: int, sockets: int, sizes: list[int], *, answered: bool) -> None:
    """A client that has ended."""
    asked = json.dumps([address, port, sockets, sizes, answered])
    execute(*inside(place.namespace), sys.executable, "-c", CLIENT, asked)


def rules(found: Bed) -> None:
    """The router sends a service elsewhere and hides who called, and drops what is large; so does a rule of the
    client's own."""
    one, other = found.service(1, "ipv4"), found.service(2, "ipv4")
    router = f"""
table ip tailrace_test {{
  chain arriving {{
    type nat hook prerouting priority -100;
    ip daddr {one} udp dport 53 dnat to {found.server1.ipv4}:{ROUTED}
  }}
  chain leaving {{
    type nat hook postrouting priority 100;
    udp dport {ROUTED} masquerade
  }}
  chain through {{
    type filter hook forward priority 0;
    udp dport {ONE_WAY} udp length > 500 drop
  }}
}}
"""
    client = f"""
table ip tailrace_test {{
  chain called {{
    type nat hook output priority -100;
    ip daddr {other} udp dport 53 dnat to {found.server2.ipv4}:{OWN}
  }}
}}
"""
    for place, text in ((found.router, router), (found.client, client)):
        execute(*inside(place.namespace), "nft", "-f", "-", stdin=text)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bed, list[dict[str, Any]]]]:
    """The bed, and all flows of it, each ended."""
    folder = tmp_path_factory.mktemp("udp")
    path: Path = folder / "flows.jsonl"
    idle = {f"TAILRACE_UDP_IDLE_{name}": "1" for name in ("ANSWERED", "UNANSWERED", "BOTH")}
    with bed() as found:
        rules(found)
        servers = [
            serve(found.server1, ROUTED, "echo"),
            serve(found.server2, OWN, "echo"),
            serve(found.server1, ONE_WAY, "hear"),
        ]
        try:
            quic = quic_traffic.quic_server(folder, found.server1.ipv4, QUIC, inside(found.server1.namespace))
            with quic, Watch.started(path, environment={"TAILRACE_UDP_ENABLED": "on", **idle}) as watch:
                sizes = [10] * DATAGRAMS
                call(found.client, found.service(1, "ipv4"), 53, SOCKETS, sizes, answered=True)
                call(found.client, found.service(2, "ipv4"), 53, SOCKETS, sizes, answered=True)
                call(found.client, found.server1.ipv4, ONE_WAY, 1, [SMALL, LARGE] * DATAGRAMS, answered=False)
                call(found.client, found.server2.ipv4, CLOSED, 3, [SMALL], answered=True)
                behind = inside(found.client.namespace)
                quic_traffic.call(found.server1.ipv4, QUIC, "shop.example", ["h3", "hq-interop"], behind)
                ours = Territory.of(found)
                watch.await_that(lambda: ended(watch.told(), ours) >= 2 * SOCKETS + 1 + 3 + 1)
                yield found, [row for row in watch.rows() if row["kind"] == "flow" and ours(row)]
        finally:
            for server in servers:
                server.kill()
                server.wait()


def ended(rows: list[dict[str, Any]], ours: Territory) -> int:
    """How many flows of ours have ended, or failed."""
    flows = [row for row in rows if row["kind"] == "flow" and ours(row)]
    ends = ("connection.closed", "connection.failed")
    return sum(any(row.get(end) for end in ends) for row in flows if row["network.transport"] == "udp")


def sums(rows: list[dict[str, Any]], server: str, port: int) -> Counter[str]:
    """Numbers of the flows to that server, added up."""
    mine = [row for row in rows if (row["server.address"], row["server.port"]) == (server, port)]
    assert mine
    found: Counter[str] = Counter(rows=len(mine), ids=len({row["connection.id"] for row in mine}))
    for row in mine:
        found.update({name: value for name, value in row.items() if type(value) in (int, bool)})
    return found


@pytest.mark.parametrize("service", [1, 2])
def test_both_ends_of_flows_through_nat_are_one_row(
    reported: tuple[Bed, list[dict[str, Any]]], service: int
) -> None:
    """By a router that rewrites both addresses, and by a rule of the caller's own namespace."""
    found, rows = reported
    server, port = ((found.server1.ipv4, ROUTED), (found.server2.ipv4, OWN))[service - 1]
    mine = [row for row in rows if (row["server.address"], row["server.port"]) == (server, port)]
    assert {row["service.address"] for row in mine} == {found.service(service, "ipv4")}
    assert {row["client.address"] for row in mine} == {found.client.ipv4}
    assert {row["evidence"] for row in mine if row.get("connection.closed")} == {"both"}
    total = sums(rows, server, port)
    count = SOCKETS * DATAGRAMS
    for end in ("client", "server"):
        assert (total[f"{end}.tx_segments"], total[f"{end}.rx_segments"]) == (count, count), end
        assert (total[f"{end}.tx_bytes"], total[f"{end}.rx_bytes"]) == (10 * count, 10 * count), end
    assert (total["ids"], total["connection.opened"], total["connection.closed"]) == (SOCKETS,) * 3
    assert (total["connection.failed"], total["datagrams_unaccounted"], total["bytes_unaccounted"]) == (
        0,
        0,
        0,
    )
    assert all(row["connection.connect_latency_ns"] > 0 for row in mine if row.get("connection.closed"))


def test_what_the_router_dropped_is_lost(reported: tuple[Bed, list[dict[str, Any]]]) -> None:
    """Told once, at the end of both ends: the large half, and nothing of the small one."""
    found, rows = reported
    total = sums(rows, found.server1.ipv4, ONE_WAY)
    assert (total["client.tx_segments"], total["server.rx_segments"]) == (2 * DATAGRAMS, DATAGRAMS)
    assert (total["datagrams_unaccounted"], total["bytes_unaccounted"]) == (DATAGRAMS, DATAGRAMS * LARGE)
    assert (total["reply_datagrams_unaccounted"], total["connection.closed"]) == (0, 1)


def test_a_closed_port_fails(reported: tuple[Bed, list[dict[str, Any]]]) -> None:
    """The network refused each: none was opened."""
    found, rows = reported
    total = sums(rows, found.server2.ipv4, CLOSED)
    assert (total["connection.failed"], total["connection.opened"], total["connection.closed"]) == (3, 0, 0)
    mine = [row for row in rows if row["server.port"] == CLOSED and row.get("connection.failed")]
    assert {row["client.error.type"] for row in mine} == {"ECONNREFUSED"}


def test_a_flow_of_quic_has_the_name_that_its_client_called(
    reported: tuple[Bed, list[dict[str, Any]]],
) -> None:
    """A real client's first packet says it; what the server chose is encrypted."""
    _, rows = reported
    last = [row for row in rows if row["server.port"] == QUIC][-1]
    assert last["network.protocol.name"] == "quic"
    assert (last["server.name"], last["server.name.evidence"]) == ("shop.example", "tls")
    assert last["tls.client.server_name"] == "shop.example"
    assert last["tls.client.offered_protocols"] == "h3,hq-interop"
    assert not {"tls.protocol.version", "tls.cipher", "tls.next_protocol"} & last.keys()
