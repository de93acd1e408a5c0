"""Packets that kernels dropped, on edges: how many, why, and which part of the traffic they hit."""

import numpy as np
import pytest

from store.measures import DROP_PARTS
from store.reading import Drops, Window
from tests.unit.store.queries.fleets import data
from tests.unit.store.queries.rows_store import RowsStore
from tests.unit.store.segments.made import BEGIN, second

MINUTE = 60
AT = str(BEGIN + 2 * MINUTE)
RULE = ("netfilter", "NETFILTER_DROP", "FORWARD", "nft_do_chain", "node-7")
BUFFER = ("receive_buffer", "SOCKET_RCVBUFF", "", "__udp_enqueue_schedule_skb", "node-2")


def _rows(at: int) -> list[dict[str, int]]:
    """Two edges; in the second minute a rule drops ten packets a second of one of them."""
    sums = {"network.transport": 6, "sent_segments": 100, "evidence.both": 1, "connections.active": 1}
    lossy = {"client": 1, "server": 2, "port": 5432, **sums, "dropped_segments": 10 if at >= MINUTE else 0}
    return [lossy, {"client": 1, "server": 3, "port": 80, **sums, "dropped_segments": int(at == MINUTE)}]


@pytest.fixture(scope="module")
def store() -> RowsStore:
    made = RowsStore([second(BEGIN + at, _rows(at), at) for at in range(2 * MINUTE)])
    lossy, other = made.edge_ids.values()
    rows = [(lossy, RULE, 590), (lossy, BUFFER, 10), (other, BUFFER, 1)]
    parts = {name: np.array([each[1][at] for each in rows], object) for at, name in enumerate(DROP_PARTS)}
    edges, packets = (np.array([each[at] for each in rows], np.int64) for at in (0, 2))
    made.dropped = Drops(Window(0, 0), edges, parts, packets)
    return made


def test_an_edge_says_what_was_dropped_and_why(store: RowsStore) -> None:
    """Its reasons name the first cause; one packet is not worth a word."""
    (lossy, well) = data(store, "edges", at=AT, window="60s", sort="dropped")["rows"]
    assert lossy["edge"]["dropped"] == 600
    causes = [tuple(each[name] for name in (*DROP_PARTS, "packets")) for each in lossy["edge"]["drops"]]
    assert causes == [(*RULE, 590), (*BUFFER, 10)]
    assert (lossy["edge"]["status"], well["edge"]["status"]) == ("degraded", "ok")
    assert lossy["edge"]["reasons"] == ["600 packets dropped by netfilter on node-7, chain FORWARD"]
    assert (well["edge"]["dropped"], well["edge"]["reasons"]) == (1, [])


def test_where_packets_are_dropped_is_a_cause_with_its_kind(store: RowsStore) -> None:
    """Of two kinds it is the rule, on one edge; why and where stand in the table."""
    found = data(store, "where", at=AT, window="60s", of="drops")
    assert (found["failed"], found["attempts"]) == (601, 12_601)
    (cause, *_) = found["causes"]
    names = [cause["where"], *cause["also_known_as"]]
    assert {"drop.reason": "netfilter", "server.port": "5432"} in names or {
        "drop.reason": "netfilter"
    } in names
    assert cause["bad"] == 590
    by = {
        each["attribute"]: {value["value"]: value["failed"] for value in each["values"]}
        for each in found["by"]
    }
    assert by["drop.reason"] == {"netfilter": 590, "receive_buffer": 11}
    assert by["drop.chain"] == {"FORWARD": 590, "-": 11}
    assert by["drop.node"] == {"node-7": 590, "node-2": 11}


def test_the_verdict_says_who_dropped(store: RowsStore) -> None:
    """It is the network's fault, against the minute before without a drop."""
    found = data(store, "quality", at=AT, window="60s", against="-60s", edge="1>2:5432")
    assert found["verdict"] == "network"
    assert found["sentence"] == "Network: 590 packets dropped by netfilter on node-7, chain FORWARD."


def test_steps_have_what_was_dropped(store: RowsStore) -> None:
    """As other metrics."""
    found = data(store, "series", at=AT, window="2m", metrics="dropped", step="60")
    assert found["columns"]["dropped"] == [0, 601]
