"""The joiner against a model: reports of any ends, in any seconds, from any nodes."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model.kinds.delta import Role
from tests.nat_events import batch_of, socket_row
from tests.unit.actors.join.site import SECOND, SERVER, Flow, Site


@dataclass
class Connection:
    """A connection of the model: seconds in which each end reports, and how long after."""

    port: int
    opened: int
    seconds: int
    ends: tuple[bool, bool]
    lag: tuple[int, int]
    nodes: tuple[str, str]
    sums: dict[str, int] = field(default_factory=lambda: defaultdict(int))


connections = st.builds(
    Connection,
    port=st.integers(1, 3),
    opened=st.integers(0, 12),
    seconds=st.integers(1, 4),
    ends=st.sampled_from([(True, True), (True, True), (True, False), (False, True)]),
    lag=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    nodes=st.tuples(st.sampled_from("ab"), st.sampled_from("ab")),
)


def apart(script: list[Connection]) -> list[Connection]:
    """Those of one tuple follow each other, as in any kernel."""
    after: dict[int, int] = {}
    for connection in script:
        connection.opened = max(connection.opened, after.get(connection.port, 0))
        after[connection.port] = connection.opened + connection.seconds + 3
    return script


def reports(script: list[Connection]) -> dict[int, dict[str, list[dict[str, Any]]]]:
    """Rows by the window in which they arrive, and node; bytes say whose they are."""
    rows: dict[int, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for number, connection in enumerate(script):
        near, far = ("10.0.0.5", connection.port), SERVER
        for side, seen in enumerate(connection.ends):
            for second in range(connection.seconds if seen else 0):
                local, peer = (near, far) if side == 0 else (far, near)
                row = socket_row(
                    *(local, peer, (Role.CLIENT, Role.SERVER)[side]),
                    socket__slot=2 * number + side,
                    socket__generation=1,
                    connection__opened=second == 0,
                    connection__closed=second == connection.seconds - 1,
                    connection__opened_at_ns=(connection.opened + 100) * SECOND + side,
                    tx_bytes=1 << second,
                )
                rows[connection.opened + second + connection.lag[side]][connection.nodes[side]].append(row)
    return rows


@settings(max_examples=60)
@given(st.lists(connections, max_size=12).map(apart))
def test_every_report_comes_out_once_beside_its_other_end(script: list[Connection]) -> None:
    """Ends that report in other seconds, from other nodes, once or not at all: each report is in one flow, with the
    socket of its own connection at the other end, and each connection is opened once."""
    site, flows = Site(), list[Flow]()
    arriving = reports(script)
    for window in range(max(arriving, default=0) + 10):
        batches = [batch_of(rows, window, node=node) for node, rows in arriving[window].items()]
        flows += site.join(window, *batches)
    sent: dict[int, int] = defaultdict(int)
    opened: Counter[int] = Counter()
    for flow in flows:
        sockets = {}
        for side, name in enumerate(("client", "server")):
            if flow[f"{name}.node"]:
                sockets[side] = flow[f"{name}.socket.slot"]
                assert sockets[side] % 2 == side
                sent[sockets[side]] += flow[f"{name}.tx_bytes"]
        numbers = {slot // 2 for slot in sockets.values()}
        assert len(numbers) == 1
        opened[numbers.pop()] += flow["connection.opened"]
    for number, connection in enumerate(script):
        for side, seen in enumerate(connection.ends):
            assert sent[2 * number + side] == ((1 << connection.seconds) - 1 if seen else 0)
        assert opened[number] == 1
    assert site.ledger.stages["join"].balanced
    assert len(site.joiner) == 0
