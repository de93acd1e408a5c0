"""What of ``tailrace observe`` needs no server: filters, tables, URLs, messages."""

import argparse
import json
from typing import Any

import msgpack
import msgspec
import numpy as np
import pytest

from engine.commands.nats_url import add_nats_option, nats_url
from engine.commands.observe.command import EVIDENCE
from engine.commands.observe.filter import KEYS, filter_text, selection
from engine.commands.observe.nodes import nodes_json, nodes_table
from engine.commands.observe.table import JsonRows, TableRows
from engine.config import BusConfig, Config
from engine.nats.address import connection_of
from engine.nats.heartbeats import Heartbeat, StoredHeartbeat, decode_heartbeat
from engine.nats.sink import NatsConfig
from model.errors import UsageError
from model.filter.filter import Filter
from model.kinds.flow import FLOW, NOWHERE, SIDES, FlowEvidence, Node
from model.public import BadRows, PublicRow, decode_rows, row_parts
from tailrace.testing.deltas import WINDOW
from tailrace.testing.flows import make_flows
from tests.unit.model.flow_examples import BOTH, FAILED, SERVER_ONLY, flow


def shown(chosen: dict[str, list[str]], *rows: PublicRow) -> list[PublicRow]:
    """What options, by their names, leave of rows."""
    given = {key: chosen.get(key, []) for key in KEYS}
    options = argparse.Namespace(filter=[], since="", until="", **given)
    return selection(Filter(filter_text(options)), FLOW, "flows")(rows)


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({}, True),
        ({"node": ["node-b", "node-a"]}, True),
        ({"node": ["db.7"]}, True),
        ({"node": ["engine-0"]}, False),
        ({"process": ["ngin*"]}, True),
        ({"process": ["curl"]}, True),
        ({"process": ["24036"]}, True),
        ({"process": ["gin"]}, False),
        ({"process": ["2403"]}, False),
        ({"port": ["40000"]}, True),
        ({"port": ["1", "8099"]}, True),
        ({"port": ["443"]}, True),
        ({"port": ["80"]}, False),
        ({"address": ["10.0.0.0/24"]}, True),
        ({"address": ["10.96.0.0/16"]}, True),
        ({"address": ["2001:db8::/64"]}, True),
        ({"address": ["10.0.0.2"]}, False),
        ({"evidence": ["nat", "both"]}, True),
        ({"evidence": ["nat"]}, False),
        ({"process": ["nginx"], "port": ["8099"], "node": ["node-a"], "evidence": ["both"]}, True),
        ({"process": ["nginx"], "port": ["80"]}, False),
    ],
)
def test_filters_of_a_kind_are_alternatives_and_kinds_add_up(
    chosen: dict[str, list[str]], wanted: bool
) -> None:
    """Any value of a kind matches, either end and what was called count, and every kind given must match."""
    assert bool(shown(chosen, flow())) is wanted


def test_an_end_that_is_not_known_matches_no_process() -> None:
    """What a row leaves out is neither a name nor a pid."""
    bare = {name: value for name, value in BOTH.items() if ".process." not in name}
    assert not shown({"process": ["0", "nginx", "*"]}, flow(bare))


def test_the_command_line_knows_every_grade_of_evidence() -> None:
    """By its name, the surest last."""
    assert tuple(grade.name.lower() for grade in FlowEvidence) == EVIDENCE


def test_the_table_has_one_aligned_line_for_each_flow_in_80_columns() -> None:
    """Titles come once; ports, errors and figures stay whole, names and addresses give way."""
    table = TableRows(80, FLOW.reading)
    text = table.lines([flow(), flow(FAILED), flow(SERVER_ONLY)])
    assert text.splitlines() == [
        "TIME     CLIENT            SERVER                STATE           →    ← EVIDENCE",
        "22:13:20 curl/7          → nginx/24036:8099      established   925 3.5M both",
        "22:13:20 k3s-ag…-node1/7 → 10.0.9.9:443          ECONNREFUSED    0    0 address",
        "22:13:20 2001:db…70:7348 → sshd/811:22           client_fin   7.4k  999 server",
    ]
    assert "TIME" not in table.lines([flow()])


def test_a_wider_table_shows_what_was_called_then_nodes() -> None:
    """The service only where it is not the server's own address; at 120 without, at 126 with the nodes."""
    assert TableRows(120, FLOW.reading).lines([flow(), flow(FAILED)]).splitlines()[1:] == [
        "22:13:20 curl/7             → nginx/24036:8099               10.96.0.10:443        "
        "established   925 3.5M  27us both",
        "22:13:20 k3s-agent-node1/7  → 10.0.9.9:443                                         "
        "ECONNREFUSED    0    0     - address",
    ]
    assert TableRows(126, FLOW.reading).lines([flow()]).splitlines() == [
        "TIME     NODE     CLIENT            NODE     SERVER                SERVICE               "
        "STATE           →    ←   RTT EVIDENCE",
        "22:13:20 node-a   curl/7          → db.7     nginx/24036:8099      10.96.0.10:443        "
        "established   925 3.5M  27us both",
    ]


@pytest.mark.parametrize("width", [80, 100, 120, 140, 180, 200, 300])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Whatever the width, and also with long addresses."""
    flows = [flow(), flow(FAILED), flow(SERVER_ONLY)]
    assert max(map(len, TableRows(width, FLOW.reading).lines(flows).splitlines())) <= width


def test_a_late_row_is_shown_at_its_own_second() -> None:
    """The message came later than what it tells of."""
    assert "22:13:18 curl/7" in TableRows(80, FLOW.reading).lines([flow(BOTH | {"window.late_s": 2})])


def test_the_table_shows_no_control_characters() -> None:
    """A process may call itself anything; its name neither clears the screen nor breaks a line."""
    text = TableRows(200, FLOW.reading).lines(
        [flow(BOTH | {"client.process.comm": "a\x1b[2J\nb", "client.node": "x\ny"})]
    )
    assert text.count("\n") == 2
    assert "\x1b" not in text


def test_json_is_one_object_a_line() -> None:
    """The row's names stand beside those of its message."""
    line = JsonRows().lines([flow()])
    assert line.endswith("}\n")
    head = {"kind": "flow", "node": "engine-0", "boot": "boot-1", "seq": 3, "window": WINDOW}
    assert json.loads(line) == head | BOTH


def test_flow_rows_say_what_json_lines_say() -> None:
    """The same names, words and omissions; what is the same for all rows is said once."""
    batch = make_flows(200)
    lines = [json.loads(line) for _, text in batch.json_lines() for line in text.splitlines()]
    flows = [one for part in row_parts(batch, 1 << 20) for one in decode_rows(part.data, "flow")]
    assert not {"kind", "node", "boot", "seq", "window"} & flows[0].row.keys()
    head = {"kind": "flow", "node": "node-a", "boot": "boot-1", "seq": 0, "window": WINDOW}
    published = {one.row["connection.id"]: head | one.row for one in flows}
    assert len(flows) == 200
    assert [published[line["connection.id"]] for line in lines] == lines


def test_flows_are_published_under_their_clients_node_else_their_servers() -> None:
    """And under a token that no node has if neither is known."""
    batch = make_flows(300)
    unknown = batch.columns["evidence"] == FlowEvidence.NAT
    batch.columns["client.node.index"][unknown] = 0
    found: dict[str, list[dict[str, Any]]] = {}
    for part in row_parts(batch, 1 << 20):
        found.setdefault(part.subject, []).extend(one.row for one in decode_rows(part.data, "flow"))
    for subject, node in (("tailrace.flow.node-a", "node-a"), ("tailrace.flow.db=2E7", "db.7")):
        assert {row.get("client.node", row.get("server.node")) for row in found.pop(subject)} == {node}
    assert {row["evidence"] for row in found.pop("tailrace.flow._")} == {"nat"}
    assert not found


def test_nodes_that_restarted_share_a_subject() -> None:
    """Two boots of a node are the same place."""
    batch = make_flows(50).with_tables(nodes=[NOWHERE, Node("node-a", "1"), Node("node-a", "2")])
    assert {part.subject for part in row_parts(batch, 1 << 20)} == {"tailrace.flow.node-a"}


def test_flows_are_cut_below_the_servers_limit() -> None:
    """Every message with its id fits, no row is lost, and parts are numbered."""
    parts = row_parts(make_flows(500), 4096)
    messages = [msgpack.unpackb(part.data) for part in parts]
    header = len("NATS/1.0\r\nNats-Msg-Id: \r\n\r\n")
    assert max(len(part.data) + len(part.id) + header for part in parts) <= 4096
    assert sum(len(message["rows"]) for message in messages) == 500
    assert [(m["part"], m["parts"]) for m in messages] == [(n, len(parts)) for n in range(len(parts))]
    assert len({part.id for part in parts}) == len(parts) > 50


def test_a_row_larger_than_a_message_is_left_out() -> None:
    """Its neighbours are published; the sink counts it."""
    batch = make_flows(8)
    batch.tables["cgroups"][1] = "/" + "x" * 5000
    large = int(np.any([batch.columns[f"{side}.cgroup.index"] == 1 for side in SIDES], axis=0).sum())
    assert 8 - sum(part.rows for part in row_parts(batch, 4096)) == large > 0


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", msgpack.packb([1]), msgpack.packb({"v": 1, "kind": "flow"}), b"\x81\xa1\xff\x01"]
)
def test_bytes_that_are_no_flows_are_refused(data: bytes) -> None:
    """Whatever somebody else publishes on the subject ends in one error."""
    with pytest.raises(BadRows, match="not a flow message"):
        decode_rows(data, "flow")


def test_flows_of_another_version_are_refused() -> None:
    """The error names both versions."""
    data = row_parts(make_flows(1), 4096)[0].data
    with pytest.raises(BadRows, match="version 2, this program reads flow of 1"):
        decode_rows(msgpack.packb(msgpack.unpackb(data) | {"v": 2}), "flow")


HEARTBEAT = {
    "v": 1,
    "kind": "heartbeat",
    "node": "node-a",
    "boot": "b",
    "version": "0.1.0",
    "window": WINDOW,
    "sent_at_ns": WINDOW * 10**9,
    "uptime_s": 17,
    "open_sockets": 42,
    "clock": {"offset_ns": 5, "steps": 0},
    "capabilities": {"tcp": "sweep", "dns": None},
    "ledger": {
        "kernel": {"unit": "events", "dropped": {"ring_full": 3}},
        "deltas": {"unit": "rows", "dropped": {"bus_away": 40, "none": 0}},
    },
}


def seen(late_ns: int = 1_200_000) -> StoredHeartbeat:
    heartbeat = decode_heartbeat(msgpack.packb(HEARTBEAT))
    assert heartbeat is not None
    return StoredHeartbeat(heartbeat, WINDOW * 10**9 + late_ns)


def test_the_table_of_nodes_says_who_lives_and_what_was_lost() -> None:
    """Age, clock difference with its sign, open sockets, losses in total and by reason."""
    text = nodes_table([seen(), seen(-3_000_000_000)], WINDOW * 10**9 + 2_000_000_000)
    assert text.splitlines() == [
        "NODE    VERSION   AGE   CLOCK  OPEN  LOST  WHERE",
        "node-a  0.1.0    2.0s  +1.2ms    42    43  deltas bus_away 40, kernel ring_full 3",
        "node-a  0.1.0    5.0s   -3.0s    42    43  deltas bus_away 40, kernel ring_full 3",
    ]


def test_nodes_as_json_have_the_heartbeat_and_what_follows_from_it() -> None:
    """Times are in nanoseconds, losses by stage and reason."""
    line = json.loads(nodes_json([seen()], WINDOW * 10**9 + 2_000_000_000))
    assert line == HEARTBEAT | {
        "age_ns": 1_998_800_000,
        "clock_difference_ns": 1_200_000,
        "lost": 43,
        "lost_by_reason": {"deltas.bus_away": 40, "kernel.ring_full": 3},
    }


@pytest.mark.parametrize("data", [b"", msgpack.packb(HEARTBEAT | {"v": 2}), msgpack.packb({"v": 1})])
def test_what_is_no_heartbeat_is_left_out(data: bytes) -> None:
    """Other versions and strange bytes are no node."""
    assert decode_heartbeat(data) is None


def test_a_heartbeat_may_have_more_keys_than_are_known() -> None:
    """Fields are only added."""
    assert isinstance(decode_heartbeat(msgpack.packb(HEARTBEAT | {"new": 1})), Heartbeat)


def url_of(given: str | None, bus: str = "memory://") -> str:
    parser = argparse.ArgumentParser()
    add_nats_option(parser)
    options = parser.parse_args([] if given is None else ["--nats", given])
    return nats_url(Config(bus=BusConfig(bus)), options)


def test_the_url_comes_from_the_command_line_then_the_bus_then_this_machine() -> None:
    """A bus that is not NATS says nothing about where NATS is."""
    assert url_of("nats://a:1", "nats://b:2") == "nats://a:1"
    assert url_of(None, "nats://u:p@b:2") == "nats://u:p@b:2"
    assert url_of(None) == "nats://localhost:4222"


@pytest.mark.parametrize(
    "url", ["nats://u:hunter2@h", "nats://h?token=hunter2", "nats://g;nats://h?password=hunter2"]
)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(url: str) -> None:
    """The process list would show it; the error does not."""
    with pytest.raises(UsageError, match="process list: put it into TAILRACE_BUS_URL") as caught:
        url_of(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://u:hunter2@h", "nats://u:hunter2@h:x", "hunter2", "nats://u:hunter2@h?colour=hunter2"]
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secret(url: str) -> None:
    """Neither the error nor the sink's configuration repeats what may be a password."""
    with pytest.raises(UsageError) as caught:
        connection_of(url)
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert({"url": url}, NatsConfig)
    assert "hunter2" not in f"{caught.value} {refused.value}"


def test_the_sinks_configuration_does_not_show_its_password() -> None:
    """Whoever logs it logs the server alone."""
    assert repr(NatsConfig("nats://u:hunter2@h")) == (
        "NatsConfig(url='nats://u:***@h', max_age=600, max_bytes=268435456)"
    )
