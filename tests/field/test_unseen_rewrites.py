"""The kind: a node without the right to see a rewrite does not claim that there was none."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.beds.flows import Row
from tests.beds.watch import Watch
from tests.field.test_rights import without
from tests.kernel.nat_network import ADDRESSES, CLIENT, ROUTER, SERVER, NatNetwork, nat_network

pytestmark = pytest.mark.kernel

_HERE, _GATE, _, _THERE = ADDRESSES[4]
_PORT, _BACKEND_PORT, _ROUTERS_PORT = 80, 8080, 9000
_NETLINK: Final = {"TAILRACE_NAT_SOURCE": "netlink"}


@contextlib.contextmanager
def network() -> Iterator[NatNetwork]:
    """The router sends calls of a service to the server."""
    with nat_network() as made:
        rule = f"PREROUTING -t nat -p tcp -d {_GATE} --dport {_PORT} -j DNAT --to {_THERE}:{_BACKEND_PORT}"
        made.run(ROUTER, f"iptables-legacy -A {rule}")
        yield made


class Call:
    """An open connection of the client's, whose other end is somewhere; a byte went each way."""

    def __init__(self, bed: NatNetwork, port: int, place: str, listening: tuple[str, int]) -> None:
        with bed.listen(place, "tcp", *listening) as listener:
            self.near: socket.socket = bed.within(CLIENT, lambda: socket.create_connection((_GATE, port), 20))
            self.far, _ = listener.accept()
        self.port: int = self.near.getsockname()[1]
        self.exchange()

    def exchange(self) -> None:
        """A byte each way."""
        for one, other in ((self.near, self.far), (self.far, self.near)):
            one.sendall(b"x")
            assert other.recv(1) == b"x"

    def close(self) -> None:
        self.near.close()
        assert self.far.recv(1) == b""
        self.far.close()


def rewritten(bed: NatNetwork) -> Call:
    """A call of the service."""
    return Call(bed, _PORT, SERVER, (_THERE, _BACKEND_PORT))


def told(rows: list[Row], port: int) -> list[Row]:
    """The last rows of each flow of the client's port; of the router's own the address is known by then."""
    flows = {
        row["connection.id"]: row for row in rows if row["kind"] == "flow" and row["client.port"] == port
    }
    return [flows[number] for number in sorted(flows)]


def claims(rows: list[Row]) -> set[tuple[str, str, bool, bool]]:
    """Of each row: its evidence and that of its end's rewrites, whether it names a rewrite, and whether caller and
    called are told apart rightly."""
    found = set()
    for row in rows:
        side = "client" if row.get("client.reported") else "server"
        right = row["client.address"] == _HERE and row["server.port"] in (_PORT, _BACKEND_PORT)
        found.add((row["evidence"], row.get(f"{side}.nat.evidence", "-"), "nat" in row, right))
    return found


@pytest.mark.parametrize("right", ["net_broadcast", "sys_admin"])
def test_rows_say_what_their_node_cannot_see(tmp_path: Path, right: str) -> None:
    """Without CAP_NET_BROADCAST no new rewrite of the router, without CAP_SYS_ADMIN none of before the start: also
    where the called address is one of a socket that reports, the evidence is its address alone."""
    with network() as bed:
        before = rewritten(bed)
        path, patterns = tmp_path / "flows.jsonl", [f"{bed.prefix}*"]
        with Watch.started(path, patterns, _NETLINK, without(right)) as watch:
            known = Call(bed, _ROUTERS_PORT, ROUTER, (_GATE, _ROUTERS_PORT))  # the router's address reports
            watch.await_opened(lambda row: row["client.port"] == known.port, 1)
            later = rewritten(bed)
            before.exchange()
            for call in (before, later, known):
                call.close()
            rows = watch.rows()
    unseen = {("address", "unseen", False, True)}
    assert {row["evidence"] for row in told(rows, known.port)} == {"both"}
    if right == "net_broadcast":  # a dump told of the first; of a further rewrite nobody would
        assert claims(told(rows, before.port)) == {("both", "unseen", True, True)}
        assert claims(told(rows, later.port)) == unseen
    else:
        assert claims(told(rows, before.port)) <= unseen  # who may not enter a namespace adopts nothing there
        assert claims(told(rows, later.port)) == {("both", "-", True, True)}


def test_with_all_rights_rows_have_nothing_to_say(tmp_path: Path) -> None:
    """What rewrote a connection is known, also where that was before the start."""
    with network() as bed:
        before = rewritten(bed)
        with Watch.started(tmp_path / "flows.jsonl", [f"{bed.prefix}*"], _NETLINK) as watch:
            later = rewritten(bed)
            watch.await_opened(lambda row: row["client.port"] == later.port, 1)
            before.exchange()
            for call in (before, later):
                call.close()
            rows = watch.rows()
    for call in (before, later):
        assert claims(told(rows, call.port)) == {("both", "-", True, True)}
