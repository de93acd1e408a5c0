"""The sink clickhouse with Debian's server, and its tables and blocks in a current ClickHouse."""

import asyncio
import re
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chdb
import numpy as np
import pytest

from model.batch import Batch
from model.errors import SinkError
from model.kind import Kind
from model.kinds import kinds
from model.kinds.flow import FLOW
from model.kinds.workload import WORKLOAD
from model.ledger import Ledger, Stage
from sinks.clickhouse.native import block, native_columns
from sinks.clickhouse.sink import ClickHouseConfig, ClickHouseSink
from sinks.clickhouse.tables import changes, creation
from sinks.fan_out import FanOut
from sinks.joined import joined
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits
from tailrace.testing import make_batch, make_flows, make_workloads
from tailrace.testing.packets import make_drops, make_listeners, make_queries
from tests.clickhouse_server import ClickHouseServer
from tests.configured import make_fan_out
from tests.eventually import eventually
from tests.full_disk import small_disk
from tests.http_server import HttpServer, Post, Reply

PAGE = Path(__file__).parents[3] / "docs/nats.md"
#: As in the configuration, with pauses that a test can wait for.
QUICK = Limits(QueueLimits(rows=20_000), RetryLimits(0, 0.02, 0.1), BatchLimits(5000, 0.05))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """One that runs."""
    server = ClickHouseServer(tmp_path / "server")
    server.process.start()
    yield server
    server.process.kill()


def sink_of(server: ClickHouseServer, **settings: Any) -> ClickHouseSink:
    """A sink of this server."""
    return ClickHouseSink(ClickHouseConfig(server.url, password=server.password, **settings))


async def inserted(sink: ClickHouseSink, *batches: Batch) -> None:
    """All of them, flushed once."""
    await sink.open([batches[0].kind])
    for batch in batches:
        await sink.write(batch)
    await sink.flush()
    await sink.close()


def fan_out_to(sink: ClickHouseSink, limits: Limits = QUICK) -> tuple[FanOut, Stage]:
    """What stands before a sink of flows, and its ledger stage."""
    ledger = Ledger()
    return make_fan_out({"clickhouse": sink}, ledger, limits, stage="flows"), ledger.stage(
        "sink.clickhouse", "rows"
    )


async def test_rows_are_what_their_lines_say(server: ClickHouseServer) -> None:
    """Sums, words, addresses, attributes and histograms can be asked for."""
    batch = make_flows(1000)
    await inserted(sink_of(server), *batch.chunked(300))
    sent = int(batch.columns["client.tx_bytes"].sum())
    assert server.ask("SELECT count(), sum(`client.tx_bytes`) FROM tailrace_flows") == f"1000\t{sent}"
    rows = list(batch.rows())
    both = sum(row["evidence"] == "both" for row in rows)
    assert server.ask("SELECT count() FROM tailrace_flows WHERE evidence = 'both'") == str(both)
    curl = sum(row.get("client.process.comm") == "curl" for row in rows)
    assert server.ask("SELECT count() FROM tailrace_flows WHERE `client.process.comm` = 'curl'") == str(curl)
    where = "IPv6NumToString(`client.address`) = '::ffff:10.0.0.5'"
    found = sum(row["client.address"] == "10.0.0.5" for row in rows)
    assert server.ask(f"SELECT count() FROM tailrace_flows WHERE {where}") == str(found)
    assert (
        server.ask(
            "SELECT groupUniqArray(seq) = [0,1,2,3] OR length(groupUniqArray(seq)) = 4 FROM tailrace_flows"
        )
        == "1"
    )


async def test_histograms_are_nested_arrays(server: ClickHouseServer) -> None:
    """That can be merged by adding the counts of the same buckets."""
    batch = make_workloads(500)
    await inserted(sink_of(server, database="traffic", table="t_"), batch)
    table = batch.tables["histograms"]
    query = "SELECT uniqExact(bucket) FROM traffic.t_workloads ARRAY JOIN `rtt_ns.buckets` AS bucket"
    count = server.ask("SELECT sum(arraySum(`rtt_ns.counts`)) FROM traffic.t_workloads")
    assert count == str(int(table.counts.sum()))
    assert server.ask(query) == str(len(set(table.buckets.tolist())))


async def test_queries_drops_and_listeners_are_what_their_lines_say(server: ClickHouseServer) -> None:
    """Names, codes, transports, reasons and queues, by which sums can be asked for."""
    for make, column, names in (
        (make_queries, "queries", ("dns.question.name", "dns.response.code", "network.transport")),
        (make_drops, "drops", ("drop.reason", "netfilter.hook", "network.transport")),
        (make_listeners, "listener.queue", ("process.comm", "network.local.port")),
    ):
        batch = make(300)
        await inserted(sink_of(server), *batch.chunked(100))
        fields = ", ".join(f"toString(`{name}`)" for name in names)
        table = f"tailrace_{batch.kind.plural}"
        said = server.ask(f"SELECT {fields}, sum(`{column}`) FROM {table} GROUP BY {fields} FORMAT TSV")
        told: Counter[str] = Counter()
        for row in batch.rows():
            told["\t".join(str(row.get(name, "")) for name in names)] += row.get(column, 0)
        assert dict(line.rpartition("\t")[::2] for line in said.split("\n")) == {
            key: str(count) for key, count in told.items()
        }


async def test_flows_of_udp_say_so(server: ClickHouseServer) -> None:
    """Their transport is a word, and datagrams (segments of TCP) can be summed up."""
    columns = {"network.transport": [6, 17, 17], "client.tx_segments": [0, 3, 4]}
    await inserted(sink_of(server), make_flows(3, columns=columns))
    fields = "`network.transport`, count(), sum(`client.tx_segments`)"
    by_transport = "GROUP BY `network.transport` ORDER BY `network.transport`"
    assert server.ask(f"SELECT {fields} FROM tailrace_flows {by_transport}") == "tcp\t1\t0\nudp\t2\t7"


async def test_a_table_gets_the_columns_that_it_lacks(server: ClickHouseServer) -> None:
    """Rows that were there keep what they say; the new columns are 0 in them."""
    await inserted(sink_of(server), make_flows(10))
    server.ask("ALTER TABLE tailrace_flows DROP COLUMN `client.tx_bytes`")
    await inserted(sink_of(server), make_flows(10, seq=1))
    query = "SELECT seq, sum(`client.tx_bytes`) > 0 FROM tailrace_flows GROUP BY seq ORDER BY seq"
    assert server.ask(query) == "0\t0\n1\t1"


async def test_a_column_of_another_type_is_refused(server: ClickHouseServer) -> None:
    """Before anything starts, with what to do."""
    server.ask("CREATE TABLE tailrace_flows (window DateTime, node UInt8) ENGINE = Log")
    said = "column node of default.tailrace_flows is UInt8, not String: rename the table"
    with pytest.raises(SinkError, match=re.escape(said)):
        await inserted(sink_of(server), make_flows(1))


async def test_a_server_that_goes_away_costs_nothing_within_the_bound(server: ClickHouseServer) -> None:
    """Rows wait in the queue; what it has no room for is in the ledger, and what comes back is there once."""
    fan_out, stage = fan_out_to(sink_of(server))
    async with fan_out:
        await fan_out.put(make_flows(1000))
        await fan_out.flush()
        server.process.kill()
        for number in range(1, 41):
            fan_out.offer(make_flows(1000, seq=number))
        await eventually(lambda: fan_out.statistics()["clickhouse"].retries > 3)
        assert stage.delivered == 1000
        lost = stage.dropped["queue_full"]
        assert 40_000 - 20_000 - 5000 <= lost <= 40_000 - 20_000
        await asyncio.to_thread(server.process.start)
        await eventually(lambda: stage.queued == 0, 60)
    assert stage.dropped == {"queue_full": lost}
    rows = server.ask("SELECT count(), uniqExact(seq) FROM tailrace_flows")
    assert rows == f"{41_000 - lost}\t{(41_000 - lost) // 1000}"


async def test_a_slow_server_is_waited_for(server: ClickHouseServer) -> None:
    """One that stands still for a moment loses nothing, and makes no row twice."""
    fan_out, stage = fan_out_to(sink_of(server))
    async with fan_out:
        await fan_out.put(make_flows(1000))
        await fan_out.flush()
        server.process.signal(signal.SIGSTOP)
        for number in range(1, 11):
            await fan_out.put(make_flows(1000, seq=number))
        await eventually(lambda: fan_out.statistics()["clickhouse"].busy_seconds > 0.3)
        server.process.signal(signal.SIGCONT)
        await fan_out.drained()
    assert (stage.delivered, stage.dropped) == (11_000, {})
    assert server.ask("SELECT count() FROM tailrace_flows") == "11000"


async def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    """Rows wait until there is room again; what is delivered is there."""
    with small_disk(tmp_path / "small", 32 << 20) as disk:
        server = ClickHouseServer(tmp_path / "server", disk / "data")
        server.process.start()
        filler = disk / "filler"
        try:
            fan_out, stage = fan_out_to(sink_of(server))
            async with fan_out:
                await fan_out.put(make_flows(1000))
                await fan_out.flush()
                await asyncio.to_thread(_fill, filler)
                await fan_out.put(make_flows(4000, seq=1))
                await eventually(lambda: fan_out.statistics()["clickhouse"].failures.get("disk_full", 0) > 2)
                assert stage.delivered == 1000
                filler.unlink()
                await fan_out.drained()
            assert (stage.delivered, stage.dropped) == (5000, {})
            assert server.ask("SELECT count() FROM tailrace_flows") == "5000"
        finally:
            server.process.kill()


def _fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


async def test_what_a_server_refuses_is_lost_and_said(server: ClickHouseServer) -> None:
    """Without another attempt, under its reason; other kinds of rows go on."""
    sink = sink_of(server)
    await sink.open([FLOW, WORKLOAD])
    server.ask("DROP TABLE tailrace_flows")
    await sink.write(make_flows(70))
    await sink.write(make_workloads(5))
    with pytest.raises(SinkError) as caught:
        await sink.flush()
    assert (caught.value.reason, caught.value.lost_rows, caught.value.retryable) == (
        "server_refused",
        70,
        False,
    )
    assert server.ask("SELECT count() FROM tailrace_workloads") == "5"
    await sink.close()


async def test_a_wrong_password_and_no_server_are_one_line(server: ClickHouseServer) -> None:
    """What is wrong, and what to do; the password is not in it."""
    with pytest.raises(SinkError, match="check user, password") as caught:
        await inserted(ClickHouseSink(ClickHouseConfig(server.url, password="hunter2")), make_flows(1))
    assert "hunter2" not in str(caught.value)
    server.process.kill()
    with pytest.raises(
        SinkError, match=r"cannot reach ClickHouse at 127\.0\.0\.1:\d+ .*: start the server"
    ) as caught:
        await inserted(sink_of(server), make_flows(1))
    assert caught.value.retryable


async def test_an_insert_that_is_sent_again_has_the_same_token() -> None:
    """Other rows have another; servers that know no tokens get none."""
    lost = [True]

    def answer(post: Post) -> Reply:
        if b"version()" in post.body:
            return Reply(body=b"26.9.1.1\n")
        if "INSERT" in post.path and lost and lost.pop():
            return Reply(status=0)
        return Reply()

    with HttpServer(answer).running() as web:
        sink = ClickHouseSink(ClickHouseConfig(web.url))
        fan_out, stage = fan_out_to(sink)
        async with fan_out:
            for number in range(2):
                await fan_out.put(make_flows(100, seq=number))
                await fan_out.drained()
        paths = [post.path for post in web.posts if "INSERT" in post.path]
        tokens = [path.partition("insert_deduplication_token=")[2] for path in paths]
    assert (stage.delivered, stage.dropped) == (200, {})
    assert len(paths) == 3
    assert tokens[0] == tokens[1] != tokens[2]
    assert len(tokens[0]) == 64


async def test_attempts_that_are_over_make_no_row_come_later() -> None:
    """What counts as lost is not sent with the rows that follow."""
    away = [True]

    def answer(post: Post) -> Reply:
        if b"version()" in post.body:
            return Reply(body=b"18.16.1")
        return Reply(503) if away[0] and "INSERT" in post.path else Reply()

    with HttpServer(answer).running() as web:
        limits = Limits(retry=RetryLimits(2, 0.01, 0.01))
        fan_out, stage = fan_out_to(ClickHouseSink(ClickHouseConfig(web.url)), limits)
        async with fan_out:
            await fan_out.put(make_flows(100))
            await fan_out.drained()
            away[0] = False
            await fan_out.put(make_flows(10, seq=1))
            await fan_out.drained()
        body = web.posts[-1].body
    assert (stage.delivered, stage.dropped) == (10, {"server_busy": 100})
    assert len(body) < 20_000


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.plural)
def test_a_current_clickhouse_takes_tables_and_blocks(
    kind: Kind, current_clickhouse: "chdb.session.Session", tmp_path: Path
) -> None:
    """The table with tokens and an end for rows, and the bytes of a block."""
    columns = native_columns(kind)
    batch = make_batch(kind, 100, window=4_000_000_000)  # rows that ended are not read
    (tmp_path / "rows.native").write_bytes(b"".join(block(columns, rows) for rows in joined([batch])))
    names = ", ".join(f"`{column.name}`" for column in columns)
    session, table = current_clickhouse, f"sink.{kind.plural}"
    session.query("CREATE DATABASE IF NOT EXISTS sink ENGINE = Atomic")
    session.query(creation(table, columns, (26, 9), 30))
    session.query(f"INSERT INTO {table} ({names}) SELECT {names} FROM file('{tmp_path}/rows.native', Native)")
    found = str(session.query(f"SELECT count(), any(node) FROM {table}", "TabSeparated")).strip()
    assert found == "100\tnode-a"
    told = str(session.query(f"DESCRIBE TABLE {table}", "TabSeparatedRaw"))
    there = dict(line.split("\t")[:2] for line in told.splitlines())
    assert changes(table, columns, there) == []


def test_words_that_a_column_gains_change_its_type() -> None:
    """A new word is no new column."""
    columns = [column for column in native_columns(FLOW) if column.name == "evidence"]
    assert changes("t", columns, {"evidence": "Enum8('' = 0, 'address' = 1)"}) == [
        f"ALTER TABLE t MODIFY COLUMN `evidence` {columns[0].type}"
    ]


def test_a_number_without_a_word_does_not_break_an_insert() -> None:
    """It is of a later version, and has the empty word."""
    kind = replace(FLOW)
    batch = make_flows(5, columns={"evidence": 99})
    (column,) = (column for column in native_columns(kind) if column.name == "evidence")
    assert column.values(batch) == bytes(5)


def documented_query() -> str:
    """The page has one."""
    (query,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(query)


async def test_the_documented_query_counts_each_report_once(server: ClickHouseServer) -> None:
    """Two engines delivered the same reports, each in rows of its own name and second."""
    first = make_flows(1000)
    columns = first.columns | {"client.socket.slot": np.arange(1000, dtype=np.uint32)}
    columns["client.reported"] = np.arange(1000) % 3 != 0
    first = replace(first, columns=columns)
    late = columns["window.late_s"].astype(np.uint16) + np.uint16(4)
    again = replace(
        first, boot="another", seq=7, window=first.window + 4, columns=columns | {"window.late_s": late}
    )
    await inserted(sink_of(server), first, again)
    sent = columns["client.tx_bytes"][columns["client.reported"] != 0].sum()
    assert server.ask(documented_query()) == str(int(sent))
