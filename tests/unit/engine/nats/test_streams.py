"""Streams as they are declared, beside the page that tells users of them."""

from pathlib import Path

import pytest

from engine.nats import streams
from engine.nats.address import parse_url
from engine.nats.settings import LogSettings
from engine.nats.streams import Stream
from model.kinds.flow import FLOW
from model.kinds.workload import WORKLOAD
from model.subjects import LogNames, TopicPartition

ROWS = [
    line
    for line in (Path(__file__).parents[4] / "docs/subjects.md").read_text().splitlines()
    if line[:1] == "|"
]
NAMES, SETTINGS = LogNames("tailrace"), LogSettings()
assert FLOW.public is not None
assert WORKLOAD.public is not None

#: The name that the page has for each stream.
STREAMS = {
    "tailrace_flows": streams.public_rows(FLOW.public, 600, 256 << 20),
    "tailrace_workloads": streams.public_rows(WORKLOAD.public, 600, 256 << 20),
    "tailrace_deltas_P": streams.partition(NAMES, TopicPartition("deltas", 0), SETTINGS),
    "tailrace_nat": streams.NAT,
    "tailrace_nodes": streams.NODES,
    "tailrace_dead": streams.DEAD,
    "KV_tailrace_meta": streams.meta(NAMES, SETTINGS),
    "KV_tailrace_offsets": streams.offsets(NAMES, SETTINGS),
    "KV_tailrace_leases_tailrace-engine": streams.group_leases(NAMES, "tailrace-engine", SETTINGS),
    "KV_tailrace_agents": streams.agent_leases(NAMES, SETTINGS),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_page_has_each_stream_with_its_limits(name: str) -> None:
    """Its name, the beginning of its subjects, how much and how long, and whether it is in memory."""
    stream = STREAMS[name]
    (row,) = (row for row in ROWS if f"| `{name}` |" in row)
    assert stream.name == name.replace("_P", "_0")
    if not stream.bucket:
        assert f"| `{stream.subjects[-1].removesuffix('>').replace('.0.', '.P.')}" in row
    assert all(words in row for words in limits(stream)), row
    assert ("in memory" in row) == (stream.storage == "memory")


def limits(stream: Stream) -> list[str]:
    """The limits in the words of the page."""
    words = [f"{stream.max_bytes >> 20} MiB"] if stream.max_bytes else []
    age = stream.max_age_seconds
    if stream.bucket and age == SETTINGS.lease_seconds and stream.storage == "file":
        words.append("`lease_seconds`")
    elif age >= 86400:
        words.append(f"{age / 86400:.0f} days" if age > 86400 else "a day")
    elif age:
        words.append(f"{age:.0f} s")
    return words


def test_there_are_8_partitions_unless_the_url_says_otherwise() -> None:
    """One default, for agents and engines."""
    assert (SETTINGS.partitions, parse_url("nats://a?partitions=3")[0].partitions) == (8, 3)


def test_a_message_id_is_known_no_longer_than_its_message() -> None:
    """JetStream refuses a stream whose window for duplicates is longer than its messages last."""
    short = streams.partition(NAMES, TopicPartition("deltas", 0), LogSettings(max_age_seconds=30))
    assert [stream.configuration()["duplicate_window"] for stream in (short, streams.DEAD)] == [
        30 * 10**9,
        120 * 10**9,
    ]
