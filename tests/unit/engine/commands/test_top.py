"""``tailrace top``: what it shows is what the rows say, whatever is typed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from engine.commands.top.app import TopApp
from engine.commands.top.board import FAILURES, SORTS, Board, batch_part, rows_parts
from engine.commands.top.pages import KINDS
from model.batch import Batch
from model.filter.filter import Filter
from model.kinds.drop import DROP
from model.kinds.flow import FLOW
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from model.public import PublicRow
from tailrace.testing.deltas import WINDOW
from tailrace.testing.flows import make_flows
from tailrace.testing.packets import make_drops, make_listeners, make_queries
from tests.unit.model.flow_examples import BOTH, FAILED, SERVER_ONLY, flow
from tests.unit.sinks.workload_rows_shown import shown as workloads

EVERY = Filter("")


def board_of(*batches: Batch) -> Board:
    """A board that was given these."""
    board = Board(KINDS)
    for batch in batches:
        board.add(batch_part(batch))
    return board


def moved(row: dict[str, Any]) -> int:
    """Bytes both ways of a flow, once."""
    mirrored = not row.get("client.reported") and row["evidence"] != "both"
    names = ("server.rx_bytes", "server.tx_bytes") if mirrored else ("client.tx_bytes", "client.rx_bytes")
    return sum(row.get(name, 0) for name in names)


def test_the_largest_come_first_and_all_are_counted() -> None:
    """Of 3,000 rows the 200 with most bytes, in order; the sums are of all of them."""
    batch = make_flows(3000)
    found = board_of(batch).select(FLOW, EVERY, "bytes", 200)
    truth = sorted((moved(row) for row in batch.rows()), reverse=True)
    assert [moved(row.row) for row in found.top] == truth[:200]
    assert (found.rows, found.matched, found.tx_bytes + found.rx_bytes) == (3000, 3000, sum(truth))


@pytest.mark.parametrize("sort", SORTS)
def test_columns_and_published_rows_show_the_same(sort: Any) -> None:
    """A second that came as a batch, and the same as readers of NATS have it."""
    batch = make_flows(300)
    here, there = board_of(batch), Board(KINDS)
    rows = batch_part(batch).taken(np.arange(len(batch)))
    for part in rows_parts(FLOW, rows):
        there.add(replace(part, last=True))
    ours, theirs = (board.select(FLOW, Filter("port>0 failed<1"), sort, 50) for board in (here, there))
    assert ours == theirs
    assert ours.top


def test_queries_and_drops_are_ordered_by_how_many_there_were() -> None:
    """Or by how many failed; the sums are of all that match."""
    queries, drops = make_queries(300), make_drops(300)
    board = board_of(queries, drops)
    found = board.select(QUERY, EVERY, "bytes", 20)
    counts = np.sort(queries.columns["queries"])[::-1]
    assert [row.row["queries"] for row in found.top] == counts[:20].tolist()
    assert (found.opened, found.failed) == (counts.sum(), queries.columns["queries.failed"].sum())
    failed = np.sort(queries.columns["queries.failed"])[::-1][:20].tolist()
    top = board.select(QUERY, EVERY, "failed", 20).top
    assert [row.row.get("queries.failed", 0) for row in top] == failed
    netfilter = board.select(DROP, Filter("reason:netfilter"), "rtt", 20)
    assert {row.row["drop.category"] for row in netfilter.top} == {"netfilter"}
    assert netfilter.matched == int((drops.columns["drop.category"] == 1).sum())


def test_listeners_stay_until_they_end() -> None:
    """As their last rows say; those that drop something first, then the fullest."""
    queues = {"listener.queue": [10, 100, 20, 5], "listener.overflows": [0, 0, 0, 1], "listener.limit": 128}
    board = board_of(make_listeners(4, columns=queues))
    ids = [row.row["listener.id"][-1] for row in board.select(LISTENER, EVERY, "bytes", 10).top]
    assert ids == ["4", "2", "3", "1"]
    changed = {
        "listener.id": [3, 4],
        "listener.queue": 127,
        "listener.ended": [0, 1],
        "listener.overflows": 0,
    }
    for later in range(1, 30):
        board.add(batch_part(make_listeners(0, window=WINDOW + later, seq=later)))
    board.add(batch_part(make_listeners(2, window=WINDOW + 30, seq=30, columns=changed)))
    found = board.select(LISTENER, EVERY, "bytes", 10)
    assert [row.row["listener.id"][-1] for row in found.top] == ["3", "2", "1"]
    assert board.select(LISTENER, Filter("queue>100"), "bytes", 10).matched == 1


def test_a_second_is_shown_when_it_is_whole() -> None:
    """Not with its first chunk, but with its last, or when another second begins."""
    first, second = (replace(make_flows(10), window=WINDOW + late, seq=late) for late in (0, 2))
    board = board_of(replace(first, chunk=0, chunks=2))
    assert board.select(FLOW, EVERY, "bytes", 50).rows == 0
    board.add(batch_part(replace(first, chunk=1, chunks=2, seq=1)))
    assert board.select(FLOW, EVERY, "bytes", 50).rows == 20
    board.add(batch_part(replace(second, chunk=0, chunks=2)))
    assert board.select(FLOW, EVERY, "bytes", 50).window == WINDOW
    board.add(batch_part(replace(second, window=WINDOW + 3, seq=9)))
    assert board.select(FLOW, EVERY, "bytes", 50).window == WINDOW + 3


def test_a_silent_node_is_shown_no_more() -> None:
    """Its last second is not one of now; another node's is."""
    board = board_of(make_flows(10), replace(make_flows(5), node="other", window=WINDOW + 60))
    found = board.select(FLOW, EVERY, "bytes", 50)
    assert (found.nodes, found.rows) == (1, 5)


def test_failures_stay_and_are_bounded() -> None:
    """The newest first, of all seconds, up to the limit; a filter chooses among them."""
    failed = [flow(FAILED | {"client.port": 1 + number}) for number in range(FAILURES + 7)]
    board = Board(KINDS)
    for window, row in enumerate(failed, WINDOW):
        for part in rows_parts(FLOW, [row._replace(window=window)]):
            board.add(replace(part, last=True))
    found = board.failures(FLOW, EVERY, 3)
    assert [row.row["client.port"] for row in found.top] == [FAILURES + 7, FAILURES + 6, FAILURES + 5]
    assert found.matched == FAILURES
    assert board.failures(FLOW, Filter("client.port:9"), 3).matched == 1
    assert board.failures(FLOW, Filter("client.port:2"), 3).matched == 0


def test_frozen_shows_what_it_had() -> None:
    """What comes meanwhile is there when it goes on."""
    board = board_of(make_flows(10))
    assert board.freeze()
    board.add(batch_part(replace(make_flows(4), window=WINDOW + 1)))
    assert board.select(FLOW, EVERY, "bytes", 50).rows == 10
    assert not board.freeze()
    assert board.select(FLOW, EVERY, "bytes", 50).rows == 4


def flows_app(*rows: PublicRow, text: str = "") -> TopApp:
    """The program on its second page, with a second of these rows."""
    app = TopApp(page=1, text=text)
    for part in rows_parts(FLOW, rows):
        app.board.add(replace(part, last=True))
    return app


def lines(app: TopApp) -> list[str]:
    """The rows of its table, as one reads them."""
    table = app.screen_stack[0].query_one(DataTable)
    return [" ".join(str(cell) for cell in table.get_row_at(place)) for place in range(table.row_count)]


def text_of(app: TopApp, where: str) -> str:
    """Of a static text."""
    return str(app.screen.query_one(where, Static).render())


async def settled(pilot: Pilot[None]) -> None:
    """What was typed has been taken by who has the keys, and is shown."""
    await pilot.pause(0.1)
    pilot.app.refresh_rows()  # type: ignore[attr-defined] # the program under test
    await pilot.pause()


async def test_it_shows_filters_and_says_what_is_wrong() -> None:
    """As letters are typed; a word that means nothing is named, and the rows stay; escape shows all again."""
    app = flows_app(flow(BOTH), flow(FAILED), flow(SERVER_ONLY))
    async with app.run_test(size=(180, 30)) as pilot:
        await settled(pilot)
        assert len(lines(app)) == 3
        await pilot.press("/", *"failed>0")
        await settled(pilot)
        assert [line for line in lines(app) if "ECONNREFUSED" in line] == lines(app) != []
        assert "flows 1 of 3" in text_of(app, "#head")
        await pilot.press(*" prot:1")
        assert "did you mean" in text_of(app, "#fault")
        assert len(lines(app)) == 1
        await pilot.press("escape")
        await settled(pilot)
        await pilot.press("/", *"client.address:10.0.0.0/24")
        await settled(pilot)
        assert len(lines(app)) == 2
        await pilot.press("escape")
        await settled(pilot)
        assert len(lines(app)) == 3
        assert text_of(app, "#fault") == ""


async def test_a_row_opens_with_its_nat_and_both_ends() -> None:
    """And is shown as it is a second later, wherever it has moved to."""
    hops = [
        {
            "source.address": "10.0.0.1",
            "source.port": 40000,
            "destination.address": to,
            "destination.port": port,
        }
        for to, port in (("10.96.0.10", 443), ("10.0.3.4", 8099))
    ]
    named = BOTH | {"connection.id": "c1", "connection.opened_at_ns": 1, "nat": hops}
    app = flows_app(flow(FAILED), flow(named))
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("enter")
        await pilot.pause()
        shown = app.export_screenshot(simplify=True).replace("&#160;", " ")
        for word in ("after rewrite 1", "10.96.0.10:443", "10.0.3.4:8099", "24036", "3.5 MB"):
            assert word in shown
        later = flow(named | {"client.rx_bytes": 7_700_000})._replace(window=WINDOW + 1)
        for part in rows_parts(FLOW, [later]):
            app.board.add(replace(part, last=True))
        app.refresh_rows()
        await pilot.pause()
        assert "7.7 MB" in app.export_screenshot(simplify=True).replace("&#160;", " ")
        await pilot.press("escape")
        await pilot.pause()
        assert len(app.screen_stack) == 1


async def test_keys_change_page_order_and_time() -> None:
    """1 to 3, s and space; the cursor stays on its row."""
    big, small = (
        flow(BOTH | {"connection.id": name, "client.rx_bytes": rx, "client.rtt_ns": rtt})
        for name, rx, rtt in (("a", 9_000_000, 1000), ("b", 10, 7_000_000))
    )
    app = flows_app(big, small)
    app.board.add(batch_part(workloads()))
    async with app.run_test(size=(180, 30)) as pilot:
        await settled(pilot)
        assert "9.0 MB/s" in lines(app)[0]
        while "sorted by rtt" not in text_of(app, "#head"):
            await pilot.press("s")
            await settled(pilot)
        assert "7.0ms" in lines(app)[0]
        assert "9.0 MB/s" in lines(app)[app.query_one(DataTable).cursor_row]
        await pilot.press("space")
        await settled(pilot)
        assert "FROZEN" in text_of(app, "#head")
        await pilot.press("1")
        await settled(pilot)
        assert any("shop/cart" in line for line in lines(app))
        await pilot.press("3")
        await settled(pilot)
        assert lines(app) == []


async def test_losses_and_the_log_are_shown() -> None:
    """Before there is a row the last line of the log; then what nodes have lost, until they say otherwise."""
    app = TopApp()
    app.note("the kernel is compiled")
    async with app.run_test(size=(120, 20)) as pilot:
        await settled(pilot)
        assert "the kernel is compiled" in text_of(app, "#head")
        app.board.add(batch_part(workloads()))
        app.lose("db-7", "ring full 3 events")
        await settled(pilot)
        assert "db-7 lost ring full 3 events" in text_of(app, "#head")
        app.lose("db-7", "")
        await settled(pilot)
        assert "nothing lost" in text_of(app, "#head")
        assert isinstance(app.query_one("#filter"), Input)


@pytest.mark.parametrize("size", [(20, 5), (60, 12), (300, 80)])
async def test_every_size_of_terminal_will_do(size: tuple[int, int]) -> None:
    """Narrow ones show fewer columns."""
    app = flows_app(flow(BOTH), flow(FAILED))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        assert len(lines(app)) == 2
