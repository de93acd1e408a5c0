"""Messages as older programs sent them are read as they were meant (``tests/recordings/messages``)."""

from pathlib import Path
from typing import Any, Final

import msgpack
import numpy as np
import pytest

from actors.join.joiner import Joiner
from model.batch import Batch
from model.kinds.delta import DELTA, NO_SLOT, CloseReason, State
from model.ledger import Ledger
from model.message import decode
from model.public import decode_rows
from model.transport import Transport
from tests.plain_rows import plain_rows

FOLDER: Final = Path(__file__).parents[2] / "recordings" / "messages"
WINDOW: Final = 1_700_000_000
#: What the node's kernel lost is in its ledger.
LEDGER: Final = {
    "kernel": {
        "unit": "events",
        "received": 9,
        "delivered": 8,
        "queued": 0,
        "dropped": {"ring_full": 1},
        "noted": {"adopted": 1},
        "balanced": True,
    },
    "deltas": {
        "unit": "rows",
        "received": 4,
        "delivered": 0,
        "queued": 4,
        "dropped": {},
        "noted": {},
        "balanced": True,
    },
}


def recorded(name: str) -> Batch:
    return decode((FOLDER / f"{name}.msgpack").read_bytes())


def rows(name: str) -> list[dict[str, Any]]:
    return list(plain_rows(recorded(name)))


def test_the_head_is_that_of_the_window() -> None:
    """Who sent it, which message of the window it is, and what the ledger said with the last."""
    first, last = recorded("delta_first"), recorded("delta_last")
    assert [(one.kind, one.node, one.boot, one.seq, one.window) for one in (first, last)] == [
        (DELTA, "node-a", "boot-1", 41, WINDOW),
        (DELTA, "node-a", "boot-1", 42, WINDOW),
    ]
    assert [(one.chunk, one.chunks, len(one), one.last) for one in (first, last)] == [
        (0, 2, 3, False),
        (1, 2, 1, True),
    ]
    assert [one.via for one in (first, last, recorded("delta_rekeyed"))] == [-1, -1, 3]
    assert not first.unknown


@pytest.mark.parametrize("name", ["delta_whole", "delta_rekeyed"])
def test_a_rewritten_client_has_its_owner_and_chain(name: str) -> None:
    """Addresses, owner, counters and the two tuples of its one rewriting."""
    row = rows(name)[0]
    assert (row["network.local.address"], row["network.local.port"]) == ("10.0.0.5", 51234)
    assert (row["connection.destination.address"], row["connection.destination.port"]) == ("10.244.1.7", 6443)
    assert row["nat"] == [
        {
            "source.address": "10.0.0.5",
            "source.port": 51234,
            "destination.address": "10.96.0.10",
            "destination.port": 443,
        },
        {
            "source.address": "10.0.0.5",
            "source.port": 51234,
            "destination.address": "10.244.1.7",
            "destination.port": 6443,
        },
    ]
    assert (row["process.comm"], row["process.pid"], row["user.id"]) == ("curl", 4711, 1000)
    assert row["cgroup.path"] == "/system.slice/docker-0123456789ab.scope"
    assert row["entity"] == {"container.name": "web", "k8s.pod.name": "web-0"}
    assert (row["tx_bytes"], row["rx_bytes"], row["drops"]) == (1000, 2**40, 2)
    assert (row["rtt_ns"], row["delivery_rate_bytes_per_second"]) == (85_000, 12_500_000)


def test_a_connection_rewritten_twice_has_three_tuples() -> None:
    """Names that are no UTF-8 come through, too."""
    row = rows("delta_whole")[1]
    assert [hop["destination.port"] for hop in row["nat"]] == [80, 8081, 8080]
    assert row["process.comm"] == "größe\ufffd"
    assert row["cgroup.path"] == "/user.slice/größe"
    assert (row["connection.state"], row["connection.close_reason"]) == (
        State.CLOSE,
        CloseReason.RST_RECEIVED,
    )


def test_an_ipv6_server_and_a_late_failure() -> None:
    """A row whose slot is the highest generation, and one that has no slot and lies two seconds back."""
    server, late = rows("delta_whole")[2:]
    assert (server["network.local.address"], server["socket.generation"]) == ("2001:db8::1", 2**32 - 1)
    assert (server["nat"], server["entity"], server["rx_bytes"]) == ([], {}, 77)
    assert (late["socket.slot"], late["window.late_s"], late["error.errno"]) == (NO_SLOT, 2, 111)
    assert late["cgroup.path"] == ""


def test_columns_that_older_agents_do_not_have_get_their_default() -> None:
    """All of their connections were TCP."""
    batch = recorded("delta_whole")
    assert batch.columns["network.transport"].tolist() == [Transport.TCP] * 4


def test_its_flows_are_those_that_the_older_program_joined() -> None:
    """The same connection ids, ends and figures, row by row."""
    joiner = Joiner("engine", "e1", Ledger())
    joiner.add(recorded("delta_whole"))
    (flows,) = (batch for batch in joiner.close(WINDOW) if len(batch))
    before = {flow.row["connection.id"]: flow.row for flow in public("flow")}
    now = {row["connection.id"]: row for row in flows.rows()}
    assert now.keys() == before.keys()
    for name, row in before.items():
        assert {key: now[name].get(key) for key in row} == row


def test_a_public_flow_says_what_it_said() -> None:
    """Whoever observes an older engine reads its rows."""
    flow = public("flow")[1]
    assert (flow.node, flow.boot, flow.seq, flow.window) == ("engine", "e1", 0, WINDOW)
    assert (flow.row["client.address"], flow.row["service.port.name"]) == ("10.0.0.5", "https")
    assert (flow.row["evidence"], flow.row["client.rx_bytes"]) == ("nat", 2**40)


def test_a_public_workload_says_what_it_said() -> None:
    """With its histograms."""
    (workload,) = public("workload")
    assert (workload.row["client.workload.name"], workload.row["server.port"]) == ("web-0", 6443)
    assert workload.row["rtt_ns"] == {
        "count": 1,
        "sum": 85_000,
        "scale": 3,
        "buckets": [131],
        "counts": [1],
    }


def public(kind: str) -> list[Any]:
    return decode_rows((FOLDER / f"{kind}.msgpack").read_bytes(), kind)


def test_what_this_program_does_not_know_is_left_aside() -> None:
    """A newer agent's column and table cost nothing but their names."""
    message = msgpack.unpackb((FOLDER / "delta_whole.msgpack").read_bytes())
    columns = message["columns"] | {"weather": np.ones(4, "<u4").tobytes()}
    batch = decode(msgpack.packb(message | {"columns": columns, "clouds": ["cirrus"], "mood": 3}))
    assert batch.unknown == ("weather",)
    assert [*plain_rows(batch)] == rows("delta_whole")
