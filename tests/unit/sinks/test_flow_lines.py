"""JSON lines of flows: what a row looks like, and that it says what the batch says."""

import errno
import json
from collections.abc import Sized
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.addresses import address_bytes
from model.batch import Batch
from model.handshake import TlsVisibility
from model.kinds.delta import (
    NO_SLOT,
    Cast,
    CloseReason,
    Evidence,
    Folded,
    NameEvidence,
    NatEvidence,
    NetworkProtocol,
    State,
)
from model.kinds.delta.tables import HANDSHAKE_FIELDS
from model.kinds.flow import FLOW, SIDES, FlowEvidence
from model.rows.port_names import port_name
from model.rows.words import words_of
from model.transport import NetworkType, Transport
from tailrace.testing.batches import make_ledger
from tailrace.testing.deltas import CGROUPS, WINDOW
from tailrace.testing.flows import (
    CHAINS,
    DROPPED,
    ENTITIES,
    HANDSHAKES,
    NODES,
    PATHS,
    SERVER_NAMES,
    flows_of,
    make_flows,
)
from tests.plain_rows import plain_rows

HEAD = {"kind": "flow", "node": "node-a", "boot": "boot-1", "seq": 0, "window": WINDOW}


def lines_of(batch: Batch) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(text for _, text in batch.json_lines()).splitlines()]


def line_of(row: dict[str, object]) -> dict[str, Any]:
    (line,) = lines_of(flows_of(row))
    return line


CALL: dict[str, object] = {
    "connection.id": 0xAB,
    "network.transport": 6,
    "network.type": 4,
    "client.address": address_bytes("10.0.0.5"),
    "client.port": 51234,
    "service.address": address_bytes("10.96.0.10"),
    "service.port": 443,
    "server.address": address_bytes("10.244.1.7"),
    "server.port": 6443,
    "evidence": FlowEvidence.NAT,
}
ADDRESSES = {
    "connection.id": "00000000000000ab",
    "network.transport": "tcp",
    "network.type": "ipv4",
    "client.address": "10.0.0.5",
    "client.port": 51234,
    "service.address": "10.96.0.10",
    "service.port": 443,
    "service.port.name": "https",
    "server.address": "10.244.1.7",
    "server.port": 6443,
    "evidence": "nat",
}


def test_a_row_of_which_nothing_is_known_has_the_addresses_alone() -> None:
    """No key of an end, no zeros, no table's index."""
    assert line_of(CALL) == HEAD | ADDRESSES


def test_row_is_one_object_with_the_names_of_the_schema() -> None:
    """Words for codes, text for addresses, the tables' entries, and nothing of the end that is not known."""
    row = CALL | {
        "nat.index": 1,
        "connection.closed": 1,
        "bytes_unaccounted": -5,
        "client.reported": 1,
        "client.node.index": 2,
        "client.netns.id": 17,
        "client.process.pid": 7,
        "client.process.comm": b"caf\xc3\xa9\xff",
        "client.cgroup.index": 2,
        "client.entity.index": 1,
        "client.owner.evidence": Evidence.OPENED,
        "client.connection.state": State.CLOSE,
        "client.connection.closed": 1,
        "client.connection.close_reason": CloseReason.ERROR,
        "client.error.errno": errno.EHOSTUNREACH,
        "client.tx_bytes": 2**64 - 1,
    }
    source = {"source.address": "10.0.0.5", "source.port": 51234}
    assert line_of(row) == HEAD | ADDRESSES | {
        "nat": [
            source | {"destination.address": "10.96.0.10", "destination.port": 443},
            source | {"destination.address": "10.244.1.7", "destination.port": 6443},
        ],
        "connection.closed": True,
        "bytes_unaccounted": -5,
        "client.reported": True,
        "client.node": "db.7",
        "client.boot": "boot-2",
        "client.seq": 0,
        "client.socket.slot": 0,
        "client.socket.generation": 0,
        "client.netns.id": 17,
        "client.process.pid": 7,
        "client.process.comm": "café\ufffd",
        "client.user.id": 0,
        "client.cgroup.path": CGROUPS[1],
        "client.entity": {"host.name": "node-a", "container.name": "web"},
        "client.owner.evidence": "opened",
        "client.connection.state": "close",
        "client.connection.closed": True,
        "client.connection.close_reason": "error",
        "client.error.errno": errno.EHOSTUNREACH,
        "client.error.type": "EHOSTUNREACH",
        "client.tx_bytes": 2**64 - 1,
    }


def test_an_end_that_does_not_report_now_is_still_named() -> None:
    """Its socket and owner stay, its message number goes."""
    row = CALL | {"server.node.index": 1, "server.netns.id": 17, "server.process.comm": b"nginx"}
    line = line_of(row)
    assert (line["server.node"], line["server.socket.slot"], line["server.process.comm"]) == (
        "node-a",
        0,
        "nginx",
    )
    assert not {"server.reported", "server.seq", "server.user.id"} & line.keys()


def test_an_end_without_a_slot_has_none() -> None:
    """The number that stands for no slot is not written."""
    line = line_of(CALL | {"client.reported": 1, "client.socket.slot": NO_SLOT})
    assert "client.socket.slot" not in line
    assert line["client.socket.generation"] == 0


@pytest.mark.parametrize("name", [name for name, kind in FLOW.types.items() if kind[0] in "<"])
def test_every_column_of_numbers_is_in_the_line(name: str) -> None:
    """A value of 1 (of codes, its word) stands under the column's name, or under that of the table it points into."""
    line = line_of(CALL | {"client.reported": 1, "server.reported": 1, name: 1})
    bare = name.removesuffix(".index")
    fields = {"tls.index": HANDSHAKE_FIELDS, "drop.index": ("drop.message",)}.get(name, ())
    assert {name, bare, f"{bare}.path", *fields} & line.keys()


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Batches with any value in any column; indices stay within the tables."""
    rows = draw(st.integers(0, 4))
    batch = make_flows(rows, seed=draw(st.integers(0, 99)))
    for name, kind in FLOW.types.items():
        limit = _limits(name)
        if limit or draw(st.booleans()):
            size = np.dtype(kind).itemsize * rows
            column = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), kind)
            batch.columns[name] = column % limit if limit else column
    return batch


def _limits(name: str) -> int:
    tables: dict[str, Sized] = {
        "nat.index": CHAINS,
        "node.index": NODES,
        "cgroup.index": PATHS,
        "entity.index": ENTITIES,
        "tls.index": HANDSHAKES,
        "server.name.index": SERVER_NAMES,
        "drop.index": DROPPED,
    }
    return next((len(table) for end, table in tables.items() if name.endswith(end)), 0)


@settings(max_examples=150)
@given(batch=batches())
def test_lines_say_what_the_rows_of_the_batch_say(batch: Batch) -> None:
    """Line by line, every key that is written has the row's value, and what is left out is nothing."""
    lines, rows = lines_of(batch), list(plain_rows(batch))
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert {key: line.pop(key) for key in HEAD} == HEAD
        expected = {name: _word(name, value) for name, value in row.items()}
        assert line.pop("service.port.name", "") == port_name(row["service.port"])
        for side in SIDES:
            line.pop(f"{side}.error.type", None)
            known = row[f"{side}.reported"] or row[f"{side}.netns.id"]
            if not known or row[f"{side}.socket.slot"] == NO_SLOT:
                expected[f"{side}.socket.slot"] = 0
            if not known:
                expected[f"{side}.socket.generation"] = 0
            if not row[f"{side}.reported"]:
                expected[f"{side}.seq"] = 0
        assert line == {name: expected[name] for name in line}
        assert not [name for name in expected.keys() - line.keys() if expected[name]]


_WORDS = {
    "network.type": words_of(NetworkType),
    "network.transport": words_of(Transport),
    "connection.state": words_of(State),
    "connection.close_reason": words_of(CloseReason),
    "owner.evidence": words_of(Evidence),
    "nat.evidence": words_of(NatEvidence),
    "name.evidence": words_of(NameEvidence),
    "network.cast": words_of(Cast),
    "network.folded": words_of(Folded),
    "network.protocol.name": words_of(NetworkProtocol),
    "tls.visibility": words_of(TlsVisibility),
    "server.name.evidence": words_of(NameEvidence),
    "evidence": words_of(FlowEvidence),
}
_FLAGS = ("zero_window", "ambiguous", "opened", "closed", "failed", "adopted", "reported")


def _word(name: str, value: Any) -> Any:
    """What a line says for a value of ``plain_rows``."""
    if name == "connection.id" or (name == "connection.previous_id" and value):
        return f"{value:016x}"
    if name.endswith("mptcp.token") and value:
        return f"{value:08x}"
    if name.rpartition(".")[2] in _FLAGS and name not in ("requests.failed", "queries.failed"):
        return bool(value)
    bare = name.removeprefix("client.").removeprefix("server.")
    return _WORDS[bare].get(value, value) if bare in _WORDS and value else value


def test_the_ledger_is_one_line() -> None:
    """Who counts, which window, the stages; it counts for no row."""
    stages: dict[str, Any] = {"join": {"dropped": {}}}
    ((rows, line),) = make_ledger(stages).json_lines()
    assert rows == 0
    assert json.loads(line) == {
        "kind": "ledger",
        "node": "node-a",
        "boot": "boot-1",
        "window": WINDOW,
        "stages": stages,
    }
