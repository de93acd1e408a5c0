"""What a server adds: several writers at once, ends of any kind, longer steps by its own clock."""

import time
from dataclasses import replace

import pytest

from model.errors import SinkError, TailraceError
from sinks.clickhouse.connection import Connection, Server
from store.clickhouse.link import Link
from store.clickhouse.reader import ClickHouseStore
from store.clickhouse.sealing import Part
from store.clickhouse.writer import ORPHAN_S
from store.reading import Window
from tests.clickhouse_server import ClickHouseServer
from tests.contract.store.conftest import MadeSite
from tests.contract.store.sites import EmbeddedSite, ServerSite, WaitingWriter
from tests.unit.store.segments.checked import check, edges_of
from tests.unit.store.segments.made import BEGIN, Truth, second, sums_of

ROW = {"client": 1, "server": 2, "port": 443, "bytes": 100, "rtt": 5000}


@pytest.fixture
def site(made_site: MadeSite) -> ServerSite | EmbeddedSite:
    """A database of Debian's ClickHouse, or of a current one."""
    site = made_site()
    assert isinstance(site, ServerSite | EmbeddedSite)
    return site


@pytest.mark.parametrize("made_site", ["server", "chdb"], indirect=True)
def test_a_part_of_a_writer_that_died_is_sealed_by_another(site: ServerSite | EmbeddedSite) -> None:
    """An hour later; until then its seconds are read, and nothing is missing at any time."""
    truth, store, keep = Truth(), site.store(), {1: 86_400, 10: 86_400, 60: 86_400}
    dead = site.writer(keep, ago_s=ORPHAN_S + 100)
    assert isinstance(dead, WaitingWriter)
    for seq in range(3):
        batch = second(BEGIN + 10 * seq, [ROW], seq)
        dead.take(batch)
        dead.sync()
        truth.add(batch)
    check(store, truth, Window(BEGIN, BEGIN + 120))
    other = site.writer(keep)
    assert isinstance(other, WaitingWriter)
    assert other.writer.sealed == 1
    check(store, truth, Window(BEGIN, BEGIN + 120))
    for writer in (other, dead):  # that was only slow: it goes on
        batch = replace(second(BEGIN + 40, [ROW], 7), boot=str(id(writer)))
        writer.take(batch)
        writer.sync()
        truth.add(batch)
        writer.rotate()
        check(store, truth, Window(BEGIN, BEGIN + 120))
        check(store, truth, Window(BEGIN + 7, BEGIN + 41))
        writer.close()
    store.close()


@pytest.mark.parametrize("made_site", ["server", "chdb"], indirect=True)
def test_what_is_inserted_or_sealed_again_is_there_once(site: ServerSite | EmbeddedSite) -> None:
    """All inserts of a frame, and all statements that make longer steps."""
    truth, store, writer = Truth(), site.store(), site.writer()
    assert isinstance(writer, WaitingWriter)
    inner, line = writer.writer, writer.writer._line
    twice = line.insert

    async def again(statement: str, body: bytes, token: str = "") -> None:
        await twice(statement, body)
        await twice(statement, body)

    inner._line.insert = again  # type: ignore[method-assign]  # as after an answer that was lost
    for seq in range(2):
        batch = second(BEGIN + 30 * seq, [ROW], seq)
        writer.take(batch)
        writer.sync()
        truth.add(batch)
    place = inner._place
    check(store, truth, Window(BEGIN, BEGIN + 120))
    writer.rotate()
    for statement in Part(site.database, place.writer, place.part, place.written_s).statements():
        writer._runner.run(line.run(statement))
    check(store, truth, Window(BEGIN, BEGIN + 120))
    writer.close()
    store.close()


@pytest.mark.parametrize("made_site", ["server", "chdb"], indirect=True)
def test_older_seconds_are_kept_in_longer_steps(site: ServerSite | EmbeddedSite) -> None:
    """By the server's clock since a part was begun: a window is widened to them, says so, and has their sums."""
    truth, store = Truth(), site.store()
    keep = {1: 3600, 10: 7200, 60: 86_400}
    for place, ago_s in enumerate((10_000, 5000, 0)):
        writer = site.writer(keep, ago_s)
        for seq in range(8):
            made = {**ROW, "client": 1 + seq % 2, "rtt": 1000 * seq}
            batch = second(BEGIN + 600 * place + 15 * seq, [made], seq, f"boot-{place}")
            writer.take(batch)
            writer.sync()
            truth.add(batch)
        writer.close()
    widths = set()
    for from_s, to_s in ((0, 1800), (7, 73), (607, 693), (1207, 1273), (7, 1273), (611, 612)):
        answer = store.edges(Window(BEGIN + from_s, BEGIN + to_s))
        window = answer.window
        assert window.from_s <= BEGIN + from_s < BEGIN + to_s <= window.to_s
        widths.add(window.seconds - (to_s - from_s))
        names = edges_of(store, answer)
        found = {edge: sums_of(answer.measures, row) for row, edge in enumerate(names)}
        assert found == truth.of(*window)
        for row, edge in enumerate(names):
            at = int(answer.measures["rtt_ns.index"][row])
            histogram = answer.measures.histograms[at].counts
            assert histogram == truth.histogram(*window, edge, "rtt_ns")
    assert {0, 9, 54} <= widths
    steps = [store.series(Window(BEGIN + at, BEGIN + at + 100), 1).step_s for at in (0, 600, 1200)]
    assert steps == [60, 10, 1]
    bounds = store.bounds()
    assert bounds.steps == {60: BEGIN, 10: BEGIN + 600, 1: BEGIN + 1200}
    assert bounds.oldest_s == BEGIN
    store.close()


@pytest.mark.parametrize("made_site", ["server"], indirect=True)
def test_tables_of_a_newer_version_are_refused(
    site: ServerSite | EmbeddedSite, server: ClickHouseServer
) -> None:
    """By who writes and by who reads, with what to do."""
    site.writer().close()
    server.ask(f"INSERT INTO {site.database}.format VALUES (2)")
    for opened in (site.writer, site.store):
        with pytest.raises(TailraceError, match="is of version 2, and this program knows 1: update Tailrace"):
            opened()


def test_a_server_that_is_away_or_refuses_is_one_line(server: ClickHouseServer) -> None:
    """What is wrong, and what to do; the password is not in it."""
    away = Server("http://127.0.0.1:9", password="hunter2")
    with pytest.raises(
        TailraceError, match=r"cannot reach ClickHouse at 127\.0\.0\.1:9 .*: start the server"
    ):
        ClickHouseStore(Link(Connection(away, 5)), "store")
    wrong = Server(server.url, password="hunter2")
    with pytest.raises(TailraceError, match=r"check store\.url, store\.user and store\.password") as caught:
        ClickHouseStore(Link(Connection(wrong, 5)), "store")
    assert "hunter2" not in str(caught.value)


def test_a_server_that_is_killed_loses_nothing_and_doubles_nothing(server: ClickHouseServer) -> None:
    """What was safe is there; what was not is inserted when it is back; questions fail meanwhile, and then do not."""
    site, truth = ServerSite(server), Truth()
    writer, store, window = site.writer(), site.store(), Window(BEGIN, BEGIN + 600)
    for seq in range(12):
        batch = second(BEGIN + seq, [{**ROW, "port": port} for port in range(1, 50)], seq)
        writer.take(batch)
        truth.add(batch)
        if seq % 4 == 2:
            server.process.kill()
            with pytest.raises(SinkError) as caught:
                writer.sync()
            assert caught.value.retryable
            with pytest.raises(TailraceError, match="start the server"):
                store.edges(window)
            server.process.start()
        writer.sync()
        check(store, truth, window)
        if seq == 5:
            writer.rotate()
    writer.rotate()
    check(store, truth, window)
    writer.close()
    store.close()


def test_seals_that_fail_are_made_later(server: ClickHouseServer) -> None:
    """Rows are delivered all the same, and read by the second meanwhile."""
    site, truth = ServerSite(server), Truth()
    writer, store, window = site.writer(), site.store(), Window(BEGIN, BEGIN + 600)
    assert isinstance(writer, WaitingWriter)
    server.ask(f"RENAME TABLE {site.database}.rows_60s TO {site.database}.hidden")
    for seq in range(3):
        batch = second(BEGIN + seq, [ROW], seq)
        writer.take(batch)
        writer.sync()
        truth.add(batch)
        writer.rotate()
    assert (writer.writer.sealed, writer.writer.failures > 2) == (0, True)
    server.ask(f"RENAME TABLE {site.database}.hidden TO {site.database}.rows_60s")
    check(store, truth, window)
    batch = second(BEGIN + 3, [ROW], 3)
    writer.take(batch)
    writer.sync()
    truth.add(batch)
    assert writer.writer.sealed == 3
    check(store, truth, window)
    writer.close()
    store.close()


def test_a_part_is_full_after_a_minute(server: ClickHouseServer) -> None:
    """By the writer's clock; also when that steps back."""
    site = ServerSite(server)
    writer = site.writer()
    assert isinstance(writer, WaitingWriter)
    now = [time.time()]
    writer.writer._clock = lambda: now[0]
    for seq, step_s in enumerate((0, 59, 2, 1, -500, 1)):
        now[0] += step_s
        writer.take(second(BEGIN + seq, [ROW], seq))
        writer.sync()
    assert writer.writer.sealed == 2
    writer.close()
    assert writer.writer.sealed == 3
    held = server.ask(f"SELECT count(), sum(sealed) FROM {site.database}.parts FINAL")
    assert held == "3\t3"
